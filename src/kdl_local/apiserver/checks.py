"""Checks of single values, one closure per keyword of a schema, worded as kube-apiserver words them.

Sources of the wording: ``k8s.io/kube-openapi/pkg/validation/errors`` and the CRD validation that wraps it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.formats import FORMATS, INTEGER_RANGES
from kdl_local.apiserver.regex import compile_re2
from kdl_runtime.codec.json import encode

Path = tuple["Path", str] | None
"""A path as a linked list of segments (``.spec``, ``[0]``), so that a valid object costs no string building."""

Check = Callable[[Any, Path, list[FieldError]], None]


def formatted(path: Path) -> str:
    """``spec.containers[0].name``; empty for the root."""
    parts: list[str] = []
    while path is not None:
        path, segment = path
        parts.append(segment)
    return "".join(reversed(parts)).removeprefix(".")


def json_type(value: Any) -> str:
    """The name of a JSON value's type as messages give it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def type_check(schema: Mapping[str, Any]) -> Check | None:
    """The check of ``type``, a name or a list of names, and of ``x-kubernetes-int-or-string``."""
    declared = schema.get("type") or ()
    names = (declared,) if isinstance(declared, str) else tuple(declared)
    if schema.get("x-kubernetes-int-or-string"):
        names = ("integer", "string")
    if not names:
        return None
    accepted = frozenset(type_ for name in names if name != "null" for type_ in _PYTHON_TYPES.get(name, ()))
    null_accepted = "null" in names
    integer = "integer" in names
    text = ",".join(names)

    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        if type(value) in accepted or (value is None and null_accepted):
            return
        if integer and isinstance(value, float) and value.is_integer():
            return
        found, name = json_type(value), formatted(path)
        errors.append(FieldError.type_invalid(name, found, f'{name} in body must be of type {text}: "{found}"'))

    return check


def value_checks(schema: Mapping[str, Any]) -> Iterable[Check]:
    """The checks of every other keyword that restricts a single value."""
    if schema.get("enum") is not None:
        yield _enum(list(schema["enum"]))
    for keyword, build in _KEYWORDS.items():
        if schema.get(keyword) is not None:
            yield build(schema[keyword], schema)


def _enum(allowed: list[Any]) -> Check:
    encoded = {encode(item) for item in allowed}

    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        if encode(value) not in encoded:
            names = [item if isinstance(item, str) else encode(item).decode() for item in allowed]
            errors.append(FieldError.not_supported(formatted(path), value, names))

    return check


def _failing(applies: tuple[type, ...], holds: Callable[[Any], bool], rest: str) -> Check:
    """A check whose message is the field's name, `` in body `` and ``rest``."""

    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        if isinstance(value, applies) and not isinstance(value, bool) and not holds(value):
            name = formatted(path)
            shown: Any = len(value) if isinstance(value, list | dict) else value
            errors.append(FieldError.invalid(name, shown, f"{name} in body {rest}"))

    return check


def _format(name: Any, _: Mapping[str, Any]) -> Check:
    accepts = FORMATS.get(name)
    low, high = INTEGER_RANGES.get(name, (None, None))

    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        if isinstance(value, str):
            valid = accepts is None or accepts(value)
        elif isinstance(value, int) and not isinstance(value, bool) and low is not None and high is not None:
            valid = low <= value <= high
        else:
            return
        if not valid:
            field = formatted(path)
            shown = encode(value if isinstance(value, str) else str(value)).decode()
            errors.append(FieldError.type_invalid(field, value, f"{field} in body must be of type {name}: {shown}"))

    return check


def _pattern(pattern: Any, schema: Mapping[str, Any]) -> Check:
    """Holds for strings of a wrong length, of which only that is said."""
    search = compile_re2(pattern).search
    low, high = schema.get("minLength") or 0, schema.get("maxLength")

    def holds(value: str) -> bool:
        return len(value) < low or (high is not None and len(value) > high) or search(value) is not None

    return _failing((str,), holds, f"should match '{pattern}'")


