"""What an applied object lays claim to, and whether it is of its type at all."""

from collections.abc import Iterator
from typing import Any

from kdl_local.apiserver.apply.fieldset import LEAF, SELF, FieldSet, path_text
from kdl_local.apiserver.apply.fieldtypes import FieldType, Form, ListType, MapType


def leaves(value: Any, type_: FieldType) -> FieldSet:
    """Every leaf of a value, every element of a list and every entry of a map that is no declared field.

    What is below a path; of an object as a whole, the set.
    """
    form = type_.form(value)
    if form is Form.MAP and type_.map is not None:
        return LEAF if type_.map.atomic or not isinstance(value, dict) else _map_leaves(value, type_.map)
    if form is Form.LIST and type_.list is not None:
        return LEAF if type_.list.atomic or not isinstance(value, list) else _list_leaves(value, type_.list)
    return LEAF


def _map_leaves(value: dict[str, Any], type_: MapType) -> FieldSet:
    found: FieldSet = {}
    for name, item in value.items():
        child = type_.of(name)
        if child is None:
            continue
        below = leaves(item, child)
        if below:
            found[f"f:{name}"] = below if name in type_.fields else {SELF: LEAF, **below}
        elif name not in type_.fields or not _is_open(item, child):
            found[f"f:{name}"] = LEAF
    return found


def _is_open(value: Any, type_: FieldType) -> bool:
    """Whether a value without leaves says nothing of itself: a list or an object with fields that would be merged."""
    if isinstance(value, list):
        return type_.list is not None and not type_.list.atomic
    return isinstance(value, dict) and bool(value) and type_.map is not None and not type_.map.atomic


def _list_leaves(value: list[Any], type_: ListType) -> FieldSet:
    found: FieldSet = {}
    for item in value:
        element = type_.element_of(item)
        if element in found:
            found[element] = LEAF
        else:
            below = leaves(item, type_.element)
            found[element] = {SELF: LEAF, **below} if below else LEAF
    return found


def type_errors(value: Any, type_: FieldType, *, duplicates: bool) -> list[str]:
    """What keeps a value from being of its type, as ``.path: message``; ``duplicates`` may be in sets and keyed lists
    of stored objects, never in what is applied.
    """
    return [f"{path_text(path)}: {text}" if path else text for path, text in _errors(value, type_, (), duplicates)]


def error_text(errors: list[str]) -> str:
    """One message of several errors."""
    return errors[0] if len(errors) == 1 else "\n".join(["errors:", *(f"  {error}" for error in errors)])


_Found = Iterator[tuple[tuple[str, ...], str]]


def _errors(value: Any, type_: FieldType, path: tuple[str, ...], duplicates: bool) -> _Found:
    if value is None:
        return
    form = type_.form(value)
    if form is Form.MAP and type_.map is not None:
        if not isinstance(value, dict):
            yield path, f"expected map, got &{{{_go_value(value)}}}"
        else:
            yield from _map_errors(value, type_.map, path, duplicates)
    elif form is Form.LIST and type_.list is not None:
        if not isinstance(value, list):
            yield path, f"expected list, got &{{{_go_value(value)}}}"
        else:
            yield from _list_errors(value, type_.list, path, duplicates)
    elif text := _scalar_error(value, type_.scalar):
        yield path, text


def _map_errors(value: dict[str, Any], type_: MapType, path: tuple[str, ...], duplicates: bool) -> _Found:
    for name, item in value.items():
        child, below = type_.of(name), (*path, f"f:{name}")
        if child is None:
            yield below, "field not declared in schema"
            return
        yield from _errors(item, child, below, duplicates)


def _list_errors(value: list[Any], type_: ListType, path: tuple[str, ...], duplicates: bool) -> _Found:
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if not type_.atomic:
            try:
                element = type_.element_of(item)
            except ValueError as error:
                yield path, f"element {index}: {error}"
                return
            if element in seen and not duplicates:
                yield path, f"duplicate entries for key {path_text((element,))}"
            seen.add(element)
        yield from _errors(item, type_.element, (*path, element), duplicates)


def _scalar_error(value: Any, scalar: str) -> str:
    boolean, number = isinstance(value, bool), isinstance(value, int | float) and not isinstance(value, bool)
    match scalar:
        case "numeric" if not number:
            return f"expected numeric (int or float), got {_go_type(value)}"
        case "string" if not isinstance(value, str):
            return f"expected string, got &value.valueUnstructured{{Value:{_go_value(value)}}}"
        case "boolean" if not boolean:
            return f"expected boolean, got &{{{_go_value(value)}}}"
        case "untyped" if isinstance(value, dict | list):
            return f"expected any scalar, got &{{{_go_value(value)}}}"
    return ""


def _go_type(value: Any) -> str:
    names = {bool: "bool", str: "string", dict: "map[string]interface {}", list: "[]interface {}"}
    return names.get(type(value), "int64")


def _go_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_go_value(item)}" for name, item in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go_value, value)) + "]"
    return str(value)
