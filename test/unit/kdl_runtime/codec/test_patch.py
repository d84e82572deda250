"""Merge patches by RFC 7386, JSON patches by RFC 6902, with the errors of kube-apiserver."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_runtime.codec.patch import (
    MAX_JSON_PATCH_OPERATIONS,
    apply_json_patch,
    apply_merge,
    copy_json,
    format_pointer,
    json_equal,
    merge_diff,
    parse_pointer,
    resolve_pointer,
)
from kdl_runtime.errors import ApiError, BadRequest, Invalid, RequestEntityTooLarge

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abcd"), documents, max_size=4)


def without_nulls(value: Any) -> Any:
    """What a merge patch can store: nulls inside of lists only."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # The examples of RFC 7386, appendix A, whose target and patch are objects.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"b": {"c": 2}}}, {"a": {"b": {"c": 2}}}),
    ],
)
def test_apply_merge(target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    before = deepcopy((target, patch))
    assert apply_merge(target, patch) == result
    assert (target, patch) == before


@pytest.mark.parametrize(("patch", "what"), [([], "a list"), (None, "null"), ("x", "a str")])
def test_apply_merge_refuses_what_is_no_object(patch: Any, what: str) -> None:
    with pytest.raises(BadRequest, match=f"must be a JSON object, this one is {what}"):
        apply_merge({}, patch)


def test_a_merge_shares_nothing_mutable_with_its_arguments() -> None:
    target, patch = {"kept": {"list": [1]}}, {"new": {"list": [2]}}
    result = apply_merge(target, patch)
    result["kept"]["list"].append(3)
    result["new"]["list"].append(3)
    assert (target, patch) == ({"kept": {"list": [1]}}, {"new": {"list": [2]}})


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": 1, "b": 2}, {"b": 2}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {}}, {}, {"a": None}),
        ({}, {"a": {}}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [2, 1]}, {"a": [2, 1]}),
        ({"a": [0]}, {"a": [False]}, {"a": [False]}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({}, {"a": None}, None),
        ({"a": None}, {}, None),
        ({"a": None}, {"a": 1}, {"a": 1}),
    ],
)
def test_merge_diff(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any] | None) -> None:
    assert merge_diff(old, new) == patch


@given(objects, objects)
def test_a_diff_applied_to_the_old_gives_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = merge_diff(old, new) or {}
    assert json_equal(without_nulls(apply_merge(old, patch)), without_nulls(new))
    assert (merge_diff(without_nulls(old), without_nulls(new)) is None) == json_equal(
        without_nulls(old), without_nulls(new)
    )


@given(documents)
def test_a_copy_is_equal_and_independent(value: Any) -> None:
    copied = copy_json(value)
    assert json_equal(copied, value)
    if isinstance(value, dict | list):
        assert copied is not value


@pytest.mark.parametrize(
    ("doc", "operations", "result"),
    [
        # RFC 6902, appendix A.
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["a", "b"]}, [{"op": "add", "path": "/foo/1", "value": "x"}], {"foo": ["a", "x", "b"]}),
        ({"baz": "q", "foo": "b"}, [{"op": "remove", "path": "/baz"}], {"foo": "b"}),
        ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
        ({"baz": "q"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/0", "value": 5}], {"a": [5, 2]}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        ({"a": ["x", "y", "z"]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": ["y", "z", "x"]}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"baz": "qux", "foo": ["a", 2]}, [{"op": "test", "path": "/foo/1", "value": 2.0}], None),
        ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"x": {}}}], {"foo": "bar", "child": {"x": {}}}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], None),
        ({"a": 1}, [{"op": "add", "path": "", "value": [1]}], [1]),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {}}], {}),
        ({"a": 1}, [{"op": "remove", "path": ""}], None),
        ({"a": None}, [{"op": "test", "path": "/a", "value": None}, {"op": "remove", "path": "/a"}], {}),
        ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
        ({"a": 1}, [], {"a": 1}),
    ],
)
def test_json_patch(doc: Any, operations: list[Any], result: Any) -> None:
    before = deepcopy((doc, operations))
    expected = doc if operations and operations[-1]["op"] == "test" else result
    assert apply_json_patch(doc, operations) == expected
    assert (doc, operations) == before


