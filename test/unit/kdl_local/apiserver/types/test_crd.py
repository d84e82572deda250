import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kdl_local.apiserver import crd
from kdl_local.apiserver.crd_validation import validate
from kdl_local.apiserver.types import ResourceTypes, ScalePaths
from kdl_runtime.types import Resource

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"spec": {"type": "object"}}}


def version(name: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}, **fields}


def definition(*versions: dict[str, Any], names: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A CRD for foos.example.com, with its defaults."""
    found = {"plural": "foos", "kind": "Foo", **(names or {})}
    group = spec.get("group", "example.com")
    obj = {
        "metadata": {"name": f"{found['plural']}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": found,
            "versions": list(versions) or [version()],
            **spec,
        },
    }
    crd.default(obj)
    return obj


def errors_of(obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    return [str(error) for error in validate(obj, old)]


def test_defaults() -> None:
    spec = definition()["spec"]
    assert spec["names"] == {"plural": "foos", "kind": "Foo", "singular": "foo", "listKind": "FooList"}
    assert spec["conversion"] == {"strategy": "None"}


def test_a_good_definition_has_no_errors() -> None:
    columns = [{"name": "State", "type": "string", "jsonPath": ".status.conditions[-1:].type"}]
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    good = version(additionalPrinterColumns=columns, subresources={"status": {}, "scale": scale})
    assert errors_of(definition(good, names={"shortNames": ["fo"]})) == []


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            definition() | {"metadata": {"name": "bars.example.com"}},
            'metadata.name: Invalid value: "bars.example.com": must be spec.names.plural+"."+spec.group',
        ),
        (definition(group="example"), 'spec.group: Invalid value: "example": should be a domain with at least one dot'),
        (
            definition(scope="Global"),
            'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
        ),
        (
            definition(conversion={"strategy": "Webhook"}),
            'spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None"',
        ),
        (
            definition(version("v1"), version("v2")),
            'spec.versions: Invalid value: ["v1","v2"]: must have exactly one version marked as storage version',
        ),
        (
            definition(version("v1"), version("v1", storage=False)),
            'spec.versions: Invalid value: ["v1","v1"]: must contain unique version names',
        ),
        (
            definition(version(schema={})),
            "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
        ),
        (
            definition(names={"listKind": "Foo"}),
            'spec.names.listKind: Invalid value: "Foo": kind and listKind may not be the same',
        ),
        (
            definition(group="apps.k8s.io"),
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval "
            'annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
        ),
        (
            definition(version(additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": ".a"}])),
            'spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": must be one of '
            "boolean,date,integer,number,string",
        ),
        (
            definition(version(subresources={"scale": {"specReplicasPath": ".a", "statusReplicasPath": ".status.b"}})),
            'spec.versions[0].subresources.scale.specReplicasPath: Invalid value: ".a": should be a json path under '
            ".spec",
        ),
        (
            definition(version(schema={"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}})),
            "spec.validation.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified "
            "object fields",
        ),
        (
            definition(
                version("v1"),
                version("v2", storage=False, schema={"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}}),
            ),
            "spec.versions[1].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for "
            "specified object fields",
        ),
        (
            definition(
                version(
                    schema={
                        "openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "string", "default": 1}}}
                    }
                )
            ),
            'spec.validation.openAPIV3Schema.properties[a].default: Invalid value: "integer": '
            'spec.validation.openAPIV3Schema.properties[a].default in body must be of type string: "integer"',
        ),
        (
            definition(
                version(schema={"openAPIV3Schema": {"type": "object", "x-kubernetes-validations": [{"rule": "bad("}]}})
            ),
            "spec.validation.openAPIV3Schema.x-kubernetes-validations[0].rule: Invalid value: ",
        ),
    ],
)
def test_refused(obj: dict[str, Any], message: str) -> None:
    assert [error[: len(message)] for error in errors_of(obj)] == [message]


def test_what_an_update_may_not_change() -> None:
    old = definition()
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    new = definition(scope="Cluster", names={"kind": "Bar"})
    assert errors_of(new, old) == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'spec.names.kind: Invalid value: "Bar": field is immutable',
    ]
    assert errors_of(new, definition()) == []


def test_a_stored_version_must_stay() -> None:
    new = definition(version("v2"))
    new["status"] = {"storedVersions": ["v1"]}
    assert errors_of(new, definition())[0].startswith('status.storedVersions[0]: Invalid value: "v1": missing from')


def test_establishing_accepts_the_names() -> None:
    found = crd.establish(definition(), ResourceTypes(), NOW)
    assert [item.resource for item in found.types] == [Resource("example.com", "v1", "Foo", "foos")]
    time = "2026-01-31T12:00:00Z"
    assert found.status == {
        "acceptedNames": {"plural": "foos", "kind": "Foo", "singular": "foo", "listKind": "FooList"},
        "storedVersions": ["v1"],
        "conditions": [
            {
                "type": "NamesAccepted",
                "status": "True",
                "reason": "NoConflicts",
                "message": "no conflicts found",
                "lastTransitionTime": time,
            },
            {
                "type": "Established",
                "status": "True",
                "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted",
                "lastTransitionTime": time,
            },
        ],
    }


def test_establishing_again_changes_nothing() -> None:
    obj = definition()
    first = crd.establish(obj, ResourceTypes(), NOW)
    again = crd.establish({**obj, "status": first.status}, ResourceTypes(first.types), NOW + timedelta(hours=1))
    assert again.status == first.status


def test_a_new_storage_version_is_added_to_those_stored() -> None:
    obj = definition(version("v1", storage=False), version("v2"))
    obj["status"] = {"storedVersions": ["v1"]}
    assert crd.establish(obj, ResourceTypes(), NOW).status["storedVersions"] == ["v1", "v2"]


@pytest.mark.parametrize(
    ("names", "reason", "name"),
    [
        ({"plural": "bars", "kind": "Foo", "listKind": "BarList"}, "KindConflict", "Foo"),
        ({"plural": "bars", "kind": "Bar", "shortNames": ["foos"]}, "ShortNamesConflict", "foos"),
        ({"plural": "bars", "kind": "Bar", "singular": "foo"}, "SingularConflict", "foo"),
        ({"plural": "foo", "kind": "Bar", "singular": "bar"}, "PluralConflict", "foo"),
        ({"plural": "bars", "kind": "Bar", "listKind": "FooList"}, "ListKindConflict", "FooList"),
    ],
)
def test_names_that_are_taken(names: dict[str, Any], reason: str, name: str) -> None:
    types = ResourceTypes(crd.resource_types(definition()))
    found = crd.establish(definition(names=names), types, NOW)
    assert found.types == []
    conditions = {item["type"]: item for item in found.status["conditions"]}
    assert conditions["NamesAccepted"]["reason"] == reason
    assert conditions["NamesAccepted"]["message"] == f'"{name}" is already in use'
    assert conditions["Established"]["status"] == "False"


def test_the_same_names_in_another_group_are_free() -> None:
    types = ResourceTypes(crd.resource_types(definition()))
    assert crd.establish(definition(group="other.example.com"), types, NOW).types


def test_versions_share_their_storage() -> None:
    obj = definition(version("v1"), version("v2", storage=False), version("v0", storage=False, served=False))
    types = crd.resource_types(obj)
    assert [item.resource.version for item in types] == ["v1", "v2"]
    assert {item.storage_resource.version for item in types} == {"v1"}
    assert types[1].from_storage({"apiVersion": "example.com/v1"}) == {"apiVersion": "example.com/v2"}


def test_subresources_and_columns_of_a_type() -> None:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    columns = [
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Count", "type": "integer", "jsonPath": ".status.count", "priority": 1},
        {"name": "On", "type": "boolean", "jsonPath": ".status.on"},
        {"name": "Share", "type": "number", "jsonPath": ".status.share"},
        {"name": "Since", "type": "date", "jsonPath": ".status.since"},
        {"name": "Object", "type": "string", "jsonPath": ".status.object"},
    ]
    (found,) = crd.resource_types(
        definition(version(subresources={"status": {}, "scale": scale}, additionalPrinterColumns=columns))
    )
    assert found.subresources == {"status", "scale"}
    assert found.scale == ScalePaths(".spec.replicas", ".status.replicas", ".status.selector")
    assert found.printer is not None
    assert [(column.name, column.priority) for column in found.printer.columns[:3]] == [
        ("Name", 0),
        ("Ready", 0),
        ("Count", 1),
    ]
    obj: dict[str, Any] = {"metadata": {"name": "x"}}
    assert found.printer.cells(obj, NOW) == ["x", None, None, None, None, None, None]
    obj["status"] = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "count": 2.0,
        "on": True,
        "share": 0.5,
        "since": "2026-01-31T11:59:00Z",
        "object": {"a": 1},
    }
    assert found.printer.cells(obj, NOW) == ["x", "True", 2, True, 0.5, "60s", '{"a":1}']


def test_a_cell_of_the_wrong_type_is_empty() -> None:
    printer = crd.printer([{"name": "N", "type": "integer", "jsonPath": ".n"}])
    assert printer.cells({"metadata": {"name": "x"}, "n": "many"}, NOW) == ["x", None]


def test_deletion_keeps_the_definition_until_its_objects_are_gone() -> None:
    obj = definition()
    before = copy.deepcopy(obj)
    found = crd.begin_deletion(obj, NOW)
    assert obj == before
    assert found["metadata"]["finalizers"] == [crd.CLEANUP_FINALIZER]
    assert found["status"]["conditions"][0]["reason"] == "InstanceDeletionPending"
    assert crd.begin_deletion(found, NOW) == found
    assert crd.storage_resource(obj) == Resource("example.com", "v1", "Foo", "foos")
