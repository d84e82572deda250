"""Which fields differ between two values of one type."""

from dataclasses import dataclass
from typing import Any

from kdl_local.apiserver.apply.fieldset import LEAF, SELF, FieldSet, union_below
from kdl_local.apiserver.apply.fieldtypes import FieldType, Form, ListType, MapType
from kdl_runtime.codec.patch import json_equal

Pair = tuple[FieldSet | None, FieldSet | None]
"""What is below an element in the sets of changed and of removed fields; None where there is nothing."""

_NOTHING: Pair = (None, None)
_CHANGED: Pair = (LEAF, None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``changed`` are fields that were added or have another value, ``removed`` are those that went."""

    changed: FieldSet
    removed: FieldSet

    @property
    def same(self) -> bool:
        return not self.changed and not self.removed


def compare(old: dict[str, Any], new: dict[str, Any], type_: FieldType) -> Comparison:
    """Two objects. ValueError for a list whose elements cannot be told apart by its keys."""
    changed, removed = _NOTHING if same(old, new, type_) else _compare(old, new, type_)
    return Comparison(changed or {}, removed or {})


def same(old: Any, new: Any, type_: FieldType) -> bool:
    """Equality of values. Python's is many times faster, and takes 1 for true."""
    return bool(old == new) and (not type_.loose or json_equal(old, new))


def _compare(old: Any, new: Any, type_: FieldType) -> Pair:
    """Of values that differ."""
    map_ = type_.map
    if map_ is not None and isinstance(old, dict) and isinstance(new, dict):
        return _CHANGED if map_.atomic else _maps(old, new, map_)
    before, after = type_.form(old), type_.form(new)
    found = _of_form(before, old, new, type_)
    return found if before is after else _joined(found, _of_form(after, old, new, type_))


def _joined(first: Pair, second: Pair) -> Pair:
    return _either(first[0], second[0]), _either(first[1], second[1])


def _either(first: FieldSet | None, second: FieldSet | None) -> FieldSet | None:
    if first is None or second is None:
        return second if first is None else first
    return union_below(first, second)


def _of_form(form: Form, old: Any, new: Any, type_: FieldType) -> Pair:
    if form is Form.MAP and type_.map is not None:
        before, after = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
        return _CHANGED if type_.map.atomic or not (before or after) else _maps(before, after, type_.map)
    if form is Form.LIST and type_.list is not None:
        former, latter = old if isinstance(old, list) else [], new if isinstance(new, list) else []
        return _CHANGED if type_.list.atomic or not (former or latter) else _lists(former, latter, type_.list)
    return _CHANGED


def _maps(old: dict[str, Any], new: dict[str, Any], type_: MapType) -> Pair:
    changed: FieldSet = {}
    removed: FieldSet = {}
    fields, always = type_.fields, type_.always
    for name, value in new.items():
        before = old.get(name, always)
        if before is value:
            continue
        child = fields.get(name, type_.element)
        if child is None:
            continue
        if before is always:
            if name not in always:
                changed[f"f:{name}"] = everything(value, child)
                continue
            before = always[name]
        if before == value and (not child.loose or json_equal(before, value)):
            continue
        below, gone = _compare(before, value, child)
        if below is not None:
            changed[f"f:{name}"] = below
        if gone is not None:
            removed[f"f:{name}"] = gone
    if not old.keys() <= new.keys():
        _removed_fields(old, new, type_, removed)
    return changed or None, removed or None


def _removed_fields(old: dict[str, Any], new: dict[str, Any], type_: MapType, removed: FieldSet) -> None:
    for name, value in old.items():
        child = type_.of(name)
        if name in new or child is None:
            continue
        if name in type_.always:
            gone = None if same(value, type_.always[name], child) else _compare(value, type_.always[name], child)[1]
            if gone is not None:
                removed[f"f:{name}"] = gone
        else:
            removed[f"f:{name}"] = everything(value, child)


def _lists(old: list[Any], new: list[Any], type_: ListType) -> Pair:
    """Elements that are there more than once are one, and of it only that it is there."""
    before, after = _by_element(old, type_), _by_element(new, type_)
    changed: FieldSet = {}
    removed: FieldSet = {}
    for element in before | after:
        former, latter = before.get(element, []), after.get(element, [])
        if len(former) > 1 and len(latter) > 1:
            if not json_equal(former, latter):
                changed[element] = LEAF
        elif len(former) > 1:
            if latter:
                changed[element] = everything(latter[0], type_.element)
            removed[element] = LEAF
        elif len(latter) > 1:
            if former:
                removed[element] = everything(former[0], type_.element)
            changed[element] = LEAF
        elif not former:
            changed[element] = everything(latter[0], type_.element)
        elif not latter:
            removed[element] = everything(former[0], type_.element)
        elif not same(former[0], latter[0], type_.element):
            below, gone = _compare(former[0], latter[0], type_.element)
            if below is not None:
                changed[element] = below
            if gone is not None:
                removed[element] = gone
    return changed or None, removed or None


def _by_element(items: list[Any], type_: ListType) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(type_.element_of(item), []).append(item)
    return found


def everything(value: Any, type_: FieldType) -> FieldSet:
    """What is below the path of a value that is on one side only: its leaves, and what holds them."""
    if isinstance(value, dict):
        map_ = type_.map
        if not value or map_ is None or map_.atomic:
            return LEAF
        found: FieldSet = {SELF: LEAF}
        fields, element = map_.fields, map_.element
        for name, item in value.items():
            child = fields.get(name, element)
            if child is not None:
                # Most values are scalars, and the call for them costs as much as all the rest.
                found[f"f:{name}"] = everything(item, child) if isinstance(item, dict | list) else LEAF
        return found
    if isinstance(value, list):
        list_ = type_.list
        if not value or list_ is None or list_.atomic:
            return LEAF
        found = {SELF: LEAF}
        for element_, items in _by_element(value, list_).items():
            found[element_] = everything(items[0], list_.element) if len(items) == 1 else LEAF
        return found
    return LEAF
