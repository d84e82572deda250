"""Sets of fields in their JSON form, ``FieldsV1``: a tree of path elements.

A path element is ``f:name`` for a field, ``k:{"name":"a"}`` for the element of a list with these keys, ``v:1`` for the
element of a set, ``i:0`` for an index. Below it, the key ``.`` says that the element itself is in the set; an element
with nothing below it is in the set as well. The set without members is ``{}``. Sets are never changed once built, so
that they share parts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from kdl_runtime.codec.json import DecodeError, decode, encode

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF = "."
LEAF: FieldSet = {}
"""What is below an element without children. The same one everywhere, and never to be changed."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPED = str.maketrans(_ESCAPES)
_UNSAFE = re.compile("[<>&\u2028\u2029]")
_ORDER = {"f": 0, "k": 1, "v": 2, "i": 3}


def value_element(value: Any) -> str:
    """The element of a set."""
    return _text_element(value) if type(value) is str else "v:" + _text(value)


def key_element(keys: Mapping[str, Any]) -> str:
    """The element of a list that has these values in its key fields."""
    if len(keys) == 1:
        ((name, value),) = keys.items()
        if type(value) is str:
            return named_element(name, value)
    return "k:" + _text(dict(sorted(keys.items())))


@lru_cache(4096)
def named_element(name: str, value: str) -> str:
    """The element of a list that has this text in its one key field: what most elements are."""
    return "k:" + _text({name: value})


@lru_cache(4096)
def _text_element(value: str) -> str:
    return "v:" + _text(value)


def _text(value: Any) -> str:
    """JSON as Go writes it, so that sets that clients have built compare equal."""
    text = encode(value).decode()
    return text.translate(_ESCAPED) if _UNSAFE.search(text) else text


def has(fields: FieldSet, path: Path) -> bool:
    """Whether a path is in the set. The empty path, the whole object, never is."""
    for element in path:
        below = fields.get(element)
        if below is None:
            return False
        fields = below
    return bool(path) and _is_member(fields)


def of_paths(paths: Sequence[Path]) -> FieldSet:
    """The set of exactly these paths."""
    found: FieldSet = {}
    for path in paths:
        one: FieldSet = LEAF
        for element in reversed(path):
            one = {element: one}
        found = union(found, one)
    return found


def paths(fields: FieldSet) -> Iterator[Path]:
    """All members, those of a level before those below it, in the order in which conflicts are reported."""
    elements = sorted((element for element in fields if element != SELF), key=_sort_key)
    for element in elements:
        if _is_member(fields[element]):
            yield (element,)
    for element in elements:
        for path in paths(fields[element]):
            yield (element, *path)


def _is_member(below: FieldSet) -> bool:
    return not below or SELF in below


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in one of the sets or in both."""
    if not left:
        return right
    return _union(left, right) if right else left


def _union(left: FieldSet, right: FieldSet) -> FieldSet:
    result = dict(left)
    for element, below in right.items():
        before = left.get(element)
        result[element] = below if before is None else union_below(before, below)
    return result


def union_below(left: FieldSet, right: FieldSet) -> FieldSet:
    """As ``union``, of what is below an element, where nothing stands for the element itself."""
    if left is right:
        return left
    if not left:
        return {SELF: LEAF, **right} if right else LEAF
    if not right:
        return left if SELF in left else {SELF: LEAF, **left}
    return _union(left, right)


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in ``left`` and not in ``right``. An element does not stand for what is below it."""
    return (_difference(left, right) or {}) if right and left else left


def _difference(left: FieldSet, right: FieldSet) -> FieldSet | None:
    """Of two trees below an element, or at the root, with something in both; None if nothing is left."""
    result: FieldSet = {}
    changed = False
    for element, below in left.items():
        other = right.get(element)
        if other is None:
            result[element] = below
            continue
        rest = _below_difference(below, other)
        changed = changed or rest is not below
        if rest is not None:
            result[element] = rest
    if not changed:
        return left
    if len(result) == 1 and SELF in result:
        return LEAF
    return result or None


def _below_difference(left: FieldSet, right: FieldSet) -> FieldSet | None:
    if not left:
        return None if _is_member(right) else left
    if not right:
        rest = {element: below for element, below in left.items() if element != SELF}
        return left if SELF not in left else rest or None
    return _difference(left, right)


def recursive_difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in ``left``, without the members of ``right`` and everything below them."""
    return (_recursive_difference(left, right) or {}) if left and right else left


def _recursive_difference(left: FieldSet, right: FieldSet) -> FieldSet | None:
    result: FieldSet = {}
    for element, below in left.items():
        other = right.get(element)
        if other is None:
            result[element] = below
        elif element != SELF and not _is_member(other):
            rest = _recursive_difference(below, other) if below else below
            if rest is not None:
                result[element] = rest
    if len(result) == 1 and SELF in result:
        return LEAF
    return result or None


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in both sets."""
    return _intersection(left, right) or {} if left and right else {}


def _intersection(left: FieldSet, right: FieldSet) -> FieldSet | None:
    result: FieldSet = {}
    for element, below in left.items():
        other = right.get(element)
        if other is None or element == SELF:
            continue
        both = _is_member(below) and _is_member(other)
        deeper = _intersection(below, other) if below and other else None
        if deeper:
            result[element] = {SELF: LEAF, **deeper} if both else deeper
        elif both:
            result[element] = LEAF
    return result or None


def normalized(fields: Any) -> FieldSet:
    """A set from a client, with its elements spelled as here. ValueError if it is no set of fields.

    Elements of unknown kinds are dropped, as the real server does.
    """
    if not isinstance(fields, Mapping):
        raise ValueError("a set of fields must be an object")
    result: FieldSet = {}
    for element, below in fields.items():
        if element == SELF:
            result[SELF] = LEAF
            continue
        spelled = _normal_element(element)
        if spelled is not None:
            result[spelled] = normalized(below)
    if len(result) == 1 and SELF in result:
        return LEAF
    return result


def _normal_element(element: str) -> str | None:
    if len(element) < 2 or element[1] != ":":
        raise ValueError(f"{element!r} is no element of a path")
    try:
        match element[0]:
            case "f":
                return element
            case "v":
                return value_element(decode(element[2:]))
            case "k":
                return key_element(dict(decode(element[2:])))
            case "i":
                return f"i:{int(element[2:])}"
    except (DecodeError, TypeError) as error:
        raise ValueError(f"{element!r} is no element of a path: {error}") from None
    return None


def _sort_key(element: str) -> tuple[int, Any]:
    kind, text = element[0], element[2:]
    if kind == "f":
        return 0, text
    value = decode(text)
    ranked = [(name, _rank(item)) for name, item in value.items()] if isinstance(value, dict) else [("", _rank(value))]
    return _ORDER[kind], ranked


def _rank(value: Any) -> tuple[int, Any]:
    """Go's order of values of different types: numbers, strings, booleans."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, int | float):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, encode(value))


def path_text(path: Path) -> str:
    """``.spec.containers[name="main"].image``: a path as messages quote it."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, text = element[0], element[2:]
    match kind:
        case "f":
            return f".{text}"
        case "k":
            keys = ",".join(f"{name}={encode(value).decode()}" for name, value in decode(text).items())
            return f"[{keys}]"
        case "v":
            return f"[={encode(decode(text)).decode()}]"
        case _:
            return f"[{text}]"
