"""Comparing, merging, claiming and removing, by type."""

from typing import Any

import pytest

from kdl_local.apiserver.apply.builtin_types import builtin_type
from kdl_local.apiserver.apply.comparison import compare
from kdl_local.apiserver.apply.fieldset import FieldSet, of_paths, path_text, paths
from kdl_local.apiserver.apply.goform import as_go_writes
from kdl_local.apiserver.apply.leaves import leaves, type_errors
from kdl_local.apiserver.apply.merging import merge
from kdl_local.apiserver.apply.removal import reconciled, with_named_fields, without
from unit.kdl_local.apiserver.apply.schemas import TYPE, obj

POD = builtin_type("io.k8s.api.core.v1.Pod")
X, Y = {"name": "x", "value": 1}, {"name": "y", "value": 2}


def texts(fields: FieldSet) -> list[str]:
    return [path_text(path).removeprefix(".spec") for path in paths(fields)]


@pytest.mark.parametrize(
    ("old", "new", "changed", "removed"),
    [
        ({"text": "a"}, {"text": "a"}, [], []),
        ({"text": "a"}, {"text": "b"}, [".text"], []),
        ({"number": 1}, {"number": 1.0}, [], []),
        ({"text": "a"}, {"number": 1}, [".number"], [".text"]),
        ({"either": 1}, {"either": "1"}, [".either"], []),
        ({"free": {"a": 1}}, {"free": {"a": True}}, [".free.a"], []),
        ({"free": {"a": 1}}, {"free": {"a": {"b": 1}}}, [".free.a", ".free.a.b"], []),
        ({"free": {"a": {"b": 1}}}, {"free": {"a": 1}}, [".free.a"], [".free.a.b"]),
        ({"free": {"a": [1]}}, {"free": {"a": [1, 2]}}, [".free.a"], []),
        ({"map": {"a": "1"}}, {"map": {"a": "1", "b": "2"}}, [".map.b"], []),
        ({"text": "a"}, {"text": "a", "map": {"b": "2"}}, [".map", ".map.b"], []),
        ({"map": {}}, {"map": {"b": "2"}}, [".map.b"], []),
        ({"map": {"b": "2"}, "flag": True}, {"flag": True}, [], [".map", ".map.b"]),
        ({"atomicList": ["a"]}, {"atomicList": ["a", "b"]}, [".atomicList"], []),
        ({"atomicStruct": {"a": "1"}}, {"atomicStruct": {"a": "1", "b": "2"}}, [".atomicStruct"], []),
        ({"set": ["a", "b"]}, {"set": ["b", "c"]}, ['.set[="c"]'], ['.set[="a"]']),
        ({"set": ["a", "b"]}, {"set": ["b", "a"]}, [], []),
        ({"set": ["a"]}, {"set": ["a", "a"]}, ['.set[="a"]'], ['.set[="a"]']),
        ({"list": [X]}, {"list": [{**X, "value": 5}]}, ['.list[name="x"].value'], []),
        (
            {"list": [X]},
            {"list": [X, Y]},
            ['.list[name="y"]', '.list[name="y"].name', '.list[name="y"].value'],
            [],
        ),
        ({"list": [X, Y]}, {"list": [Y, X]}, [], []),
        (
            {"ports": [{"port": 1}]},
            {"ports": [{"port": 1, "protocol": "TCP"}]},
            ['.ports[port=1,protocol="TCP"].protocol'],
            [],
        ),
    ],
)
def test_what_differs(old: Any, new: Any, changed: list[str], removed: list[str]) -> None:
    comparison = compare({"spec": old}, {"spec": new}, TYPE)
    assert (texts(comparison.changed), texts(comparison.removed)) == (changed, removed)
    assert comparison.same == (not changed and not removed)


def test_structs_of_built_in_kinds_are_always_there() -> None:
    pod = {"spec": {"containers": [{"name": "a"}], "nodeName": "n"}}
    found = [path_text(path) for path in paths(compare({}, pod, POD).changed)]
    assert found == [".spec.nodeName", '.spec.containers[name="a"]', '.spec.containers[name="a"].name']


@pytest.mark.parametrize(
    ("value", "claimed"),
    [
        ({"text": "a", "flag": None}, [".flag", ".text"]),
        ({"map": {"a": "1"}}, [".map.a"]),
        ({"map": {}}, [".map"]),
        ({"struct": {"a": "1"}}, [".struct.a"]),
        ({"struct": {}}, [".struct"]),
        ({"set": []}, []),
        ({"struct": {"a": None}}, [".struct.a"]),
        ({"atomicList": []}, [".atomicList"]),
        ({"list": [X]}, ['.list[name="x"]', '.list[name="x"].name', '.list[name="x"].value']),
        ({"set": ["b", "a"]}, ['.set[="a"]', '.set[="b"]']),
        ({"free": {"a": {"b": [1]}}}, [".free.a", ".free.a.b"]),
        ({"atomicStruct": {"a": "1"}}, [".atomicStruct"]),
    ],
)
def test_what_an_applied_object_claims(value: Any, claimed: list[str]) -> None:
    assert texts(leaves({"spec": value}, TYPE)) == claimed


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ({"text": "a"}, {"text": "b", "flag": True}, {"text": "b", "flag": True}),
        ({"map": {"a": "1"}}, {"map": {"b": "2"}}, {"map": {"a": "1", "b": "2"}}),
        ({"atomicStruct": {"a": "1"}}, {"atomicStruct": {"b": "2"}}, {"atomicStruct": {"b": "2"}}),
        ({"atomicList": ["a"]}, {"atomicList": ["b"]}, {"atomicList": ["b"]}),
        ({"map": {"a": "1"}}, {"map": None}, {"map": {"a": "1"}}),
        ({"set": ["a", "b"]}, {"set": ["b", "c"]}, {"set": ["a", "b", "c"]}),
        ({"set": ["a", "b", "c"]}, {"set": ["c", "a"]}, {"set": ["b", "c", "a"]}),
        ({"set": ["x", "a", "a"]}, {"set": ["a"]}, {"set": ["x", "a"]}),
        ({"list": [X, Y]}, {"list": [{"name": "y", "inner": "i"}]}, {"list": [X, {**Y, "inner": "i"}]}),
        ({"free": {"a": {"b": 1}}}, {"free": {"a": 5}}, {"free": {"a": 5}}),
        ({"free": {"a": 5}}, {"free": {"a": {"b": 1}}}, {"free": {"a": {"b": 1}}}),
        ({}, {"free": {}}, {"free": {}}),
    ],
)
def test_what_becomes_of_an_object(live: Any, applied: Any, merged: Any) -> None:
    assert merge({"spec": live}, {"spec": applied}, TYPE) == {"spec": merged}


