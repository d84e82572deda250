import pytest

from kdl_local.apiserver.builtin import builtin
from kdl_local.apiserver.types import ResourceType, ResourceTypes, api_version_conversion, version_order
from kdl_runtime.types import Resource

V1 = Resource("example.com", "v1", "Foo", "foos")
V2 = Resource("example.com", "v2", "Foo", "foos")


def test_versions_are_ordered_as_kubernetes_orders_them() -> None:
    versions = ["foo1", "v1alpha1", "v2beta1", "v1", "v10", "v2", "v1beta10", "v1beta2", "a"]
    expected = ["v10", "v2", "v1", "v2beta1", "v1beta10", "v1beta2", "v1alpha1", "a", "foo1"]
    assert sorted(versions, key=version_order) == expected


def test_lookups() -> None:
    types = ResourceTypes([ResourceType(V1), ResourceType(V2)])
    assert types.get("example.com", "v2", "foos") is types.by_kind(V2.gvk) is types.of(V2)
    assert types.get("example.com", "v3", "foos") is None
    assert types.groups() == {"example.com": ["v2", "v1"]}


def test_replacing_a_type_forgets_its_former_kind_and_counts() -> None:
    types = ResourceTypes([ResourceType(V1)])
    before = types.revision
    types.replace("example.com", "foos", [ResourceType(V2)])
    assert types.of(V1) is None
    assert types.by_kind(V1.gvk) is None
    assert [item.resource for item in types] == [V2]
    assert types.revision > before


def test_removing_what_is_not_there_changes_nothing() -> None:
    types = ResourceTypes([ResourceType(V1)])
    before = types.revision
    types.remove("example.com", "bars")
    assert types.revision == before


def test_names_that_follow_from_the_kind() -> None:
    item = ResourceType(V1)
    assert (item.singular, item.list_kind, item.has_status, item.storage_resource) == ("foo", "FooList", False, V1)


def test_conversion_between_versions_changes_the_api_version_only() -> None:
    conversion = api_version_conversion(V2, V1)
    assert conversion is not None
    stored = conversion.to_storage({"apiVersion": "example.com/v2", "kind": "Foo", "spec": {"a": 1}})
    assert stored == {"apiVersion": "example.com/v1", "kind": "Foo", "spec": {"a": 1}}
    assert conversion.from_storage(stored)["apiVersion"] == "example.com/v2"
    assert api_version_conversion(V1, V1) is None


@pytest.mark.parametrize(
    ("label", "value"),
    [("spec.nodeName", "n1"), ("spec.hostNetwork", "true"), ("status.phase", ""), ("metadata.name", "p")],
)
def test_field_selection(label: str, value: str) -> None:
    pods = next(item for item in builtin() if item.resource.plural == "pods")
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "hostNetwork": True}}
    assert pods.selects(label)
    assert pods.select(pod, label) == value


def test_other_fields_cannot_be_selected() -> None:
    pods = next(item for item in builtin() if item.resource.plural == "pods")
    assert not pods.selects("spec.containers")


def test_every_builtin_type_has_a_schema_and_a_unique_place() -> None:
    types = builtin()
    assert len({item.resource for item in types}) == len(types)
    assert all(item.schema is not None for item in types)


def test_both_shapes_of_events_share_their_storage() -> None:
    events = [item for item in builtin() if item.resource.kind == "Event"]
    assert [item.resource.group for item in events] == ["", "events.k8s.io"]
    assert events[0].storage_resource == events[1].storage_resource
