from typing import Any

import pytest

from kdl_local.apiserver.cel import RuleError, compile_expression, compile_rules, escape, rules_of


def errors_of(schema: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    validate = rules_of(schema)
    assert validate is not None
    return [str(error) for error in validate(value, old)]


def spec_schema(rule: str, properties: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
    """A schema whose ``spec`` has one rule."""
    spec = {
        "type": "object",
        "properties": properties or {"a": {"type": "integer"}, "b": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": rule, **extra}],
    }
    return {"type": "object", "properties": {"spec": spec}}


@pytest.mark.parametrize(
    ("rule", "spec", "holds"),
    [
        ("self.a > 1", {"a": 2}, True),
        ("self.a > 1", {"a": 1}, False),
        ("!has(self.b) || self.b.startsWith('x')", {"a": 1}, True),
        ("!has(self.b) || self.b.startsWith('x')", {"b": "y"}, False),
        ("self.b.matches('^[a-z]+$')", {"b": "abc"}, True),
        ("self.b in ['x', 'y']", {"b": "z"}, False),
        ("size(self.b) == 3 && self.b.size() == 3", {"b": "abc"}, True),
        ("self.b.lowerAscii() == 'abc'", {"b": "ABC"}, True),
        ("self.b.find('[0-9]+') == '12'", {"b": "a12b3"}, True),
        ("self.b.findAll('[0-9]+') == ['12', '3']", {"b": "a12b3"}, True),
        ("isQuantity(self.b) && quantity(self.b).isLessThan(quantity('2Gi'))", {"b": "1Gi"}, True),
        ("quantity(self.b) == quantity('1024Mi')", {"b": "1Gi"}, True),
        ("isQuantity(self.b)", {"b": "lots"}, False),
        ("self.b.split(',').isSorted()", {"b": "a,c,b"}, False),
        ("duration(self.b) > duration('1m')", {"b": "1h"}, True),
        ("self.a / 2 * 2 == self.a ? true : false", {"a": 3}, False),
        ("[self.a].map(x, x * 2).exists(x, x == 4)", {"a": 2}, True),
    ],
)
def test_rules(rule: str, spec: dict[str, Any], holds: bool) -> None:
    expected = [] if holds else [f"spec: Invalid value: failed rule: {rule}"]
    assert errors_of(spec_schema(rule), {"spec": spec}) == expected


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"message": "a is small"}, "spec: Invalid value: a is small"),
        ({"messageExpression": "'a is ' + string(self.a)"}, "spec: Invalid value: a is 0"),
        (
            {"messageExpression": "self.b + 'x'", "message": "used instead"},
            "spec: Invalid value: used instead",
        ),
        ({"message": "m", "fieldPath": ".a"}, "spec.a: Invalid value: m"),
        ({"message": "m", "reason": "FieldValueForbidden"}, "spec: Forbidden: m"),
        ({"message": "m", "reason": "FieldValueRequired", "fieldPath": ".a"}, "spec.a: Required value: m"),
        ({"message": "m", "reason": "FieldValueDuplicate"}, "spec: Duplicate value"),
    ],
)
def test_what_a_failed_rule_says(extra: dict[str, str], message: str) -> None:
    assert errors_of(spec_schema("self.a > 0", None, **extra), {"spec": {"a": 0}}) == [message]


@pytest.mark.parametrize(
    ("rule", "spec", "message"),
    [
        ("self.b == 'x'", {"a": 1}, "no such key: b evaluating rule: self.b == 'x'"),
        ("1 / self.a == 1", {"a": 0}, "division by zero evaluating rule: 1 / self.a == 1"),
        (
            "self.b + 1 == 2",
            {"b": "x"},
            "'no such overload': call arguments did not match a supported operator, function or macro signature "
            "for rule: self.b + 1 == 2",
        ),
    ],
)
def test_an_error_while_evaluating_refuses_the_object(rule: str, spec: dict[str, Any], message: str) -> None:
    assert errors_of(spec_schema(rule), {"spec": spec}) == [f'spec: Invalid value: "object": {message}']


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("self.a >", "compilation failed: "),
        ("self.c == 1", "compilation failed: undefined field 'c'"),
        ("other == 1", "compilation failed: undeclared reference to 'other'"),
        ("isURL(self.b)", "compilation failed: undeclared reference to 'isURL'"),
        ("self.?a.orValue(1) == 1", "compilation failed: "),
    ],
)
def test_rules_that_cannot_be_compiled(rule: str, message: str) -> None:
    errors: list[Any] = []
    compile_rules(spec_schema(rule), errors, "root")
    assert [error.path for error in errors] == ["root.properties[spec].x-kubernetes-validations[0].rule"]
    assert message in str(errors[0])
    with pytest.raises(RuleError):
        rules_of(spec_schema(rule))


