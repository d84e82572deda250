"""Objects without some of their fields."""

from typing import Any

from kdl_local.apiserver.apply.fieldset import LEAF, SELF, FieldSet, has
from kdl_local.apiserver.apply.fieldtypes import FieldType, Form, ListType, MapType
from kdl_runtime.codec.patch import copy_json


def without(obj: dict[str, Any], fields: FieldSet, type_: FieldType) -> dict[str, Any]:
    """``obj`` without the members of a set; shares nothing with it. What is left empty becomes null."""
    found = _without(obj, fields, type_)
    return found if isinstance(found, dict) else {}


def _without(value: Any, fields: FieldSet, type_: FieldType) -> Any:
    form = type_.form(value)
    if form is Form.MAP and type_.map is not None:
        if not isinstance(value, dict) or not value or type_.map.atomic:
            return None
        return _map_without(value, fields, type_.map) or None
    if form is Form.LIST and type_.list is not None:
        if not isinstance(value, list) or not value or type_.list.atomic:
            return None
        return _list_without(value, fields, type_.list) or None
    return copy_json(value)


def _map_without(value: dict[str, Any], fields: FieldSet, type_: MapType) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, item in value.items():
        element = f"f:{name}"
        if has(fields, (element,)):
            continue
        below, child = fields.get(element), type_.of(name)
        result[name] = _without(item, below, child) if below and child is not None else copy_json(item)
    return result


def _list_without(value: list[Any], fields: FieldSet, type_: ListType) -> list[Any]:
    result: list[Any] = []
    for item in value:
        element = type_.element_of(item)
        if has(fields, (element,)):
            continue
        below = fields.get(element)
        result.append(_without(item, below, type_.element) if below else copy_json(item))
    return result


def with_named_fields(fields: FieldSet, type_: FieldType | None) -> FieldSet:
    """The set with every declared field that something in it is below of."""
    result: FieldSet = {}
    for element, below in fields.items():
        if element == SELF or not below:
            result[element] = below
            continue
        child, declared = _child(element, type_)
        deeper = with_named_fields(below, child)
        result[element] = {SELF: LEAF, **deeper} if declared else deeper
    return result


def _child(element: str, type_: FieldType | None) -> tuple[FieldType | None, bool]:
    if type_ is None:
        return None, False
    if element.startswith("f:") and type_.map is not None:
        name = element[2:]
        return type_.map.of(name), name in type_.map.fields
    if element.startswith("k:") and type_.list is not None:
        return type_.list.element, False
    return None, False


def reconciled(fields: FieldSet, type_: FieldType) -> FieldSet:
    """The set after a schema has changed: of what has become one value, nothing below it is a member."""
    changed = False
    result: FieldSet = {}
    for element, below in fields.items():
        child, _ = _child(element, type_)
        if not below or child is None or child.scalar:
            result[element] = below
            continue
        now = LEAF if _is_atomic(child) else reconciled(below, child)
        changed = changed or now is not below
        result[element] = now
    return result if changed else fields


def _is_atomic(type_: FieldType) -> bool:
    return (type_.map is not None and type_.map.atomic) or (type_.list is not None and type_.list.atomic)