@pytest.mark.parametrize(
    ("doc", "operations", "error", "message"),
    [
        ({}, {"op": "add"}, BadRequest, "must be a list of operations, this one is a dict"),
        ({}, ["add"], BadRequest, "operation 0 of the JSON patch must be an object"),
        ({}, [{"op": "merge", "path": "/a"}], BadRequest, "has op 'merge': use one of add, remove"),
        ({}, [{"op": "add", "path": "/a"}], BadRequest, "needs a 'value'"),
        ({}, [{"op": "add", "value": 1}], BadRequest, "needs a string in 'path'"),
        ({}, [{"op": "move", "path": "/a"}], BadRequest, "needs a string in 'from'"),
        ({}, [{"op": "add", "path": "a", "value": 1}], BadRequest, "must start with a slash"),
        ({}, [{"op": "add", "path": "/a/b", "value": 1}], Invalid, "'/a' does not exist"),
        ({"a": 1}, [{"op": "add", "path": "/a/b", "value": 1}], Invalid, "neither an object nor a list"),
        ({}, [{"op": "remove", "path": "/a"}], Invalid, "'/a' does not exist"),
        ({}, [{"op": "replace", "path": "/a", "value": 1}], Invalid, "'/a' does not exist"),
        ({}, [{"op": "copy", "from": "/a", "path": "/b"}], Invalid, "'/a' does not exist"),
        ({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 1}], Invalid, "index 2 .* out of range"),
        ({"a": [1]}, [{"op": "remove", "path": "/a/1"}], Invalid, "index 1 .* out of range"),
        ({"a": [1]}, [{"op": "remove", "path": "/a/-"}], Invalid, "'-' .* not an index"),
        ({"a": [1]}, [{"op": "replace", "path": "/a/-1", "value": 1}], Invalid, "'-1' .* not an index"),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/01"}], Invalid, "'01' .* not an index"),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": "/a/b"}], Invalid, "cannot be moved into itself"),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": True}], Invalid, "test of the JSON patch at '/a' failed"),
        ({"a": {"x": 1}}, [{"op": "test", "path": "/a", "value": {}}], Invalid, "failed"),
        ({}, [{}] * (MAX_JSON_PATCH_OPERATIONS + 1), RequestEntityTooLarge, "got 10001"),
    ],
)
def test_json_patch_errors(doc: Any, operations: Any, error: type[ApiError], message: str) -> None:
    before = deepcopy(doc)
    with pytest.raises(error, match=message):
        apply_json_patch(doc, operations)
    assert doc == before


def test_a_failed_operation_undoes_those_before_it() -> None:
    doc = {"a": {"b": 1}}
    with pytest.raises(Invalid):
        apply_json_patch(doc, [{"op": "remove", "path": "/a/b"}, {"op": "test", "path": "/a", "value": 7}])
    assert doc == {"a": {"b": 1}}


def test_a_value_that_is_added_twice_is_two_values() -> None:
    value: dict[str, Any] = {"x": []}
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name in "ab"]
    result = apply_json_patch({}, [*operations, {"op": "add", "path": "/a/x/-", "value": 1}])
    assert result == {"a": {"x": [1]}, "b": {"x": []}}
    assert value == {"x": []}


@pytest.mark.parametrize(
    ("pointer", "parts"), [("", ()), ("/", ("",)), ("/a~1b/m~0n/~01", ("a/b", "m~n", "~1")), ("/a/0", ("a", "0"))]
)
def test_pointers_round_trip(pointer: str, parts: tuple[str, ...]) -> None:
    assert parse_pointer(pointer) == parts
    assert format_pointer(parts) == pointer


def test_resolve_pointer_names_the_part_that_is_missing() -> None:
    assert resolve_pointer({"a": [{"b": 1}]}, ("a", "0", "b")) == 1
    with pytest.raises(Invalid, match="'/a/0/c' does not exist"):
        resolve_pointer({"a": [{"b": 1}]}, ("a", "0", "c", "d"))
