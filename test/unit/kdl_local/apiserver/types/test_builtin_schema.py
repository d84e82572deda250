import copy
from typing import Any

import pytest

from kdl_local.apiserver.builtin import builtin
from kdl_local.apiserver.builtin_schema import BuiltinSchema
from kdl_local.apiserver.definitions import definition, definition_name
from kdl_runtime.errors import BadRequest
from kdl_runtime.types import GroupVersionKind, Resource

POD = BuiltinSchema(Resource("", "v1", "Pod", "pods"))
CRD = BuiltinSchema(
    Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
)


def pod(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container], **spec}}


@pytest.mark.parametrize(
    ("obj", "unknown"),
    [
        (pod({"name": "a", "imagee": "x"}), ["spec.containers[0].imagee"]),
        (pod({"name": "a"}, bogus={"a": 1}), ["spec.bogus"]),
        (pod({"name": "a"}) | {"bogus": 1}, ["bogus"]),
        (pod({"name": "a"}, nodeSelector={"any": "thing"}), []),
        (pod({"name": "a", "resources": {"limits": {"cpu": 0.5, "memory": "1Gi", "example.com/gpu": 1}}}), []),
        (pod({"name": "a", "livenessProbe": {"httpGet": {"port": "http"}}}), []),
        (pod({"name": "a", "livenessProbe": {"httpGet": {"port": 80}}}), []),
        ({"metadata": {"creationTimestamp": None, "labels": {"a": "b"}}}, []),
    ],
)
def test_unknown_fields(obj: dict[str, Any], unknown: list[str]) -> None:
    assert POD.prune(obj) == unknown


def test_unknown_fields_are_dropped() -> None:
    obj = pod({"name": "a", "imagee": "x"})
    POD.prune(obj)
    assert obj["spec"]["containers"] == [{"name": "a"}]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            pod({"name": "a", "ports": [{"containerPort": "eighty"}]}),
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into field '
            "Pod.spec.containers[0].ports[0].containerPort of type integer",
        ),
        (
            {"metadata": {}, "spec": {"containers": {}}},
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into field '
            "Pod.spec.containers of type array",
        ),
        (
            pod({"name": "a"}, activeDeadlineSeconds=1.5),
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into field '
            "Pod.spec.activeDeadlineSeconds of type integer",
        ),
    ],
)
def test_a_value_of_the_wrong_type_cannot_be_decoded(obj: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        POD.prune(obj)
    assert caught.value.message == message


def test_recursive_definitions_are_followed_all_the_way() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"typo": 1}}}}}
    obj = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    assert CRD.prune(obj) == ["spec.versions[0].schema.openAPIV3Schema.properties.a.properties.b.typo"]


@pytest.mark.parametrize("item", builtin(), ids=lambda item: item.resource.group_resource)
def test_every_builtin_kind_has_a_definition(item: Any) -> None:
    assert definition_name(item.gvk) is not None


@pytest.mark.parametrize("item", builtin(), ids=lambda item: item.resource.group_resource)
def test_every_builtin_kind_knows_metadata_and_no_others(item: Any) -> None:
    obj = {"apiVersion": "v1", "kind": item.resource.kind, "metadata": {"name": "x"}, "noSuchField": 1}
    before = copy.deepcopy(obj)
    assert item.schema.prune(obj) == ["noSuchField"]
    before.pop("noSuchField")
    assert obj == before


def test_definitions_are_in_the_form_of_openapi() -> None:
    name = definition_name(GroupVersionKind("", "v1", "Pod"))
    assert name == "io.k8s.api.core.v1.Pod"
    assert definition(name)["properties"]["kind"]["type"] == "string"
    assert "enum" not in definition(name)["properties"]["kind"]
    assert definition("io.k8s.apimachinery.pkg.util.intstr.IntOrString")["format"] == "int-or-string"
