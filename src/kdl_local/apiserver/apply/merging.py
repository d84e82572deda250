"""What an apply makes of an object before anything is taken away."""

from typing import Any

from kdl_local.apiserver.apply.fieldtypes import FieldType, Form, ListType, MapType
from kdl_runtime.codec.patch import copy_json

_ABSENT: Any = object()


def merge(live: dict[str, Any], applied: dict[str, Any], type_: FieldType) -> dict[str, Any]:
    """``live`` with every field of ``applied``; shares nothing with its arguments."""
    result = _merge(live, applied, type_)
    return result if isinstance(result, dict) else {}


def _merge(live: Any, applied: Any, type_: FieldType) -> Any:
    if applied is _ABSENT:
        return copy_json(live)
    form = type_.form(applied)
    if form is Form.MAP and type_.map is not None and not type_.map.atomic:
        before, after = live if isinstance(live, dict) else {}, applied if isinstance(applied, dict) else {}
        if before or after:
            return _merge_maps(before, after, type_.map)
    elif form is Form.LIST and type_.list is not None and not type_.list.atomic:
        former, latter = live if isinstance(live, list) else [], applied if isinstance(applied, list) else []
        if former or latter:
            return _merge_lists(former, latter, type_.list)
    return copy_json(applied)


def _merge_maps(live: dict[str, Any], applied: dict[str, Any], type_: MapType) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in live | applied:
        child = type_.of(name)
        if child is None:
            result[name] = copy_json(applied.get(name, live.get(name)))
        else:
            result[name] = _merge(live.get(name, _ABSENT), applied.get(name, _ABSENT), child)
    return result


def _merge_lists(live: list[Any], applied: list[Any], type_: ListType) -> list[Any]:
    """In the order of ``applied``; elements that are in ``live`` only keep their place before what follows them."""
    left, right = [type_.element_of(item) for item in live], [type_.element_of(item) for item in applied]
    present, wanted = _unique(left, live), dict(zip(right, applied, strict=True))
    result: list[Any] = []
    merged: set[str] = set()
    shared = [element for element in right if element in present]
    i = j = 0

    def take(element: str) -> None:
        merged.add(element)
        result.append(_merge(present.get(element, _ABSENT), wanted[element], type_.element))
        if shared and shared[0] == element:
            shared.pop(0)

    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                take(right[j])
                i, j = i + 1, j + 1
                continue
            if left[i] in wanted and shared and shared[0] != left[i]:
                i += 1
                continue
        if i < len(left):
            if left[i] not in wanted:
                result.append(copy_json(live[i]))
                i += 1
                continue
            if left[i] in merged:
                i += 1
        if j < len(right):
            take(right[j])
            j += 1
    return result


def _unique(elements: list[str], items: list[Any]) -> dict[str, Any]:
    """Items by their element. Items that are there more than once are not merged with, but replaced."""
    found: dict[str, Any] = {}
    for element, item in zip(elements, items, strict=True):
        found[element] = None if element in found else item
    return found