def _minimum(limit: Any, schema: Mapping[str, Any]) -> Check:
    if schema.get("exclusiveMinimum"):
        return _failing((int, float), lambda value: value > limit, f"should be greater than {_number(limit)}")
    return _failing((int, float), lambda value: value >= limit, f"should be greater than or equal to {_number(limit)}")


def _maximum(limit: Any, schema: Mapping[str, Any]) -> Check:
    if schema.get("exclusiveMaximum"):
        return _failing((int, float), lambda value: value < limit, f"should be less than {_number(limit)}")
    return _failing((int, float), lambda value: value <= limit, f"should be less than or equal to {_number(limit)}")


def _multiple_of(factor: Any, _: Mapping[str, Any]) -> Check:
    return _failing((int, float), lambda value: value % factor == 0, f"should be a multiple of {_number(factor)}")


def _min_length(limit: Any, _: Mapping[str, Any]) -> Check:
    return _failing((str,), lambda value: len(value) >= limit, f"should be at least {limit} chars long")


def _max_length(limit: Any, _: Mapping[str, Any]) -> Check:
    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        if isinstance(value, str) and len(value) > limit:
            errors.append(FieldError.too_long(formatted(path), limit))

    return check


def _min_items(limit: Any, _: Mapping[str, Any]) -> Check:
    return _failing((list,), lambda value: len(value) >= limit, f"should have at least {limit} items")


def _min_properties(limit: Any, _: Mapping[str, Any]) -> Check:
    return _failing((dict,), lambda value: len(value) >= limit, f"should have at least {limit} properties")


def _at_most(applies: type[list[Any]] | type[dict[str, Any]]) -> Callable[[Any, Mapping[str, Any]], Check]:
    def build(limit: Any, _: Mapping[str, Any]) -> Check:
        def check(value: Any, path: Path, errors: list[FieldError]) -> None:
            if isinstance(value, applies) and len(value) > limit:
                errors.append(FieldError.too_many(formatted(path), len(value), limit))

        return check

    return build


def _number(limit: Any) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


_KEYWORDS: dict[str, Callable[[Any, Mapping[str, Any]], Check]] = {
    "format": _format,
    "pattern": _pattern,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minimum": _minimum,
    "maximum": _maximum,
    "multipleOf": _multiple_of,
    "minItems": _min_items,
    "maxItems": _at_most(list),
    "minProperties": _min_properties,
    "maxProperties": _at_most(dict),
}


def list_check(schema: Mapping[str, Any]) -> Check | None:
    """Uniqueness of the items of ``x-kubernetes-list-type: set`` and of the keys of ``map``."""
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        return _unique(lambda item: item)
    if kind != "map":
        return None
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    properties = (schema.get("items") or {}).get("properties") or {}
    defaults = {key: properties.get(key, {}).get("default") for key in keys}

    def identity(item: Any) -> Any:
        item = item or {}
        found = {key: item.get(key, defaults[key]) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    unique = _unique(identity)

    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        items = value if isinstance(value, list) else []
        strange = [index for index, item in enumerate(items) if not isinstance(item, dict | None)]
        for index in strange[:1]:
            why = "must be an object for an array of list-type map"
            errors.append(FieldError.invalid(formatted((path, f"[{index}]")), value[index], why))
        if not strange:
            unique(value, path, errors)

    return check


def _unique(identity: Callable[[Any], Any]) -> Check:
    def check(value: Any, path: Path, errors: list[FieldError]) -> None:
        if not isinstance(value, list) or len(value) < 2:
            return
        seen: set[bytes] = set()
        for index, item in enumerate(value):
            found = identity(item)
            if found is None:
                continue
            encoded = encode(found)
            if encoded in seen:
                errors.append(FieldError.duplicate(formatted((path, f"[{index}]")), found))
            seen.add(encoded)

    return check