@pytest.mark.parametrize(
    ("live", "applied", "order"),
    [
        ("abc", "cba", "cba"),
        ("abc", "b", "abc"),
        ("abc", "xb", "axbc"),
        ("abcd", "db", "acdb"),
        ("ab", "xy", "abxy"),
        ("", "ba", "ba"),
    ],
)
def test_the_order_of_merged_lists(live: str, applied: str, order: str) -> None:
    found = merge(obj(set=list(live)), obj(set=list(applied)), TYPE)
    assert "".join(found["spec"]["set"]) == order


@pytest.mark.parametrize(
    ("value", "gone", "left"),
    [
        ({"text": "a", "flag": True}, [("f:text",)], {"flag": True}),
        ({"map": {"a": "1", "b": "2"}}, [("f:map", "f:a")], {"map": {"b": "2"}}),
        ({"map": {"a": "1"}, "flag": True}, [("f:map", "f:a")], {"map": None, "flag": True}),
        ({"list": [X, Y]}, [("f:list", 'k:{"name":"x"}')], {"list": [Y]}),
        ({"list": [X]}, [("f:list", 'k:{"name":"x"}', "f:value")], {"list": [{"name": "x"}]}),
        ({"set": ["a", "b"]}, [("f:set", 'v:"a"')], {"set": ["b"]}),
        ({"free": {"a": {"b": 1, "c": 2}}}, [("f:free", "f:a", "f:b")], {"free": {"a": {"c": 2}}}),
    ],
)
def test_what_is_left(value: Any, gone: list[tuple[str, ...]], left: Any) -> None:
    before = {"spec": value}
    assert without(before, of_paths([("f:spec", *path) for path in gone]), TYPE) == {"spec": left}


def test_named_fields_around_members() -> None:
    fields = of_paths([("f:spec", "f:map", "f:a"), ("f:spec", "f:list", 'k:{"name":"x"}', "f:value")])
    found = {path_text(path) for path in paths(with_named_fields(fields, TYPE))}
    assert found == {".spec", ".spec.map", ".spec.map.a", ".spec.list", '.spec.list[name="x"].value'}


def test_what_has_become_one_value_is_owned_as_one() -> None:
    fields = of_paths([("f:spec", "f:atomicStruct", "f:a"), ("f:spec", "f:text")])
    assert texts(reconciled(fields, TYPE)) == [".atomicStruct", ".text"]
    same = of_paths([("f:spec", "f:map", "f:a")])
    assert reconciled(same, TYPE) is same


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        ({"text": 1}, [".spec.text: expected string, got &value.valueUnstructured{Value:1}"]),
        ({"number": True}, [".spec.number: expected numeric (int or float), got bool"]),
        ({"flag": 1}, [".spec.flag: expected boolean, got &{1}"]),
        ({"nope": 1, "text": 1}, [".spec.nope: field not declared in schema"]),
        ({"list": {}}, [".spec.list: expected list, got &{map[]}"]),
        ({"list": [1]}, [".spec.list: element 0: associative list with keys may not have non-map elements"]),
        ({"set": [[]]}, [".spec.set: element 0: associative list without keys has an element that's a list"]),
        ({"either": {}}, []),
        ({"text": None, "list": None}, []),
    ],
)
def test_values_that_do_not_fit(value: Any, errors: list[str]) -> None:
    assert type_errors({"spec": value}, TYPE, duplicates=False) == errors


def test_duplicates_may_be_in_stored_objects() -> None:
    value = obj(set=["a", "a"])
    assert type_errors(value, TYPE, duplicates=False) == ['.spec.set: duplicate entries for key [="a"]']
    assert type_errors(value, TYPE, duplicates=True) == []


@pytest.mark.parametrize(
    ("pod", "written"),
    [
        ({"spec": {"nodeSelector": {}, "tolerations": [], "hostname": None}}, {"spec": {}}),
        ({"spec": {"containers": [], "securityContext": {}}}, {"spec": {"containers": [], "securityContext": {}}}),
        (
            {"spec": {"volumes": [{"name": "v", "emptyDir": {}, "secret": None}]}},
            {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        ),
        ({"metadata": {"labels": {}, "annotations": {"a": ""}}}, {"metadata": {"annotations": {"a": ""}}}),
    ],
)
def test_what_go_writes(pod: Any, written: Any) -> None:
    assert as_go_writes(pod, POD, {}) == written
    assert as_go_writes(written, POD, written) == written
