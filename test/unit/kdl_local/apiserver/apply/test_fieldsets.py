"""Sets of fields: their algebra, their spelling and their texts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_local.apiserver.apply.fieldset import (
    FieldSet,
    difference,
    has,
    intersection,
    key_element,
    normalized,
    of_paths,
    path_text,
    paths,
    recursive_difference,
    union,
    value_element,
)

NAMES = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', "v:1"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
SETS = st.lists(PATHS, max_size=8).map(set)


def members(fields: FieldSet) -> set[tuple[str, ...]]:
    return set(paths(fields))


@given(SETS)
def test_a_set_of_paths_has_these_members(wanted: set[tuple[str, ...]]) -> None:
    fields = of_paths(sorted(wanted))
    assert members(fields) == wanted
    assert normalized(fields) == fields
    assert all(has(fields, path) for path in wanted)
    assert not has(fields, ())


@given(SETS, SETS)
def test_the_algebra_is_that_of_sets(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    first, second = of_paths(sorted(left)), of_paths(sorted(right))
    assert members(union(first, second)) == left | right
    assert members(intersection(first, second)) == left & right
    assert members(difference(first, second)) == left - right
    below = {path for path in left if any(path[: len(gone)] == gone for gone in right)}
    assert members(recursive_difference(first, second)) == left - below
    assert (of_paths(sorted(left)), of_paths(sorted(right))) == (first, second), "the arguments stay as they are"


@pytest.mark.parametrize(
    ("element", "spelled"),
    [
        (value_element("a<b"), 'v:"a\\u003cb"'),
        (value_element("ü"), 'v:"ü"'),
        (value_element(True), "v:true"),
        (value_element(1.5), "v:1.5"),
        (key_element({"name": "a&b"}), 'k:{"name":"a\\u0026b"}'),
        (key_element({"protocol": "TCP", "port": 80}), 'k:{"port":80,"protocol":"TCP"}'),
    ],
)
def test_elements_are_spelled_as_go_spells_them(element: str, spelled: str) -> None:
    assert element == spelled


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"f:a": {".": {}}}, {"f:a": {}}),
        ({'k:{"b":1, "a":2}': {}}, {'k:{"a":2,"b":1}': {}}),
        ({'v: "x"': {}}, {'v:"x"': {}}),
        ({"i:3": {}, "z:unknown": {}}, {"i:3": {}}),
        ({}, {}),
    ],
)
def test_sets_of_clients_are_spelled_anew(given_: Any, expected: FieldSet) -> None:
    assert normalized(given_) == expected


@pytest.mark.parametrize("wrong", [[], {"a": {}}, {"nothing": {}}, {"k:x": {}}, {"v:{": {}}, {"i:x": {}}, {"f:a": []}])
def test_what_is_no_set(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"set of fields|element of a path|invalid literal"):
        normalized(wrong)


def test_paths_are_told_level_by_level() -> None:
    fields = of_paths([("f:b", "f:c"), ("f:b",), ("v:2",), ("v:10",), ('k:{"n":1}',), ("f:a", "f:z"), ('v:"x"',)])
    assert [path_text(path) for path in paths(fields)] == [".b", "[n=1]", "[=2]", "[=10]", '[="x"]', ".a.z", ".b.c"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", 'k:{"port":80,"protocol":"TCP"}', "f:name"), '.spec[port=80,protocol="TCP"].name'),
        (("f:data", "f:a.b/c"), ".data.a.b/c"),
        (("v:true",), "[=true]"),
        (("i:3",), "[3]"),
    ],
)
def test_texts_of_paths(path: tuple[str, ...], text: str) -> None:
    assert path_text(path) == text
