"""From pydantic's and Kubernetes' JSON schemas to structural ones."""

from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from kdl_workloads.api.base import ApiModel, Count, PodTemplateSpec, Quantity, rule, rules
from kdl_workloads.api.structural import builtin_schema, model_schema
from kdl_workloads.api.template_schema import pod_template_schema


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(ApiModel):
    """An inner thing."""

    a_number: Count | None = None
    """A number."""


CASES: list[tuple[Any, Any, dict[str, Any] | None]] = [
    (str, ..., {"type": "string"}),
    (str | None, None, {"type": "string"}),
    (Count, ..., {"type": "integer", "format": "int32", "minimum": 0}),
    (bool, False, {"type": "boolean"}),
    (Literal["One"], ..., {"type": "string", "enum": ["One"]}),
    (Literal["One", "Two"] | None, None, {"type": "string", "enum": ["One", "Two"]}),
    (Colour, ..., {"type": "string", "enum": ["red", "blue"]}),
    (list[str], ..., {"type": "array", "items": {"type": "string"}}),
    (dict[str, str] | None, None, {"type": "object", "additionalProperties": {"type": "string"}}),
    (dict[str, Any], ..., {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
    (
        Inner | None,
        None,
        {
            "type": "object",
            "description": "An inner thing.",
            "properties": {"aNumber": {"type": "integer", "format": "int32", "minimum": 0, "description": "A number."}},
        },
    ),
    (
        str | None,
        Field(default=None, max_length=5, description="Text.", json_schema_extra=rules(rule("self != ''", "spec.x"))),
        {
            "type": "string",
            "maxLength": 5,
            "description": "Text.",
            "x-kubernetes-validations": [{"rule": "self != ''", "message": "spec.x"}],
        },
    ),
    (Inner | None, Field(default=None, json_schema_extra={"nullable": True}), None),
]


@pytest.mark.parametrize(("type_", "default", "schema"), CASES)
def test_fields(type_: Any, default: Any, schema: dict[str, Any] | None) -> None:
    model = type("Model", (BaseModel,), {"__annotations__": {"x": type_}, **({} if default is ... else {"x": default})})
    found = model_schema(model)
    assert found["type"] == "object"
    assert found.get("required") == (["x"] if default is ... else None)
    if schema is None:
        assert found["properties"]["x"]["nullable"] is True
    else:
        assert found["properties"]["x"] == schema


def test_a_field_of_several_types_is_an_error() -> None:
    class Several(BaseModel):
        x: int | str

    with pytest.raises(ValueError, match="several types"):
        model_schema(Several)


def test_types_are_named_and_replaced() -> None:
    class Replica(ApiModel):
        template: PodTemplateSpec
        """The pod."""
        memory: Quantity

    fields = model_schema(Replica, lambda name: {"type": "string", "pattern": name})["properties"]
    assert fields["template"] == {
        "type": "string",
        "pattern": "io.k8s.api.core.v1.PodTemplateSpec",
        "description": "The pod.",
    }
    assert fields["memory"]["pattern"] == "io.k8s.apimachinery.pkg.api.resource.Quantity"


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", {"x-kubernetes-int-or-string": True}),
        (
            "io.k8s.api.core.v1.Toleration",
            {
                "type": "object",
                "properties": {
                    "effect": {"type": "string"},
                    "key": {"type": "string"},
                    "operator": {"type": "string"},
                    "tolerationSeconds": {"type": "integer", "format": "int64"},
                    "value": {"type": "string"},
                },
            },
        ),
        (
            "io.k8s.api.core.v1.HTTPHeader",
            {
                "type": "object",
                "required": ["name", "value"],
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
            },
        ),
    ],
)
def test_builtin_types(name: str, schema: dict[str, Any]) -> None:
    assert builtin_schema(name) == schema


def test_every_call_gives_a_schema_of_its_own() -> None:
    first, second = pod_template_schema(), pod_template_schema()
    assert first == second
    assert first["properties"]["spec"] is not second["properties"]["spec"]


def test_the_pod_template() -> None:
    template = pod_template_schema()
    spec = template["properties"]["spec"]["properties"]
    assert template["required"] == ["spec"]
    assert "ephemeralContainers" not in spec
    for name in ("containers", "initContainers"):
        assert spec[name]["items"]["required"] == ["image", "name"]
        assert "x-kubernetes-list-map-keys" not in spec[name]["items"]["properties"]["env"]
        ports = spec[name]["items"]["properties"]["ports"]
        assert "x-kubernetes-list-map-keys" not in ports
        assert "default" not in ports["items"]["properties"]["protocol"]
    assert set(template["properties"]["metadata"]["properties"]) == {
        "annotations",
        "finalizers",
        "labels",
        "name",
        "namespace",
    }
    assert "managedFields" not in str(template)
