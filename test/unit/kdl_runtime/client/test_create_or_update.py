"""Objects that are made to be as a function says, and are left alone when they are."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.client.createorupdate import Mutate, Outcome, create_or_patch, create_or_update
from kdl_runtime.client.semantic import Originals, subset_equal, with_stored_defaults
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.patch import copy_json
from kdl_runtime.errors import BadRequest, Conflict
from kdl_runtime.resources.registry import CONFIGMAPS, PODS, SERVICES
from kdl_runtime.types import ObjectKey
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

KEY = ObjectKey("default", "a")
Make = Callable[..., Awaitable[tuple[dict[str, Any], Outcome]]]
both = pytest.mark.parametrize("make", [create_or_update, create_or_patch])


class World:
    def __init__(self) -> None:
        clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        server = ApiServer(clock, random.Random(1))
        self.transport = DirectTransport(server)
        self.client = Client(self.transport, clock)
        self.other = Client(DirectTransport(server), clock)


def in_a_world(body: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(World())

    run(main())


def pod(obj: dict[str, Any]) -> None:
    """As a controller writes it: from scratch, each time, without defaults and with quantities of its own."""
    obj["metadata"]["labels"] = {"app": "x"}
    obj["spec"] = {
        "containers": [
            {
                "name": "main",
                "image": "main:1",
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                "args": [],
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }


def service(obj: dict[str, Any]) -> None:
    obj["spec"] = {"selector": {"app": "x"}, "ports": [{"port": 80}]}


@both
@pytest.mark.parametrize(("resource", "mutate"), [(PODS, pod), (SERVICES, service)])
def test_defaults_of_the_server_are_no_difference(make: Make, resource: Any, mutate: Mutate) -> None:
    async def body(world: World) -> None:
        created, outcome = await make(world.client, resource, KEY, mutate)
        assert outcome is Outcome.CREATED
        again, outcome = await make(world.client, resource, KEY, mutate)
        assert outcome is Outcome.UNCHANGED
        assert again == created
        before = world.transport.requests
        _, outcome = await make(world.client, resource, KEY, mutate, known=created)
        assert outcome is Outcome.UNCHANGED
        assert world.transport.requests == before

    in_a_world(body)


def replace_data(obj: dict[str, Any]) -> None:
    obj["data"] = {"x": "1"}


def remove_key(obj: dict[str, Any]) -> None:
    del obj["data"]["old"]


def remove_map(obj: dict[str, Any]) -> None:
    obj["data"] = None


@both
@pytest.mark.parametrize(("mutate", "data"), [(replace_data, {"x": "1"}), (remove_key, {"x": "0"}), (remove_map, None)])
def test_what_is_different_is_written(make: Make, mutate: Mutate, data: Any) -> None:
    async def body(world: World) -> None:
        await world.client.create(CONFIGMAPS, {"metadata": KEY._asdict(), "data": {"x": "0", "old": "y"}})
        known = await world.other.get(CONFIGMAPS, KEY)
        untouched = copy_json(known)
        changed, outcome = await make(world.client, CONFIGMAPS, KEY, mutate, known=known)
        assert outcome is Outcome.UPDATED
        assert changed.get("data") == data
        assert known == untouched

    in_a_world(body)


def test_an_update_of_what_has_changed_since_is_a_conflict_and_a_patch_is_none() -> None:
    async def body(world: World) -> None:
        known = await world.client.create(CONFIGMAPS, {"metadata": KEY._asdict()})
        await world.other.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"metadata": {"labels": {"by": "others"}}}))
        with pytest.raises(Conflict):
            await create_or_update(world.client, CONFIGMAPS, KEY, replace_data, known)
        changed, _ = await create_or_patch(world.client, CONFIGMAPS, KEY, replace_data, known)
        assert changed["data"] == {"x": "1"}
        assert changed["metadata"]["labels"] == {"by": "others"}

    in_a_world(body)


def ready(obj: dict[str, Any]) -> None:
    pod(obj)
    obj["status"] = {**obj.get("status", {}), "message": "ready"}


def test_status_is_left_alone_by_updates_and_patched_as_a_subresource() -> None:
    async def body(world: World) -> None:
        updated, _ = await create_or_update(world.client, PODS, KEY, ready)
        assert "message" not in updated.get("status", {})
        _, outcome = await create_or_update(world.client, PODS, KEY, ready)
        assert outcome is Outcome.UNCHANGED
        patched, outcome = await create_or_patch(world.client, PODS, KEY, ready)
        assert outcome is Outcome.UPDATED
        assert patched["status"]["message"] == "ready"
        _, outcome = await create_or_patch(world.client, PODS, KEY, ready)
        assert outcome is Outcome.UNCHANGED
        new, _ = await create_or_patch(world.client, PODS, ObjectKey("default", "b"), ready)
        assert new["status"]["message"] == "ready"

    in_a_world(body)


@both
@pytest.mark.parametrize("field", ["name", "namespace", "uid"])
@pytest.mark.parametrize("exists", [True, False])
def test_identity_must_stay(make: Make, field: str, exists: bool) -> None:
    def rename(obj: dict[str, Any]) -> None:
        obj["metadata"][field] = "another"

    async def body(world: World) -> None:
        if exists:
            await world.client.create(CONFIGMAPS, {"metadata": KEY._asdict()})
        with pytest.raises(BadRequest, match="name, namespace or UID, which must stay"):
            await make(world.client, CONFIGMAPS, KEY, rename)

    in_a_world(body)


@pytest.mark.parametrize(
    ("wanted", "stored", "equal"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"b": 2}, False),
        ({"a": None}, {}, True),
        ({"a": []}, {}, True),
        ({"a": {}}, {}, False),
        ({"a": True}, {"a": 1}, False),
        ({"l": [{"a": 1}]}, {"l": [{"a": 1, "b": 2}]}, True),
        ({"l": [{"a": 1}]}, {"l": [{"a": 1}, {"a": 2}]}, False),
        ({"l": ["a", "b"]}, {"l": ["b", "a"]}, False),
        ({"l": ["a"]}, {"l": "a"}, False),
        ({"a": {"b": 1}}, {"a": 1}, False),
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}, True),
        ({"limits": {"cpu": 1}}, {"limits": {"cpu": "1"}}, True),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "1"}}, False),
        ({"limits": {"cpu": "much"}}, {"limits": {"cpu": "1"}}, False),
        ({"data": {"cpu": "1000m"}}, {"data": {"cpu": "1"}}, False),
    ],
)
def test_subset_equal(wanted: Any, stored: Any, equal: bool) -> None:
    assert subset_equal(wanted, stored) is equal


STORED: dict[str, Any] = {
    "spec": {"a": 1, "default": 2, "inner": {"b": 1, "default": 2}, "null": None},
    "items": [{"name": "x", "v": 1, "default": 2}, {"name": "y", "v": 1, "default": 2}],
    "places": [{"v": 1, "default": 2}, {"v": 2, "default": 2}],
    "labels": {"a": "1", "b": "2"},
}


def assign(path: str, value: Any) -> Mutate:
    def mutate(obj: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for part in parents:
            obj = obj[part]
        obj[last] = value

    return mutate


@pytest.mark.parametrize(
    ("mutate", "difference"),
    [
        pytest.param(assign("spec", {"a": 1}), {}, id="a new dict leaves open what it does not name"),
        pytest.param(assign("spec", {"a": 1, "inner": {"b": 1}}), {}, id="at any depth"),
        pytest.param(
            assign("spec.inner", {"b": 3}), {"spec": STORED["spec"] | {"inner": {"b": 3, "default": 2}}}, id="a value"
        ),
        pytest.param(
            lambda obj: obj["spec"].pop("default"),
            {"spec": {"a": 1, "inner": STORED["spec"]["inner"], "null": None}},
            id="a removal",
        ),
        pytest.param(
            assign("spec.a", None),
            {"spec": {key: value for key, value in STORED["spec"].items() if key != "a"}},
            id="by None",
        ),
        pytest.param(assign("spec.empty", []), {}, id="an empty list where nothing is"),
        pytest.param(assign("spec.empty", None), {}, id="nothing where nothing is"),
        pytest.param(assign("spec", {"a": 1, "null": None}), {}, id="a null that is stored"),
        pytest.param(assign("labels", {"a": "1"}), {"labels": {"a": "1"}}, id="maps of the user are exact"),
        pytest.param(
            assign("items", [{"name": "y", "v": 1}, {"name": "x", "v": 3}]),
            {"items": [{"name": "y", "v": 1, "default": 2}, {"name": "x", "v": 3, "default": 2}]},
            id="elements by name",
        ),
        pytest.param(
            assign("places", [{"v": 1}, {"v": 2}, {"v": 3}]),
            {"places": [{"v": 1, "default": 2}, {"v": 2, "default": 2}, {"v": 3}]},
            id="elements by place",
        ),
        pytest.param(lambda obj: obj["items"].pop(), {"items": STORED["items"][:1]}, id="an element less"),
    ],
)
def test_with_stored_defaults(mutate: Mutate, difference: dict[str, Any]) -> None:
    obj = copy_json(STORED)
    originals = Originals(obj)
    mutate(obj)
    assert with_stored_defaults(obj, STORED, originals) == STORED | difference
