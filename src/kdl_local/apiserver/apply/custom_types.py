"""Field types of custom resources, from the schema in their definition."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from kdl_local.apiserver.apply.builtin_types import OBJECT_META, builtin_type
from kdl_local.apiserver.apply.fieldtypes import DEDUCED, UNTYPED, FieldType, ListType, MapType, list_type, scalar_of
from kdl_local.apiserver.shared import Shared

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_STRING = FieldType("string")

Schema = Mapping[str, Any]


def custom_type(schema: Schema) -> FieldType:
    """The type of the whole object of a version; ``schema`` is its ``openAPIV3Schema``."""
    return _type({**schema, "x-kubernetes-embedded-resource": True}, preserve=False)


def _type(schema: Schema, *, preserve: bool) -> FieldType:
    """``preserve``: a schema around this one keeps unknown fields, and with it all below."""
    return (_IN_PRESERVED if preserve or schema.get(_PRESERVE) else _IN_KNOWN).of(schema)


def _made(schema: Schema, *, preserve: bool) -> FieldType:
    match schema.get("type"):
        case "object":
            map_ = _map(schema, preserve=preserve)
            return FieldType(map=map_, loose=_loose_map(map_))
        case "array":
            list_ = _list(schema, preserve=preserve)
            return FieldType(list=list_, loose=list_.element.loose)
        case None | "":
            return FieldType("untyped", _list(schema, preserve=preserve), _map(schema, preserve=preserve), loose=True)
    return FieldType(scalar_of(schema))


def _map(schema: Schema, *, preserve: bool) -> MapType:
    fields = {name: _type(item, preserve=preserve) for name, item in (schema.get("properties") or {}).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        fields |= {"apiVersion": _STRING, "kind": _STRING, "metadata": builtin_type(OBJECT_META)}
    additional = schema.get("additionalProperties")
    element: FieldType | None = None
    if isinstance(additional, Mapping):
        element = _type(additional, preserve=preserve)
    elif additional is True or (additional is None and (preserve or not schema.get("properties"))):
        element = DEDUCED
    return MapType(fields, element, atomic=schema.get("x-kubernetes-map-type") == "atomic")


def _loose_map(map_: MapType) -> bool:
    return any(item.loose for item in map_.fields.values()) or (map_.element is not None and map_.element.loose)


def _list(schema: Schema, *, preserve: bool) -> ListType:
    items = schema.get("items")
    if not isinstance(items, Mapping):
        return list_type(schema, UNTYPED)
    found = list_type(schema, _type(items, preserve=preserve))
    properties = items.get("properties") or {}
    defaults = {key: properties.get(key, {}).get("default") for key in found.keys}
    found.defaults = {key: value for key, value in defaults.items() if value is not None}
    return found


_IN_PRESERVED = Shared(partial(_made, preserve=True))
_IN_KNOWN = Shared(partial(_made, preserve=False))
