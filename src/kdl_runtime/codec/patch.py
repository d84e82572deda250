"""Patches of JSON documents: merge patch (RFC 7386) and JSON patch (RFC 6902).

Every function leaves its arguments as they are and returns documents that share nothing mutable with them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kdl_runtime.codec.json import canonical
from kdl_runtime.errors import BadRequest, Invalid, RequestEntityTooLarge

MAX_JSON_PATCH_OPERATIONS = 10_000
"""What kube-apiserver accepts in one JSON patch."""


def copy_json(value: Any) -> Any:
    """A copy of dicts and lists all the way down; scalars are shared. Several times faster than ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy_json(item) for item in value]
    return value


def json_equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, and unlike in Python neither equals true."""
    if left is right:
        return True
    if isinstance(left, dict | list):
        # Most values are told apart, or found the same, without looking at each of their parts here.
        return bool(left == right) and (canonical(left) == canonical(right) or _equal(left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


# ---- merge patch


def merge_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch that turns ``old`` into ``new``, or None if they are equal.

    A merge patch cannot store null: a field that is None in ``new`` counts as absent. Lists are replaced as a whole.
    """
    patch: dict[str, Any] = {}
    for key, value in new.items():
        if value is None:
            continue
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_diff(before, value)
            if inner is not None:
                patch[key] = inner
        elif before is None or not json_equal(before, value):
            patch[key] = copy_json(value)
    for key in old:
        if old[key] is not None and new.get(key) is None:
            patch[key] = None
    return patch or None


def apply_merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``target`` with the merge patch applied. BadRequest if the patch is not an object."""
    if not isinstance(patch, Mapping):
        raise BadRequest(f"a merge patch must be a JSON object, this one is {_type_name(patch)}")
    return _merge(target, patch)


def _merge(target: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    source: Mapping[str, Any] = target if isinstance(target, Mapping) else {}
    result = {key: copy_json(value) for key, value in source.items() if key not in patch}
    for key, value in patch.items():
        if isinstance(value, Mapping):
            result[key] = _merge(source.get(key), value)
        elif value is not None:
            result[key] = copy_json(value)
    return result


# ---- JSON pointer (RFC 6901)


def parse_pointer(pointer: str) -> tuple[str, ...]:
    """``/metadata/labels/a~1b`` is ``("metadata", "labels", "a/b")``; the empty string is the whole document."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise BadRequest(f"the JSON pointer {pointer!r} must start with a slash")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def format_pointer(parts: Sequence[str]) -> str:
    """The reverse of ``parse_pointer``: slashes and tildes inside a part are escaped."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def resolve_pointer(doc: Any, parts: Sequence[str]) -> Any:
    """The value at a pointer, not a copy. Invalid if there is none."""
    for depth, part in enumerate(parts):
        if isinstance(doc, Mapping) and part in doc:
            doc = doc[part]
        elif isinstance(doc, list):
            doc = doc[_index(part, len(doc) - 1, parts)]
        else:
            raise Invalid(f"the path {format_pointer(parts[: depth + 1])!r} does not exist")
    return doc


def _index(part: str, highest: int, parts: Sequence[str]) -> int:
    # Leading zeros and signs are not indexes (RFC 6901, section 4).
    if not (part.isascii() and part.isdigit()) or (len(part) > 1 and part[0] == "0"):
        raise Invalid(f"{part!r} in the path {format_pointer(parts)!r} is not an index of a list")
    index = int(part)
    if index > highest:
        raise Invalid(f"the index {index} in the path {format_pointer(parts)!r} is out of range")
    return index


# ---- JSON patch


def apply_json_patch(doc: Any, operations: Sequence[Any]) -> Any:
    """``doc`` after all operations, in order; all or nothing.

    Raises BadRequest for a malformed patch, Invalid for an operation that does not fit the document or a failed
    test, RequestEntityTooLarge beyond ``MAX_JSON_PATCH_OPERATIONS``: what kube-apiserver answers.
    """
    if not isinstance(operations, list | tuple):
        raise BadRequest(f"a JSON patch must be a list of operations, this one is {_type_name(operations)}")
    if len(operations) > MAX_JSON_PATCH_OPERATIONS:
        raise RequestEntityTooLarge(
            f"The allowed maximum operations in a JSON patch is {MAX_JSON_PATCH_OPERATIONS}, got {len(operations)}"
        )
    doc = copy_json(doc)
    for number, operation in enumerate(operations):
        if not isinstance(operation, Mapping):
            raise BadRequest(f"operation {number} of the JSON patch must be an object")
        apply = _OPERATIONS.get(str(operation.get("op")))
        if apply is None:
            raise BadRequest(
                f"operation {number} of the JSON patch has op {operation.get('op')!r}: "
                f"use one of {', '.join(_OPERATIONS)}"
            )
        doc = apply(doc, operation)
    return doc


def _pointer(operation: Mapping[str, Any], field: str) -> tuple[str, ...]:
    pointer = operation.get(field)
    if not isinstance(pointer, str):
        raise BadRequest(f"the {operation['op']} operation of the JSON patch needs a string in {field!r}")
    return parse_pointer(pointer)


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise BadRequest(f"the {operation['op']} operation of the JSON patch needs a 'value'")
    return copy_json(operation["value"])


def _insert(doc: Any, parts: tuple[str, ...], value: Any) -> Any:
    if not parts:
        return value
    parent, last = resolve_pointer(doc, parts[:-1]), parts[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent), parts), value)
    else:
        raise Invalid(f"the parent of the path {format_pointer(parts)!r} is neither an object nor a list")
    return doc


def _delete(doc: Any, parts: tuple[str, ...]) -> Any:
    resolve_pointer(doc, parts)
    if not parts:
        return None
    parent = resolve_pointer(doc, parts[:-1])
    del parent[int(parts[-1]) if isinstance(parent, list) else parts[-1]]
    return doc


def _add(doc: Any, operation: Mapping[str, Any]) -> Any:
    return _insert(doc, _pointer(operation, "path"), _value(operation))


def _remove(doc: Any, operation: Mapping[str, Any]) -> Any:
    return _delete(doc, _pointer(operation, "path"))


def _replace(doc: Any, operation: Mapping[str, Any]) -> Any:
    parts, value = _pointer(operation, "path"), _value(operation)
    resolve_pointer(doc, parts)
    if not parts:
        return value
    parent = resolve_pointer(doc, parts[:-1])
    parent[int(parts[-1]) if isinstance(parent, list) else parts[-1]] = value
    return doc


def _move(doc: Any, operation: Mapping[str, Any]) -> Any:
    source, target = _pointer(operation, "from"), _pointer(operation, "path")
    if len(source) < len(target) and target[: len(source)] == source:
        raise Invalid(f"{format_pointer(source)!r} cannot be moved into itself")
    value = resolve_pointer(doc, source)
    return _insert(_delete(doc, source), target, value)


def _copy(doc: Any, operation: Mapping[str, Any]) -> Any:
    value = copy_json(resolve_pointer(doc, _pointer(operation, "from")))
    return _insert(doc, _pointer(operation, "path"), value)


def _test(doc: Any, operation: Mapping[str, Any]) -> Any:
    parts, expected = _pointer(operation, "path"), _value(operation)
    if not json_equal(resolve_pointer(doc, parts), expected):
        raise Invalid(f"the test of the JSON patch at {format_pointer(parts)!r} failed: the value is another one")
    return doc


_OPERATIONS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _type_name(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
