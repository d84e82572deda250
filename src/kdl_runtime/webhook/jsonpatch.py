"""The JSON patch (RFC 6902) between two documents: what a mutating webhook answers with. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_runtime.codec.patch import copy_json, format_pointer, json_equal

Operation = dict[str, Any]


def json_diff(old: Any, new: Any) -> list[Operation]:
    """The operations that turn ``old`` into ``new``; none if they are equal.

    Small where few things differ: objects are compared field by field, and of lists what is equal at both ends is left
    alone, so that an element that was put in or taken out anywhere is one operation. Shares nothing with ``new``.
    """
    found: list[Operation] = []
    _compare(old, new, (), found)
    return found


def _compare(old: Any, new: Any, path: tuple[str, ...], found: list[Operation]) -> None:
    if json_equal(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        _compare_objects(old, new, path, found)
    elif isinstance(old, list) and isinstance(new, list):
        _compare_lists(old, new, path, found)
    else:
        found.append(_operation("replace", path, new))


def _compare_objects(
    old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...], found: list[Operation]
) -> None:
    for key in old:
        if key not in new:
            found.append({"op": "remove", "path": format_pointer((*path, key))})
    for key, value in new.items():
        if key in old:
            _compare(old[key], value, (*path, key), found)
        else:
            found.append(_operation("add", (*path, key), value))


def _compare_lists(old: Sequence[Any], new: Sequence[Any], path: tuple[str, ...], found: list[Operation]) -> None:
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and json_equal(old[start], new[start]):
        start += 1
    tail = 0
    while tail < shorter - start and json_equal(old[-1 - tail], new[-1 - tail]):
        tail += 1
    shared = shorter - tail
    for index in range(start, shared):
        _compare(old[index], new[index], (*path, str(index)), found)
    # From the end, so that the indexes of those before stay what they are.
    for index in reversed(range(shared, len(old) - tail)):
        found.append({"op": "remove", "path": format_pointer((*path, str(index)))})
    for index in range(shared, len(new) - tail):
        found.append(_operation("add", (*path, str(index)), new[index]))


def _operation(op: str, path: tuple[str, ...], value: Any) -> Operation:
    return {"op": op, "path": format_pointer(path), "value": copy_json(value)}
