"""Whether a schema is structural: what a CRD's ``openAPIV3Schema`` may say, and where.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
Messages are those of ``k8s.io/apiextensions-apiserver/pkg/apiserver/schema``.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.regex import compile_re2

Schema = Mapping[str, Any]


class _Level(Enum):
    """Where a schema stands, with the words for a type that is missing there."""

    ROOT = "must not be empty at the root"
    ITEM = "must not be empty for specified array items"
    FIELD = "must not be empty for specified object fields"


_FORBIDDEN_KEYWORDS = ("definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties", "$ref")
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_MUST_BE_ABSENT_BELOW_JUNCTORS = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def structural_errors(schema: Schema, path: str) -> list[FieldError]:
    """What keeps a schema from being structural, by message."""
    errors: list[FieldError] = []
    _check(schema, _Level.ROOT, path, errors)
    return sorted(errors, key=str)


def _check(schema: Schema, level: _Level, path: str, errors: list[FieldError]) -> None:
    _check_keywords(schema, path, errors)
    _check_type(schema, level, path, errors)
    _check_extensions(schema, path, errors)
    _check_lists(schema, path, errors)
    properties = schema.get("properties") or {}
    for name, item in properties.items():
        _check(item, _Level.FIELD, f"{path}.properties[{name}]", errors)
    if isinstance(schema.get("items"), Mapping):
        _check(schema["items"], _Level.ITEM, f"{path}.items", errors)
    additional = schema.get("additionalProperties")
    if additional is not None:
        if level is _Level.ROOT:
            errors.append(FieldError.forbidden(f"{path}.additionalProperties", "must not be used at the root"))
        if properties:
            errors.append(
                FieldError.forbidden(
                    f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive"
                )
            )
        if isinstance(additional, Mapping):
            _check(additional, _Level.FIELD, f"{path}.additionalProperties", errors)
    if level is _Level.ROOT:
        _check_metadata(properties.get("metadata"), f"{path}.properties[metadata]", errors)
    _check_junctors(schema, schema, path, errors)


def _check_keywords(schema: Schema, path: str, errors: list[FieldError]) -> None:
    for keyword in _FORBIDDEN_KEYWORDS:
        if schema.get(keyword):
            errors.append(FieldError.forbidden(f"{path}.{keyword}", f"{keyword} is not supported"))
    if schema.get("uniqueItems"):
        errors.append(
            FieldError.forbidden(
                f"{path}.uniqueItems",
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            )
        )
    if isinstance(schema.get("items"), list):
        errors.append(FieldError.forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if schema.get("additionalProperties") is False:
        errors.append(
            FieldError.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
        )
    _check_pattern(schema, path, errors)


def _check_pattern(schema: Schema, path: str, errors: list[FieldError]) -> None:
    pattern = schema.get("pattern")
    if pattern:
        try:
            compile_re2(pattern)
        except re.error as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            errors.append(FieldError.invalid(f"{path}.pattern", pattern, detail))


def _check_type(schema: Schema, level: _Level, path: str, errors: list[FieldError]) -> None:
    where, declared = f"{path}.type", schema.get("type")
    embedded = schema.get("x-kubernetes-embedded-resource")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if declared and declared not in _TYPES:
        errors.append(FieldError.not_supported(where, declared, _TYPES))
    elif embedded and declared != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        errors.append(FieldError.invalid(where, declared, detail) if declared else FieldError.required(where, detail))
    elif not declared and not free:
        errors.append(FieldError.required(where, level.value))
    elif declared and level is _Level.ROOT and declared != "object":
        errors.append(FieldError.invalid(where, declared, "must be object at the root"))
    if declared == "array" and not schema.get("items"):
        errors.append(FieldError.required(f"{path}.items", "must be specified"))


def _check_extensions(schema: Schema, path: str, errors: list[FieldError]) -> None:
    if schema.get("x-kubernetes-int-or-string"):
        if schema.get("type"):
            detail = "must be empty if x-kubernetes-int-or-string is true"
            errors.append(FieldError.forbidden(f"{path}.type", detail))
        for keyword in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if schema.get(keyword):
                detail = "must be false if x-kubernetes-int-or-string is true"
                errors.append(FieldError.invalid(f"{path}.{keyword}", True, detail))
    if schema.get("x-kubernetes-embedded-resource"):
        if schema.get("additionalProperties") is not None:
            detail = "must not be used if x-kubernetes-embedded-resource is set"
            errors.append(FieldError.forbidden(f"{path}.additionalProperties", detail))
        if not schema.get("properties") and not schema.get("x-kubernetes-preserve-unknown-fields"):
            detail = (
                "must not be empty if x-kubernetes-embedded-resource is true without "
                "x-kubernetes-preserve-unknown-fields"
            )
            errors.append(FieldError.required(f"{path}.properties", detail))


def _check_lists(schema: Schema, path: str, errors: list[FieldError]) -> None:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    where = f"{path}.x-kubernetes-list-map-keys"
    if kind is not None and kind not in ("atomic", "map", "set"):
        errors.append(FieldError.not_supported(f"{path}.x-kubernetes-list-type", kind, ("atomic", "map", "set")))
    if keys and kind != "map":
        errors.append(FieldError.forbidden(where, "must be undefined unless x-kubernetes-list-type is map"))
    if kind != "map":
        return
    if not keys:
        errors.append(FieldError.required(where, "must not be empty if x-kubernetes-list-type is map"))
    items = schema.get("items") or {}
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            detail = "entries must all be names of item properties"
            errors.append(FieldError.invalid(f"{where}[{index}]", key, detail))
        elif key not in (items.get("required") or ()) and "default" not in properties[key]:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            errors.append(FieldError.required(f"{path}.items.properties[{key}].default", detail))


def _check_metadata(schema: Schema | None, path: str, errors: list[FieldError]) -> None:
    if schema is None:
        return
    if schema.get("type") != "object":
        errors.append(FieldError.invalid(f"{path}.type", schema.get("type") or "", "must be object"))
    named = set(schema.get("properties") or ()) <= {"name", "generateName"}
    if not named or set(schema) - {"type", "properties", "description"}:
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        errors.append(FieldError.forbidden(path, detail))


def _check_junctors(schema: Schema, spine: Schema, path: str, errors: list[FieldError]) -> None:
    """``spine`` is the schema outside of junctors that declares the fields which junctors may restrict."""
    for keyword in _JUNCTORS:
        for index, item in enumerate(schema.get(keyword) or ()):
            if keyword != "oneOf" and _is_int_or_string_pair(schema, spine, keyword):
                break
            _check_nested(item, spine, f"{path}.{keyword}[{index}]", errors)
    if schema.get("not"):
        _check_nested(schema["not"], spine, f"{path}.not", errors)


def _is_int_or_string_pair(schema: Schema, spine: Schema, keyword: str) -> bool:
    """``anyOf: [integer, string]``, alone or as the first of allOf, which the extension allows to be spelled out."""
    if not spine.get("x-kubernetes-int-or-string"):
        return False
    expected: list[Any] = _INT_OR_STRING if keyword == "anyOf" else [{"anyOf": _INT_OR_STRING}]
    return bool(schema[keyword] == expected)


def _check_nested(schema: Schema, spine: Schema, path: str, errors: list[FieldError]) -> None:
    for keyword, detail in _MUST_BE_ABSENT_BELOW_JUNCTORS.items():
        if schema.get(keyword) not in (None, False, "", [], {}):
            errors.append(FieldError.forbidden(f"{path}.{keyword}", detail))
    _check_pattern(schema, path, errors)
    declared = spine.get("properties") or {}
    for name, item in (schema.get("properties") or {}).items():
        where = f"{path}.properties[{name}]"
        if name == "metadata":
            errors.append(FieldError.forbidden(where, "must not be specified in a nested context"))
        elif name not in declared:
            outside = f"{path.rpartition('.')[0]}.properties[{name}]"
            errors.append(FieldError.required(outside, f"because it is defined in {where}"))
        else:
            _check_nested(item, declared[name], where, errors)
    if isinstance(schema.get("items"), Mapping):
        if not isinstance(spine.get("items"), Mapping):
            outside = f"{path.rpartition('.')[0]}.items"
            errors.append(FieldError.required(outside, f"because it is defined in {path}.items"))
        else:
            _check_nested(schema["items"], spine["items"], f"{path}.items", errors)
    _check_junctors(schema, spine, path, errors)
