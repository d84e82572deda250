"""What all API types share: camelCase names, unknown fields refused, and how a type says what its CRD schema is."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

DEFINITION = "x-kubernetes-definition"
"""Schema key by which a field names a built-in Kubernetes type; the CRD generator puts that type's schema there."""


class ApiModel(BaseModel):
    """A JSON object of the API. Python names are snake case, JSON names camel case; both are accepted as input."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


def builtin(name: str) -> dict[str, Any]:
    """Schema of a field whose type is a built-in one, by its OpenAPI name (``io.k8s.api.core.v1.PodTemplateSpec``)."""
    return {DEFINITION: name}


def rule(rule: str, message: str) -> dict[str, str]:
    """One CEL rule of ``x-kubernetes-validations``. The message names the field: it is all that a user sees."""
    return {"rule": rule, "message": message}


def rules(*entries: Mapping[str, str]) -> dict[str, Any]:
    """``json_schema_extra`` of a model whose objects these rules check."""
    return {"x-kubernetes-validations": [dict(entry) for entry in entries]}


Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31), WithJsonSchema({"type": "integer", "format": "int32"})]
Count = Annotated[int, Field(ge=0, lt=2**31), WithJsonSchema({"type": "integer", "format": "int32", "minimum": 0})]
Count64 = Annotated[int, Field(ge=0, lt=2**63), WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0})]
Port = Annotated[
    int, Field(ge=1, le=65535), WithJsonSchema({"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535})
]
Percentage = Annotated[
    int, Field(ge=0, le=100), WithJsonSchema({"type": "integer", "format": "int32", "minimum": 0, "maximum": 100})
]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""An RFC 3339 time, as text."""
Quantity = Annotated[int | str, WithJsonSchema(builtin("io.k8s.apimachinery.pkg.api.resource.Quantity"))]
PodTemplateSpec = Annotated[dict[str, Any], WithJsonSchema(builtin("io.k8s.api.core.v1.PodTemplateSpec"))]
PersistentVolumeClaimTemplate = Annotated[
    dict[str, Any], WithJsonSchema(builtin("io.k8s.api.core.v1.PersistentVolumeClaimTemplate"))
]
MetricSpec = Annotated[dict[str, Any], WithJsonSchema(builtin("io.k8s.api.autoscaling.v2.MetricSpec"))]


class ObjectMeta(ApiModel):
    """The part of ``metadata`` that a user writes. What else the API server sends is kept as it came."""

    model_config = ConfigDict(extra="allow")

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
