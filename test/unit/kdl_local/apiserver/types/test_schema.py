import copy
from typing import Any

import pytest

from kdl_local.apiserver.schema import StructuralSchema

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING: dict[str, Any] = {"x-kubernetes-int-or-string": True}


def schema(**properties: Any) -> StructuralSchema:
    """A root schema whose ``spec`` has these properties."""
    return StructuralSchema({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})


def object_with(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Foo", "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": spec}


def errors_of(definition: dict[str, Any], value: Any) -> list[str]:
    return [str(error) for error in schema(x=definition).validate(object_with(x=value), None)]


@pytest.mark.parametrize(
    ("definition", "value", "message"),
    [
        ({"type": "integer"}, "a", 'Invalid value: "string": spec.x in body must be of type integer: "string"'),
        ({"type": "string"}, 1, 'Invalid value: "integer": spec.x in body must be of type string: "integer"'),
        ({"type": "string"}, True, 'Invalid value: "boolean": spec.x in body must be of type string: "boolean"'),
        ({"type": "integer"}, True, 'Invalid value: "boolean": spec.x in body must be of type integer: "boolean"'),
        ({"type": "integer"}, 1.5, 'Invalid value: "number": spec.x in body must be of type integer: "number"'),
        ({"type": "object"}, [], 'Invalid value: "array": spec.x in body must be of type object: "array"'),
        ({"type": "string"}, None, 'Invalid value: "null": spec.x in body must be of type string: "null"'),
        (INT_OR_STRING, True, 'Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "integer", "enum": [1, 2]}, 3, 'Unsupported value: 3: supported values: "1", "2"'),
        ({"type": "string", "pattern": "^a$"}, "b", "Invalid value: \"b\": spec.x in body should match '^a$'"),
        ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: spec.x in body should be greater than or equal to 1"),
        (
            {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            0,
            "Invalid value: 0: spec.x in body should be greater than 0",
        ),
        ({"type": "integer", "maximum": 1}, 2, "Invalid value: 2: spec.x in body should be less than or equal to 1"),
        (
            {"type": "number", "maximum": 1.5, "exclusiveMaximum": True},
            1.5,
            "Invalid value: 1.5: spec.x in body should be less than 1.5",
        ),
        ({"type": "integer", "multipleOf": 2}, 3, "Invalid value: 3: spec.x in body should be a multiple of 2"),
        ({"type": "string", "minLength": 2}, "a", 'Invalid value: "a": spec.x in body should be at least 2 chars long'),
        ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        (
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            [],
            "Invalid value: 0: spec.x in body should have at least 1 items",
        ),
        (
            {"type": "array", "maxItems": 1, "items": {"type": "string"}},
            ["a", "b"],
            "Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "object", "minProperties": 1},
            {},
            "Invalid value: 0: spec.x in body should have at least 1 properties",
        ),
        (
            {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}},
            {"a": "", "b": ""},
            "Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "string", "format": "date-time"},
            "now",
            'Invalid value: "now": spec.x in body must be of type date-time: "now"',
        ),
        (
            {"type": "integer", "format": "int32"},
            2**31,
            'Invalid value: 2147483648: spec.x in body must be of type int32: "2147483648"',
        ),
    ],
)
def test_message_of_one_check(definition: dict[str, Any], value: Any, message: str) -> None:
    assert errors_of(definition, value) == [f"spec.x: {message}"]


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ({"type": "integer"}, 1.0),
        ({"type": "number"}, 1),
        ({"type": "string", "nullable": True}, None),
        (INT_OR_STRING, 1),
        (INT_OR_STRING, "10%"),
        (INT_OR_STRING | {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "10%"),
        ({"type": "string", "format": "unheard-of"}, "x"),
        ({"type": "integer", "format": "int32"}, 2**31 - 1),
        ({PRESERVE: True}, [1, "a", None]),
        ({"type": "object", "additionalProperties": True}, {"a": [1]}),
    ],
)
def test_accepted(definition: dict[str, Any], value: Any) -> None:
    assert errors_of(definition, value) == []


def test_a_missing_required_field_is_named() -> None:
    definition = {"type": "array", "items": {"type": "object", "required": ["name"]}}
    assert errors_of(definition, [{"name": "a"}, {}]) == ["spec.x[1].name: Required value"]


def test_errors_below_maps_name_the_key() -> None:
    definition = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert errors_of(definition, {"Worker": "a"})[0].startswith("spec.x.Worker: Invalid value")


@pytest.mark.parametrize(
    ("kind", "keys", "items", "value", "message"),
    [
        ("set", None, {"type": "string"}, ["a", "b", "a"], 'spec.x[2]: Duplicate value: "a"'),
        (
            "map",
            ["name"],
            {"type": "object"},
            [{"name": "a"}, {"name": "a"}],
            'spec.x[1]: Duplicate value: {"name":"a"}',
        ),
        (
            "map",
            ["port", "protocol"],
            {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}},
            [{"port": 1}, {"port": 1, "protocol": "UDP"}, {"port": 1, "protocol": "TCP"}],
            'spec.x[2]: Duplicate value: {"port":1,"protocol":"TCP"}',
        ),
    ],
)
def test_lists_with_unique_items(kind: str, keys: Any, items: Any, value: Any, message: str) -> None:
    definition = {"type": "array", "items": items, "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys": keys}
    assert errors_of(definition, value) == [message]


