"""Who owns what after writes: tables of sequences, and the laws that hold for all."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_local.apiserver.apply.conflicts import conflict_error
from kdl_local.apiserver.apply.fieldset import LEAF, FieldSet, has, of_paths, path_text, paths, union
from kdl_local.apiserver.apply.leaves import leaves
from kdl_local.apiserver.apply.owners import (
    Identity,
    Owned,
    Owners,
    capped,
    decode_owners,
    encode_owners,
    is_reset,
    read_owners,
    same_but_for_times,
)
from kdl_local.apiserver.apply.ownership import (
    Applied,
    ConflictsError,
    FieldTypeError,
    Version,
    Writing,
    applied,
    updated,
)
from kdl_runtime.codec.json import decode
from kdl_runtime.codec.patch import json_equal
from unit.kdl_local.apiserver.apply.schemas import TYPE, obj

NOW = "2026-01-31T12:00:00Z"


def versions(name: str) -> Version | None:
    return Version(TYPE, fixed=False) if name in ("v1", "v2") else None


def writing(manager: str, version: str = "v1", time: str = NOW) -> Writing:
    return Writing(manager, version, "", lambda: time, versions)


@dataclass
class World:
    """One object and its owners."""

    live: dict[str, Any] = field(default_factory=dict)
    owners: Owners = field(default_factory=dict)

    def apply(self, manager: str, config: dict[str, Any], *, version: str = "v1", force: bool = False) -> Applied:
        found = applied(writing(manager, version), self.live, config, self.owners, force=force)
        self.owners = found.owners
        if found.object is not None:
            self.live = without_nulls(found.object)
        return found

    def update(self, manager: str, new: dict[str, Any], *, version: str = "v1") -> None:
        self.owners = updated(writing(manager, version), self.live, new, self.owners)
        self.live = new

    @property
    def owned(self) -> dict[str, list[str]]:
        """By manager, with ``~`` behind those that update."""
        return {
            identity.manager + ("" if identity.applies else "~"): [
                path_text(path).removeprefix(".spec") for path in paths(owned.fields)
            ]
            for identity, owned in self.owners.items()
        }


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


Act = Callable[[World], object]


@pytest.mark.parametrize(
    ("acts", "spec", "owned"),
    [
        pytest.param(
            [lambda w: w.apply("a", obj(text="1")), lambda w: w.apply("b", obj(number=2))],
            {"text": "1", "number": 2},
            {"a": [".text"], "b": [".number"]},
            id="side by side",
        ),
        pytest.param(
            [
                lambda w: w.apply("a", obj(list=[{"name": "x", "value": 1}])),
                lambda w: w.apply("b", obj(list=[{"name": "x", "inner": "i"}])),
                lambda w: w.apply("a", obj(flag=True)),
            ],
            {"flag": True, "list": [{"name": "x", "inner": "i"}]},
            {"a": [".flag"], "b": ['.list[name="x"]', '.list[name="x"].inner', '.list[name="x"].name']},
            id="one element, two appliers",
        ),
        pytest.param(
            [
                lambda w: w.apply("a", obj(map={"x": "1"})),
                lambda w: w.update("u", obj(map={"x": "1", "y": "2"})),
                lambda w: w.apply("a", obj(flag=True)),
            ],
            {"flag": True, "map": {"y": "2"}},
            {"a": [".flag"], "u~": [".map.y"]},
            id="an updater's entry stays",
        ),
        pytest.param(
            [
                lambda w: w.apply("a", obj(struct={"a": "1"}, text="t")),
                lambda w: w.update("u", obj(struct={"a": "1", "b": "2"}, text="t")),
                lambda w: w.apply("a", obj(text="t")),
            ],
            {"struct": {"b": "2"}, "text": "t"},
            {"a": [".text"], "u~": [".struct.b"]},
            id="a struct of two",
        ),
        pytest.param(
            [
                lambda w: w.apply("a", obj(atomicStruct={"a": "1"})),
                lambda w: w.apply("b", obj(atomicStruct={"b": "2"}), force=True),
            ],
            {"atomicStruct": {"b": "2"}},
            {"b": [".atomicStruct"]},
            id="one value is taken as a whole",
        ),
        pytest.param(
            [lambda w: w.update("u", obj(text="1")), lambda w: w.update("u", obj(text="1", flag=True))],
            {"text": "1", "flag": True},
            {"u~": ["", ".flag", ".text"]},
            id="an updater's entries are one",
        ),
        pytest.param(
            [
                lambda w: w.apply("a", obj(text="1"), version="v1"),
                lambda w: w.apply("a", obj(number=1), version="v2"),
            ],
            {"number": 1},
            {"a": [".number"]},
            id="an applier changes its version",
        ),
        pytest.param(
            [
                lambda w: w.update("u", obj(text="1"), version="v1"),
                lambda w: w.update("u", obj(text="1", flag=True), version="v2"),
            ],
            {"text": "1", "flag": True},
            {"u~": [".flag"]},
            id="an updater of two versions has two entries",
        ),
    ],
)
def test_sequences(acts: list[Act], spec: dict[str, Any], owned: dict[str, list[str]]) -> None:
    world = World()
    for act in acts:
        act(world)
    assert world.live == {"spec": spec}
    assert world.owned == owned


def test_what_was_there_before_the_first_apply() -> None:
    world = World(obj(text="1", flag=True))
    world.apply("a", obj(text="1"))
    assert world.owned == {"a": [".text"], "before-first-apply~": ["", ".flag", ".text"]}


def test_owners_in_a_version_that_is_gone_are_forgotten() -> None:
    gone = Identity("old", "Update", "v0", "")
    owners = {gone: Owned(of_paths([("f:spec", "f:text")]), "v0")}
    world = World(obj(text="1"), owners)
    world.apply("a", obj(text="2"))
    assert world.owned == {"a": [".text"]}


def test_a_conflict_says_whose_field_it_is() -> None:
    world = World()
    world.apply("a", obj(text="1", set=["x"]))
    world.update("u", {**world.live, "spec": {**world.live["spec"], "number": 5}})
    with pytest.raises(ConflictsError) as caught:
        world.apply("b", obj(text="2", number=6, set=["x", "y"]))
    error = conflict_error(caught.value.conflicts)
    assert error.message == (
        'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.text\nconflicts with "u" using v1:\n- .spec.number'
    )
    assert [cause["field"] for cause in error.details["causes"]] == [".spec.text", ".spec.number"]


def test_an_object_of_another_type_is_not_applied() -> None:
    with pytest.raises(FieldTypeError, match=r"errors:\n  \.spec\.text: expected string"):
        World().apply("a", obj(text=1, number="x"))


def test_an_apply_without_a_change_keeps_its_time() -> None:
    world = World()
    world.apply("a", obj(text="1"))
    later = applied(writing("a", time="2026-02-01T00:00:00Z"), world.live, obj(text="1"), world.owners)
    assert later.object is None
    assert later.owners == world.owners
    shared = applied(writing("b"), world.live, obj(text="1"), world.owners)
    assert shared.owners[Identity.applier("b", "")].time == ""


# ---- entries


def test_entries_are_sorted_and_read_back() -> None:
    owners = {
        Identity("u", "Update", "v1", "status"): Owned({"f:status": LEAF}, "v1", "2026-01-02T00:00:00Z"),
        Identity("t", "Update", "v1", ""): Owned({"f:spec": LEAF}, "v1", "2026-01-01T00:00:00Z"),
        Identity.applier("z", ""): Owned({"f:spec": LEAF}, "v2", "2026-01-03T00:00:00Z"),
    }
    raw = encode_owners(owners)
    assert raw is not None
    assert [entry["manager"] for entry in decode(raw)] == ["z", "t", "u"]
    found = decode_owners(raw)
    assert {key: owned.fields for key, owned in found.items()} == {key: owned.fields for key, owned in owners.items()}
    assert found.keys() == owners.keys() == (read_owners(decode(raw)) or {}).keys()
    assert encode_owners({}) is None


@pytest.mark.parametrize(
    ("given_", "reset"), [([], True), ([{}], True), ([{}, {}], False), (None, False), ([{"manager": "a"}], False)]
)
def test_what_forgets_all_owners(given_: Any, reset: bool) -> None:
    assert is_reset(given_) == reset


def test_times_are_not_compared() -> None:
    one, other, third = (
        encode_owners({Identity.applier("a", ""): Owned({name: LEAF}, "v1", time)})
        for name, time in (("f:a", NOW), ("f:a", ""), ("f:b", NOW))
    )
    assert same_but_for_times(one, other)
    assert not same_but_for_times(one, third)
    assert not same_but_for_times(one, None)
    assert same_but_for_times(None, None)


def test_the_oldest_updaters_are_folded_by_version() -> None:
    owners: Owners = {
        Identity(f"m{number:02}", "Update", "v2" if number == 0 else "v1", ""): Owned(
            {f"f:{number:02}": LEAF}, "v2" if number == 0 else "v1", f"2026-01-{number + 1:02}T00:00:00Z"
        )
        for number in range(13)
    }
    found = capped(owners)
    assert len(found) == 10
    folded = found[Identity("ancient-changes", "Update", "v1", "")]
    assert set(folded.fields) == {"f:01", "f:02", "f:03", "f:04"}
    assert folded.time == "2026-01-05T00:00:00Z"
    assert Identity("m00", "Update", "v2", "") in found
    assert capped(found) is found


# ---- laws

_TEXT = st.sampled_from(["1", "2"])
_ITEMS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("xyz")}, optional={"value": st.integers(0, 1), "inner": _TEXT}),
    max_size=3,
    unique_by=lambda item: item["name"],
)
_FREE = st.recursive(
    st.one_of(_TEXT, st.booleans(), st.integers(0, 1), st.lists(_TEXT, max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("pq"), inner, max_size=2),
    max_leaves=4,
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "text": _TEXT,
        "number": st.integers(0, 1),
        "atomicList": st.lists(_TEXT, max_size=2),
        "set": st.lists(_TEXT, max_size=2, unique=True),
        "list": _ITEMS,
        "map": st.dictionaries(st.sampled_from("ab"), _TEXT, max_size=2),
        "struct": st.fixed_dictionaries({}, optional={"a": _TEXT, "b": _TEXT}),
        "atomicStruct": st.fixed_dictionaries({}, optional={"a": _TEXT, "b": _TEXT}),
        "free": st.dictionaries(st.sampled_from("pq"), _FREE, max_size=2),
    },
)
CONFIGS = SPECS.map(lambda spec: {"spec": spec})
HISTORIES = st.lists(st.tuples(st.sampled_from(["apply", "update"]), st.sampled_from("abu"), CONFIGS), max_size=4)


def after(history: list[tuple[str, str, dict[str, Any]]]) -> World:
    world = World()
    for kind, manager, config in history:
        if kind == "apply":
            world.apply(manager, config, force=True)
        else:
            world.update(manager, config)
    return world


@given(HISTORIES, CONFIGS)
def test_applying_twice_is_applying_once(history: list[Any], config: dict[str, Any]) -> None:
    world = after(history)
    world.apply("c", config, force=True)
    live, owned = world.live, world.owned
    if not owned:
        return  # Whoever comes next applies to an object that nobody owns.
    world.apply("c", config)
    assert json_equal(world.live, live)
    assert world.owned == owned


@given(HISTORIES, CONFIGS)
def test_what_is_applied_is_there_and_owned(history: list[Any], config: dict[str, Any]) -> None:
    world = after(history)
    world.apply("c", config, force=True)
    claimed = leaves(config, TYPE)
    own = world.owners.get(Identity.applier("c", ""))
    assert all(own is not None and has(own.fields, path) for path in paths(claimed))
    assert all(has(present(world.live), path) for path in paths(claimed) if value_at(config, path) != {})


@given(HISTORIES, CONFIGS)
def test_force_makes_the_sole_owner_of_what_it_changes(history: list[Any], config: dict[str, Any]) -> None:
    world = after(history)
    try:
        applied(writing("c"), world.live, config, world.owners)
        taken = []
    except ConflictsError as error:
        taken = [conflict.path for conflict in error.conflicts]
    world.apply("c", config, force=True)
    claimed = leaves(config, TYPE)
    for path in taken:
        holders = [identity for identity, owned in world.owners.items() if has(owned.fields, path)]
        assert holders == ([Identity.applier("c", "")] if has(claimed, path) else [])


@given(CONFIGS, CONFIGS)
def test_applies_of_different_fields_never_conflict(first: dict[str, Any], second: dict[str, Any]) -> None:
    disjoint = {"spec": {name: value for name, value in second["spec"].items() if name not in first["spec"]}}
    world = World()
    world.apply("a", first)
    world.apply("b", disjoint)
    assert json_equal(without_nulls(world.live.get("spec", {})), {**first["spec"], **disjoint["spec"]})


@given(HISTORIES)
def test_nobody_owns_what_is_not_there(history: list[Any]) -> None:
    """Of what may hold other fields it is not true: it is owned on after an apply has taken the last of them out."""
    world = after(history)
    here = present(world.live)
    for identity, owned in world.owners.items():
        for path in paths(owned.fields):
            assert has(here, path) or _may_hold_others(path), (identity, path_text(path))


def _may_hold_others(path: tuple[str, ...]) -> bool:
    return "f:free" in path or path[-1] in ("f:spec", "f:map", "f:struct", "f:list", "f:set") or path[-1][0] == "k"


def present(live: dict[str, Any]) -> FieldSet:
    """All paths of an object, those of objects and lists as well."""
    found = updated(writing("all"), {}, live, {})
    everything = found[Identity("all", "Update", "v1", "")].fields if found else {}
    return union(leaves(live, TYPE), everything)


def value_at(config: dict[str, Any], path: tuple[str, ...]) -> Any:
    """The value of a path of fields; None below lists."""
    value: Any = config
    for element in path:
        value = value.get(element[2:]) if isinstance(value, dict) and element.startswith("f:") else None
    return value
