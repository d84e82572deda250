"""The schema of a built-in kind: its fields and their JSON types, and what its own module defaults and validates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kdl_local.apiserver.definitions import definition, definition_name, references
from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.node import Node, fill
from kdl_local.apiserver.schema import prune_fields
from kdl_local.apiserver.statuses import Undecodable
from kdl_local.apiserver.types import Object
from kdl_runtime.types import Resource

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_AMOUNT = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_SHAPE_KEYWORDS = frozenset({"type", "format", "properties", "items", "additionalProperties", "$ref"})


def _no_default(obj: Object) -> None:
    return None


def _no_error(obj: Object, old: Object | None) -> list[FieldError]:
    return []


@dataclass(frozen=True, slots=True)
class BuiltinSchema:
    """Fields come from the kind's OpenAPI definition; nulls are accepted anywhere, as absent.

    A value of the wrong JSON type is a BadRequest from ``prune``, because the real server cannot decode such a body;
    what is wrong beyond that is found by ``validate``.
    """

    resource: Resource
    defaults: Callable[[Object], None] = _no_default
    errors: Callable[[Object, Object | None], list[FieldError]] = _no_error

    def prune(self, obj: Object) -> list[str]:
        name = definition_name(self.resource.gvk)
        if name is None:
            return []
        node = _shape(name)
        found: list[FieldError] = []
        node.validate(obj, None, found)
        if found:
            raise Undecodable(self.resource, _decode_error(self.resource, found[0]))
        unknown: list[str] = []
        prune_fields(obj, node, unknown)
        return unknown

    def default(self, obj: Object, *, keep_nulls: bool = False) -> None:
        self.defaults(obj)

    def validate(self, obj: Object, old: Object | None, *, blocked: bool = False) -> list[FieldError]:
        return self.errors(obj, old)

    def openapi(self) -> Mapping[str, Any] | None:
        return None


def _decode_error(resource: Resource, error: FieldError) -> str:
    field, expected = error.path, error.detail.rpartition("of type ")[2].partition(":")[0]
    found = error.value if isinstance(error.value, str) and "must be of type" in error.detail else "value"
    return f"json: cannot unmarshal {found} into field {resource.kind}.{field} of type {expected}"


@cache
def _shape(name: str) -> Node:
    """The node that knows fields and JSON types only. Recursive definitions refer to one another's nodes."""
    nodes: dict[str, Node] = {}

    def resolve(reference: str) -> Node:
        target = reference.rpartition("/")[2]
        if target not in nodes:
            node = nodes[target] = Node({}, nullable=True)
            schema = _shape_schema(target)
            fill(node, schema, resolve)
            node.nullable = True
            node.preserve = node.preserve or not (schema.get("properties") or schema.get("additionalProperties"))
        return nodes[target]

    return resolve(name)


def _shape_schema(name: str) -> Mapping[str, Any]:
    if name == _QUANTITY:
        return {"type": ["string", "number"], "pattern": _AMOUNT}
    if name == _INT_OR_STRING:
        return {"type": ["string", "integer"]}
    shaped: Mapping[str, Any] = _shaped(definition(name))
    return shaped


def _shaped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Only what says which fields there are and of which JSON type; a free-form object keeps all fields."""
    result: dict[str, Any] = {key: schema[key] for key in _SHAPE_KEYWORDS & schema.keys()}
    result["nullable"] = True
    if "properties" in result:
        result["properties"] = {name: _shaped(item) for name, item in result["properties"].items()}
    if isinstance(result.get("items"), Mapping):
        result["items"] = _shaped(result["items"])
    if isinstance(result.get("additionalProperties"), Mapping):
        result["additionalProperties"] = _shaped(result["additionalProperties"])
    if not any(references(schema)) and not schema.get("properties") and not schema.get("additionalProperties"):
        result["x-kubernetes-preserve-unknown-fields"] = True
    return result