@pytest.mark.parametrize(
    ("junctors", "value", "messages"),
    [
        ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, 2, []),
        (
            {"allOf": [{"minimum": 1}, {"maximum": 3}]},
            4,
            ["spec.x: Invalid value: 4: spec.x in body should be less than or equal to 3"],
        ),
        ({"anyOf": [{"minimum": 5}, {"maximum": 3}]}, 2, []),
        (
            {"anyOf": [{"minimum": 5}, {"maximum": 3}]},
            4,
            [
                "spec.x: Invalid value: 4: spec.x in body should be greater than or equal to 5",
                '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
            ],
        ),
        (
            {"oneOf": [{"minimum": 1}, {"minimum": 2}]},
            3,
            [
                '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). '
                "Found 2 valid alternatives"
            ],
        ),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 1, []),
        ({"not": {"enum": [1]}}, 1, ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)']),
        ({"not": {"enum": [1]}}, 2, []),
    ],
)
def test_junctors(junctors: dict[str, Any], value: int, messages: list[str]) -> None:
    assert errors_of({"type": "integer", **junctors}, value) == messages


@pytest.mark.parametrize(
    ("definition", "value", "kept", "unknown"),
    [
        ({"type": "object"}, {"a": 1}, {}, ["spec.x.a"]),
        ({"type": "object", PRESERVE: True}, {"a": {"b": 1}}, {"a": {"b": 1}}, []),
        (
            {"type": "object", PRESERVE: True, "properties": {"a": {"type": "object"}}},
            {"a": {"b": 1}, "c": {"d": 1}},
            {"a": {}, "c": {"d": 1}},
            ["spec.x.a.b"],
        ),
        (
            {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
            {"k": {"a": "", "b": ""}},
            {"k": {"a": ""}},
            ["spec.x.k.b"],
        ),
        (
            {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            [{"a": "", "b": ""}],
            [{"a": ""}],
            ["spec.x[0].b"],
        ),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}},
            {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {"a": 1}, "b": 1},
            {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": {}},
            ["spec.x.spec.a", "spec.x.b"],
        ),
    ],
)
def test_pruning(definition: dict[str, Any], value: Any, kept: Any, unknown: list[str]) -> None:
    obj = object_with(x=value)
    assert schema(x=definition).prune(obj) == unknown
    assert obj["spec"]["x"] == kept