def test_variables_of_macros_are_known() -> None:
    compile_expression("self.all(key, key.size() > 0) && self.exists(other, other == 'x')")


def transition(**extra: Any) -> dict[str, Any]:
    return spec_schema("self.a >= oldSelf.a", **extra)


@pytest.mark.parametrize(
    ("new", "old", "failures"),
    [({"a": 1}, None, 0), ({"a": 1}, {"a": 1}, 0), ({"a": 2}, {"a": 1}, 0), ({"a": 1}, {"a": 2}, 1)],
)
def test_transition_rules(new: Any, old: Any, failures: int) -> None:
    assert len(errors_of(transition(), {"spec": new}, {"spec": old} if old else None)) == failures


@pytest.mark.parametrize(
    ("new", "old", "failures"), [({"a": 1}, None, 1), ({"a": 5}, None, 0), ({"a": 1}, {"a": 1}, 0)]
)
def test_optional_old_self_runs_on_creates_as_well(new: Any, old: Any, failures: int) -> None:
    rule = "oldSelf.hasValue() ? self.a >= oldSelf.value().a : self.a == 5"
    schema = spec_schema(rule, optionalOldSelf=True)
    assert len(errors_of(schema, {"spec": new}, {"spec": old} if old else None)) == failures


def test_an_unchanged_value_is_not_refused_by_a_later_rule() -> None:
    schema = spec_schema("self.a > 0")
    assert errors_of(schema, {"spec": {"a": 0}}, {"spec": {"a": 0}}) == []
    assert errors_of(schema, {"spec": {"a": -1}}, {"spec": {"a": 0}}) != []


def test_rules_below_maps_and_lists_name_their_place() -> None:
    leaf = {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "message": "m"}]}
    schema = {
        "type": "object",
        "properties": {
            "m": {"type": "object", "additionalProperties": leaf},
            "l": {"type": "array", "items": leaf},
        },
    }
    assert errors_of(schema, {"m": {"k": 0}, "l": [1, 0]}) == [
        "m[k]: Invalid value: 0: m",
        "l[1]: Invalid value: 0: m",
    ]


def test_items_of_a_map_list_find_their_old_value() -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "v": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.v == oldSelf.v", "message": "fixed"}],
    }
    schema = {
        "type": "object",
        "properties": {"l": {"type": "array", "x-kubernetes-list-map-keys": ["name"], "items": item}},
    }
    old = {"l": [{"name": "a", "v": 1}, {"name": "b", "v": 2}]}
    assert errors_of(schema, {"l": [{"name": "b", "v": 2}, {"name": "a", "v": 1}, {"name": "c", "v": 3}]}, old) == []
    assert errors_of(schema, {"l": [{"name": "b", "v": 1}]}, old) == ["l[0]: Invalid value: fixed"]


def test_rules_at_the_root_see_the_name_but_no_other_metadata() -> None:
    schema = {"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name.size() <= 3"}]}
    assert errors_of(schema, {"metadata": {"name": "abc"}}) == []
    assert errors_of(schema, {"metadata": {"name": "abcd"}}) == [
        "<nil>: Invalid value: failed rule: self.metadata.name.size() <= 3"
    ]
    schema["x-kubernetes-validations"] = [{"rule": "has(self.metadata.labels)"}]
    with pytest.raises(RuleError, match="undefined field 'labels'"):
        rules_of(schema)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("a", "a"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
    ],
)
def test_property_names_as_identifiers(name: str, identifier: str) -> None:
    assert escape(name) == identifier


def test_escaped_properties_are_found() -> None:
    schema = spec_schema(
        "self.a__dash__b == 1 && self.__if__ == 2", {"a-b": {"type": "integer"}, "if": {"type": "integer"}}
    )
    assert errors_of(schema, {"spec": {"a-b": 1, "if": 2}}) == []
    assert errors_of(schema, {"spec": {"a-b": 2, "if": 2}}) != []


def test_a_schema_without_rules_has_no_validator() -> None:
    assert rules_of({"type": "object", "properties": {"a": {"type": "string"}}}) is None
