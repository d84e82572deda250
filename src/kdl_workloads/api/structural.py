"""JSON schemas as CRDs take them: "structural" schemas, with everything inline and in OpenAPI 3.0's words.

Rules: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from kdl_workloads.api.base import DEFINITION
from kdl_workloads.api.definitions import definitions

Schema = dict[str, Any]

_DEFS = "#/$defs/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)

_KEPT = frozenset(
    {
        "type",
        "format",
        "enum",
        "required",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "pattern",
        "nullable",
        "x-kubernetes-validations",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
    }
)


def model_schema(model: type[BaseModel], builtin: Callable[[str], Schema] | None = None) -> Schema:
    """The structural schema of a pydantic model, with descriptions. ValueError for what cannot be expressed.

    ``builtin`` gives the schema of the built-in types that the model names (None: ``builtin_schema``).
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _ModelRewriter(document.get("$defs", {}), builtin or builtin_schema).rewrite(document)


def builtin_schema(name: str) -> Schema:
    """The structural schema of a built-in type, without descriptions, by its OpenAPI name."""
    if name == _QUANTITY:
        return {"x-kubernetes-int-or-string": True, "pattern": _QUANTITY_PATTERN}
    if name == _INT_OR_STRING:
        return {"x-kubernetes-int-or-string": True}
    return _Rewriter().rewrite(definitions()["$defs"][name])


class _Rewriter:
    """Rewrites built-in types, which refer to each other by name."""

    def referenced(self, name: str) -> Schema:
        return builtin_schema(name)

    def annotated(self, schema: Schema, node: Mapping[str, Any]) -> Schema:
        """What ``node`` says beside the schema of its type."""
        return schema

    def rewrite(self, node: Mapping[str, Any]) -> Schema:
        if "$ref" in node:
            return self.annotated(self.referenced(str(node["$ref"]).removeprefix(_DEFS)), node)
        if "anyOf" in node:
            return self.annotated(self.rewrite(_not_null(node["anyOf"])), node)
        schema: Schema = {key: value for key, value in node.items() if key in _KEPT}
        if isinstance(schema.get("type"), list):
            schema["type"] = next(name for name in schema["type"] if name != "null")
        if "const" in node:
            schema |= {"type": "string", "enum": [node["const"]]}
        if "properties" in node:
            schema["properties"] = {name: self.rewrite(value) for name, value in node["properties"].items()}
        if "items" in node:
            schema["items"] = self.rewrite(node["items"])
        additional = node.get("additionalProperties")
        if additional is True:
            schema["x-kubernetes-preserve-unknown-fields"] = True
        elif additional:
            schema["additionalProperties"] = self.rewrite(additional)
        _check_list_map(schema)
        return self.annotated(schema, node)


class _ModelRewriter(_Rewriter):
    """Rewrites our own types, whose descriptions are kept."""

    def __init__(self, models: Mapping[str, Any], builtin: Callable[[str], Schema]) -> None:
        self._models = models
        self._builtin = builtin

    def referenced(self, name: str) -> Schema:
        return self.rewrite(self._models[name])

    def annotated(self, schema: Schema, node: Mapping[str, Any]) -> Schema:
        own = {key: node[key] for key in ("description", "x-kubernetes-validations", "nullable") if key in node}
        return {**schema, **own}

    def rewrite(self, node: Mapping[str, Any]) -> Schema:
        if DEFINITION in node:
            return self.annotated(self._builtin(node[DEFINITION]), node)
        return super().rewrite(node)


def _not_null(choices: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    rest = [choice for choice in choices if choice.get("type") != "null"]
    if len(rest) != 1:
        raise ValueError(f"a field of several types has no structural schema: {choices}")
    return rest[0]


def _check_list_map(schema: Schema) -> None:
    """The keys of a list map must be required or have a default; the marker is dropped from lists where that fails."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys:
        return
    required = schema["items"].get("required", [])
    if not all(key in required for key in keys):
        del schema["x-kubernetes-list-map-keys"]
        schema.pop("x-kubernetes-list-type", None)