def test_pruning_keeps_the_fields_of_every_object_and_drops_other_top_level_ones() -> None:
    obj = object_with() | {"extra": 1}
    assert schema().prune(obj) == ["extra"]
    assert set(obj) == {"apiVersion", "kind", "metadata", "spec"}
    assert obj["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("definition", "spec", "defaulted"),
    [
        ({"type": "integer", "default": 1}, {}, {"x": 1}),
        ({"type": "integer", "default": 0}, {}, {"x": 0}),
        ({"type": "integer", "default": 1}, {"x": 2}, {"x": 2}),
        ({"type": "integer", "default": 1}, {"x": None}, {"x": 1}),
        ({"type": "integer", "default": 1, "nullable": True}, {"x": None}, {"x": None}),
        ({"type": "integer"}, {"x": None}, {}),
        ({"type": "integer", "nullable": True}, {"x": None}, {"x": None}),
        # A default below an absent object does not create it; one below its default does.
        ({"type": "object", "properties": {"a": {"type": "string", "default": "b"}}}, {}, {}),
        ({"type": "object", "properties": {"a": {"type": "string", "default": "b"}}}, {"x": {}}, {"x": {"a": "b"}}),
        (
            {"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "b"}}},
            {},
            {"x": {"a": "b"}},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "object", "properties": {"n": {"default": 1}}}},
            {"x": {"a": {}, "b": {"n": 2}}},
            {"x": {"a": {"n": 1}, "b": {"n": 2}}},
        ),
        (
            {"type": "array", "items": {"type": "object", "properties": {"n": {"default": 1}}}},
            {"x": [{}, {"n": 2}]},
            {"x": [{"n": 1}, {"n": 2}]},
        ),
    ],
)
def test_defaulting(definition: dict[str, Any], spec: dict[str, Any], defaulted: dict[str, Any]) -> None:
    obj = object_with(**copy.deepcopy(spec))
    schema(x=definition).default(obj)
    assert obj["spec"] == defaulted


def test_objects_do_not_share_their_defaults() -> None:
    compiled = schema(x={"type": "object", "default": {"a": []}, PRESERVE: True})
    first, second = object_with(), object_with()
    compiled.default(first)
    first["spec"]["x"]["a"].append(1)
    compiled.default(second)
    assert second["spec"]["x"] == {"a": []}


def test_rules_run_only_on_objects_of_the_right_shape() -> None:
    seen: list[Any] = []

    def rules(obj: Any, old: Any) -> list[Any]:
        seen.append(obj)
        return []

    compiled = StructuralSchema({"type": "object", "properties": {"spec": {"type": "string"}}}, rules)
    named = {"metadata": {"name": "a"}}
    compiled.validate({**named, "spec": 1}, None)
    compiled.validate({**named, "spec": "a"}, None, blocked=True)
    assert seen == []
    compiled.validate({**named, "spec": "a"}, None)
    assert seen == [{**named, "spec": "a"}]


@pytest.mark.parametrize(
    ("new", "old", "paths"),
    [
        ({"n": 0, "other": 1}, {"n": 0, "other": 2}, []),
        ({"n": 0}, {"n": 5}, ["spec.n"]),
        ({"n": 0}, {}, ["spec.n"]),
        ({"o": {}, "other": 1}, {"o": {}, "other": 2}, []),
        ({"o": {}}, {"o": {"name": "x"}}, ["spec.o.name"]),
        ({"l": [0], "other": 1}, {"l": [0], "other": 2}, []),
        ({"l": [0, 1]}, {"l": [0]}, ["spec.l[0]"]),
    ],
)
def test_what_was_stored_before_is_not_refused_by_a_stricter_schema(
    new: dict[str, Any], old: dict[str, Any], paths: list[str]
) -> None:
    number = {"type": "integer", "minimum": 1}
    compiled = schema(
        n=number,
        other={"type": "integer"},
        o={"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        l={"type": "array", "items": number},
    )
    errors = compiled.validate(object_with(**new), object_with(**old))
    assert [error.path for error in errors] == paths
