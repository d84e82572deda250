"""Objects of built-in kinds as Go writes them: what is empty and need not be there is left out."""

from typing import Any

from kdl_local.apiserver.apply.fieldtypes import DEDUCED, FieldType, MapType


def as_go_writes(obj: dict[str, Any], type_: FieldType, old: dict[str, Any]) -> dict[str, Any]:
    """``obj`` without nulls, and without empty lists and maps but for required ones; a null for a string in a list or
    map is an empty one. Shares scalars and free-form parts with it, and with what it was before, which is as Go writes
    it, nothing.
    """
    if type_.map is None:
        return obj
    same = {name: value for name, value in obj.items() if name in old and value == old[name]}
    return same | _map({name: value for name, value in obj.items() if name not in same}, type_.map)


def _map(value: dict[str, Any], type_: MapType) -> dict[str, Any]:
    result: dict[str, Any] = {}
    fields, element, always = type_.fields, type_.element, type_.always
    for name, item in value.items():
        if item is None:
            if name in fields or element is None or element.scalar != "string":
                continue
            item = ""
        if isinstance(item, dict):
            child = fields.get(name, element)
            if child is not None and child.map is not None and not child.loose:
                item = _map(item, child.map)
                if not item and _is_plain(child.map) and name in fields and name not in always:
                    continue
        elif isinstance(item, list):
            child = fields.get(name, element)
            if not item and name not in always:
                continue
            if child is not None and child.list is not None:
                inner = child.list.element.map
                if child.list.element.scalar == "string":
                    item = ["" if entry is None else entry for entry in item]
                elif inner is not None and not child.list.element.loose:
                    item = [_map(entry or {}, inner) if isinstance(entry, dict | None) else entry for entry in item]
        result[name] = item
    return result


def _is_plain(type_: MapType) -> bool:
    """Whether it is a map and no struct; structs are written even if they are empty, where a pointer to one is set."""
    return not type_.fields and type_.element is not None and type_.element is not DEDUCED
