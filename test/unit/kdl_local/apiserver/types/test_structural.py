from typing import Any

import pytest

from kdl_local.apiserver.structural import structural_errors

ANY_OF = [{"type": "integer"}, {"type": "string"}]
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
PRESERVE = "x-kubernetes-preserve-unknown-fields"


def errors_of(schema: dict[str, Any]) -> list[str]:
    return [str(error) for error in structural_errors(schema, "S")]


def below(**schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


@pytest.mark.parametrize(
    ("schema", "messages"),
    [
        ({}, ["S.type: Required value: must not be empty at the root"]),
        (
            {"type": "array", "items": {"type": "string"}},
            ['S.type: Invalid value: "array": must be object at the root'],
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            ["S.additionalProperties: Forbidden: must not be used at the root"],
        ),
        (below(), ["S.properties[x].type: Required value: must not be empty for specified object fields"]),
        (
            below(type="array", items={}),
            [
                "S.properties[x].items.type: Required value: must not be empty for specified array items",
                "S.properties[x].items: Required value: must be specified",
            ],
        ),
        (below(type="array"), ["S.properties[x].items: Required value: must be specified"]),
        (
            below(type="text"),
            [
                'S.properties[x].type: Unsupported value: "text": supported values: "array", "boolean", "integer", '
                '"number", "object", "string"'
            ],
        ),
        (
            below(type="object", properties={"a": {"type": "string"}}, additionalProperties={"type": "string"}),
            [
                "S.properties[x].additionalProperties: Forbidden: additionalProperties and properties are mutual "
                "exclusive"
            ],
        ),
        (
            below(type="string", pattern="("),
            [
                'S.properties[x].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '
                "missing ), unterminated subpattern at position 0"
            ],
        ),
        (
            below(type="string", **{EMBEDDED: True, PRESERVE: True}),
            ['S.properties[x].type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true'],
        ),
        (
            below(**{INT_OR_STRING: True, PRESERVE: True}),
            [
                "S.properties[x].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if "
                "x-kubernetes-int-or-string is true"
            ],
        ),
        (
            below(type="array", items={"type": "string"}, **{"x-kubernetes-list-type": "map"}),
            [
                "S.properties[x].x-kubernetes-list-map-keys: Required value: must not be empty if "
                "x-kubernetes-list-type is map"
            ],
        ),
        (
            {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {}}}}},
            [
                "S.properties[metadata].properties[labels].type: Required value: must not be empty for specified "
                "object fields",
                "S.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
                "metadata is implicitly specified",
            ],
        ),
        (
            below(type="integer", anyOf=[{"type": "integer", "minimum": 1}]),
            ["S.properties[x].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            below(type="object", properties={"a": {"type": "string"}}, oneOf=[{"properties": {"b": {"minLength": 1}}}]),
            [
                "S.properties[x].properties[b]: Required value: because it is defined in "
                "S.properties[x].oneOf[0].properties[b]"
            ],
        ),
        (below(**{"$ref": "#/x", "type": "string"}), ["S.properties[x].$ref: Forbidden: $ref is not supported"]),
    ],
)
def test_what_is_not_structural(schema: dict[str, Any], messages: list[str]) -> None:
    assert errors_of(schema) == messages


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", PRESERVE: True},
        below(**{INT_OR_STRING: True}),
        below(anyOf=ANY_OF, **{INT_OR_STRING: True}),
        below(allOf=[{"anyOf": ANY_OF}], **{INT_OR_STRING: True}),
        below(anyOf=ANY_OF, pattern="^[0-9]+%?$", **{INT_OR_STRING: True}),
        below(**{PRESERVE: True}),
        below(type="object", **{EMBEDDED: True, PRESERVE: True}),
        below(
            type="object",
            properties={"a": {"type": "string"}},
            oneOf=[{"required": ["a"]}, {"not": {"required": ["a"]}}],
        ),
        {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string"}}}}},
        below(
            type="array",
            items={"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}}},
            **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]},
        ),
    ],
)
def test_structural(schema: dict[str, Any]) -> None:
    assert errors_of(schema) == []
