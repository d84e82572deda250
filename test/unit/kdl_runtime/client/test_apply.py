"""Server-side apply, and when it is not sent because nothing would change."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.applied import AppliedMemory, Applier, is_applied
from kdl_runtime.client.client import Client, Patch, PatchType, WriteOptions
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.patch import copy_json
from kdl_runtime.errors import ApiError, BadRequest, Conflict
from kdl_runtime.resources.registry import CONFIGMAPS, PODS, SERVICES
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

KEY = ObjectKey("default", "a")
META = {"name": "a", "namespace": "default"}


class World:
    def __init__(self) -> None:
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        server = ApiServer(self.clock, random.Random(1))
        self.transport = DirectTransport(server)
        self.client = Client(self.transport, self.clock, field_manager="ours")
        self.other = Client(DirectTransport(server), self.clock, field_manager="theirs")

    async def sent(self, call: Awaitable[dict[str, Any]]) -> tuple[bool, dict[str, Any]]:
        before = self.transport.requests
        answer = await call
        return self.transport.requests > before, answer


def in_a_world(body: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(World())

    run(main())


def config_map(**data: str) -> dict[str, Any]:
    return {"metadata": META, "data": data}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {**META, "labels": {"app": "x"}}, "spec": {"containers": list(containers), **spec}}


MAIN: dict[str, Any] = {
    "name": "main",
    "image": "main:1",
    "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}],
    "env": [{"name": "B", "value": "1"}, {"name": "A", "value": "2"}],
    "args": ["x", "y"],
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
}
SIDE = {"name": "side", "image": "side:1"}
FULL = pod(
    MAIN,
    SIDE,
    volumes=[{"name": "data", "emptyDir": {}}],
    nodeSelector={"disk": "fast"},
    tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
)
SERVICE = {
    "metadata": META,
    "spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "name": "web"}, {"port": 443, "name": "tls"}]},
}
OWNED = {
    "metadata": {
        **META,
        "labels": {"a": "b"},
        "finalizers": ["example.com/f"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1", "controller": True}],
    },
    "data": {"x": "1"},
}


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [
        pytest.param(CONFIGMAPS, config_map(n="1"), id="a map"),
        pytest.param(CONFIGMAPS, OWNED, id="metadata"),
        pytest.param(PODS, pod(SIDE), id="a list with keys"),
        pytest.param(PODS, FULL, id="all kinds of lists and maps"),
        pytest.param(SERVICES, SERVICE, id="keys with defaults"),
    ],
)
def test_what_is_applied_already_is_not_sent_again(resource: Resource, wanted: dict[str, Any]) -> None:
    async def body(world: World) -> None:
        first = await world.client.apply(resource, wanted)
        sent, same = await world.sent(world.client.apply(resource, wanted, known=first))
        assert not sent
        assert same == first
        # A process that has just begun knows only what managedFields say.
        applier = Applier(resource, KEY, "ours", "")
        assert is_applied(applier, wanted, first)
        sent, _ = await world.sent(world.client.apply(resource, wanted))
        assert sent, "without a known state nothing is taken for granted"

    in_a_world(body)


def change(path: str, value: Any) -> dict[str, Any]:
    """FULL with another value at a dotted path; None takes the field away."""
    obj: dict[str, Any] = copy_json(FULL)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = obj
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return obj


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(change("metadata.labels.app", "y"), id="another value"),
        pytest.param(change("metadata.labels.more", "y"), id="a further key"),
        pytest.param(change("metadata.labels", None), id="a field that is given up"),
        pytest.param(change("spec.containers.0.image", "main:2"), id="another value in a list"),
        pytest.param(change("spec.containers.1", None), id="an element less"),
        pytest.param(change("spec.containers.0.env", MAIN["env"][::-1]), id="another order"),
        pytest.param(change("spec.containers.0.ports.0.protocol", "UDP"), id="another key"),
        pytest.param(change("spec.containers.0.args", ["y", "x"]), id="another order of scalars"),
        pytest.param(change("spec.nodeSelector", {"disk": "fast", "gpu": "yes"}), id="a larger atomic map"),
        pytest.param(change("spec.tolerations.0.effect", None), id="a smaller element of an atomic list"),
        pytest.param(change("metadata.uid", "another"), id="a precondition"),
    ],
)
def test_a_difference_is_never_suppressed(wanted: dict[str, Any]) -> None:
    async def body(world: World) -> None:
        first = await world.client.apply(PODS, FULL)
        before = world.transport.requests
        # Most fields of a pod must stay.
        with suppress(ApiError):
            await world.client.apply(PODS, wanted, known=first)
        assert world.transport.requests > before

    in_a_world(body)


def test_what_others_changed_is_applied_again() -> None:
    async def body(world: World) -> None:
        await world.client.apply(CONFIGMAPS, config_map(n="1"))
        theirs = await world.other.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"n": "2"}}))
        sent, ours = await world.sent(
            world.client.apply(CONFIGMAPS, config_map(n="1"), WriteOptions(force=True), known=theirs)
        )
        assert sent
        assert ours["data"] == {"n": "1"}
        more = await world.other.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"m": "2"}}))
        sent, _ = await world.sent(world.client.apply(CONFIGMAPS, config_map(n="1"), known=more))
        assert not sent, "fields of others are theirs"

    in_a_world(body)


def test_a_conflict_names_the_other_manager_and_force_takes_over() -> None:
    async def body(world: World) -> None:
        await world.other.apply(CONFIGMAPS, config_map(n="1"))
        with pytest.raises(Conflict, match="theirs"):
            await world.client.apply(CONFIGMAPS, config_map(n="2"))
        taken = await world.client.apply(CONFIGMAPS, config_map(n="2"), WriteOptions(force=True))
        assert taken["data"] == {"n": "2"}

    in_a_world(body)


@pytest.mark.parametrize(
    ("options", "validation"),
    [
        (WriteOptions(field_manager="m"), "Strict"),
        (WriteOptions(field_manager="m", field_validation="Ignore"), "Ignore"),
    ],
)
async def test_unknown_fields_are_refused_unless_said_otherwise(
    client: Client, transport: Any, answer: Any, options: WriteOptions, validation: str
) -> None:
    transport.answers.append(answer(config_map(n="1")))
    await client.apply(CONFIGMAPS, config_map(n="1"), options)
    assert dict(transport.only.query) == {"fieldManager": "m", "fieldValidation": validation}
    assert transport.only.headers["Content-Type"] == "application/apply-patch+yaml"
    assert transport.body() == {"apiVersion": "v1", "kind": "ConfigMap", **config_map(n="1")}


async def test_an_apply_needs_a_manager(client: Client) -> None:
    with pytest.raises(BadRequest, match="needs a field manager"):
        await client.apply(CONFIGMAPS, config_map())


def test_a_rehearsal_is_always_sent_and_never_remembered() -> None:
    async def body(world: World) -> None:
        first = await world.client.apply(CONFIGMAPS, config_map(n="1"))
        rehearsal = WriteOptions(dry_run=True)
        sent, _ = await world.sent(world.client.apply(CONFIGMAPS, config_map(n="1"), rehearsal, known=first))
        assert sent
        await world.client.apply(CONFIGMAPS, config_map(n="2"), rehearsal)
        sent, _ = await world.sent(world.client.apply(CONFIGMAPS, config_map(n="2"), known=first))
        assert sent

    in_a_world(body)


# ---- what managedFields alone do not tell

PORT: dict[str, Any] = {"f:l": {'k:{"k":1,"p":"TCP"}': {".": {}, "f:k": {}}}}
APPLIER = Applier(PODS, KEY, "ours", "")


def stored(fields: Any, version: str = "5", **spec: Any) -> dict[str, Any]:
    entry = {"manager": "ours", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields}
    return {"metadata": {**META, "uid": "u", "resourceVersion": version, "managedFields": [entry]}, "spec": spec}


@pytest.mark.parametrize(
    ("wanted", "live", "fields", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, {"f:a": {}}, True),
        ({"a": 1}, {"a": 1, "b": 2}, {"f:a": {}, "f:b": {}}, False),
        ({"a": True}, {"a": 1}, {"f:a": {}}, False),
        ({"a": 1}, {}, {"f:a": {}}, False),
        ({"l": ["x", "y"]}, {"l": ["z", "x", "y"]}, {"f:l": {'v:"x"': {}, 'v:"y"': {}}}, True),
        ({"l": ["y", "x"]}, {"l": ["x", "y"]}, {"f:l": {'v:"x"': {}, 'v:"y"': {}}}, False),
        ({"l": ["x"]}, {"l": ["x", "y"]}, {"f:l": {'v:"x"': {}, 'v:"y"': {}}}, False),
        ({"l": ["x"]}, {"l": ["x", "y"]}, {"f:l": {}}, False),
        (
            {"l": [{"k": 1}]},
            {"l": [{"k": 1, "p": "TCP"}]},
            {"f:l": {'k:{"k":1,"p":"TCP"}': {".": {}, "f:k": {}}}},
            True,
        ),
        (
            {"l": [{"k": 1}]},
            {"l": [{"k": 1, "p": "UDP"}]},
            {"f:l": {'k:{"k":1,"p":"TCP"}': {".": {}, "f:k": {}}}},
            False,
        ),
        ({"l": [{"k": 1}]}, {"l": []}, {"f:l": {"k:broken": {}}}, False),
        ({"l": [{"k": 1}]}, {"l": [{"k": 1}]}, {"f:l": {"i:0": {}}}, False),
        ({"m": {}}, {"m": {}}, {"f:m": {}}, True),
        ({"m": {}}, {"m": {"of": "others"}}, {"f:m": {}}, False),
        ({"m": {"a": 1}}, {"m": 7}, {"f:m": {"f:a": {}}}, False),
    ],
)
def test_is_applied(wanted: Any, live: Any, fields: Any, same: bool) -> None:
    assert is_applied(APPLIER, {"metadata": META, "spec": wanted}, stored({"f:spec": fields}, **live)) is same


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"manager": "theirs"}, "another manager"),
        ({"operation": "Update"}, "an update"),
        ({"subresource": "status"}, "of a subresource"),
        ({"apiVersion": "v2"}, "in another version"),
    ],
)
def test_entries_of_others_do_not_count(change: dict[str, str], text: str) -> None:
    known = stored({"f:spec": {"f:a": {}}}, a=1)
    assert is_applied(APPLIER, {"spec": {"a": 1}}, known)
    known["metadata"]["managedFields"][0] |= change
    assert not is_applied(APPLIER, {"spec": {"a": 1}}, known), text


@pytest.mark.parametrize(
    ("wanted", "known", "same"),
    [
        pytest.param({"x": "1"}, ("5", "1", "f"), True, id="nothing has happened since"),
        pytest.param({"x": "1"}, ("6", "1", "f"), True, id="others have changed other fields"),
        pytest.param({"x": "1"}, ("6", "2", "f"), False, id="the value was changed"),
        pytest.param({"x": "1"}, ("6", "1", "g"), False, id="the ownership was changed"),
        pytest.param({"x": "1"}, ("6", "1", None), False, id="the ownership is not known"),
        pytest.param({"x": "2"}, ("5", "1", "f"), False, id="something else is wanted"),
    ],
)
def test_what_was_last_applied(wanted: dict[str, str], known: tuple[str, str, str | None], same: bool) -> None:
    def obj(version: str, value: str, fields: str | None) -> dict[str, Any]:
        made = stored({f"f:{fields}": {}}, version, l=[{"x": value, "default": 1}])
        if fields is None:
            del made["metadata"]["managedFields"]
        return made

    memory = AppliedMemory()
    memory.remember(APPLIER, {"spec": {"l": [{"x": "1"}]}}, obj("5", "1", "f"))
    assert memory.unchanged(APPLIER, {"spec": {"l": [wanted]}}, obj(*known)) is same
    assert not memory.unchanged(APPLIER._replace(manager="theirs"), {"spec": {"l": [wanted]}}, obj(*known))
    anew = obj(*known)
    anew["metadata"]["uid"] = "another"
    assert not memory.unchanged(APPLIER, {"spec": {"l": [wanted]}}, anew)


def test_the_memory_is_bounded() -> None:
    memory = AppliedMemory(limit=2)
    wanted: dict[str, Any] = {"spec": {}}
    appliers = [Applier(PODS, ObjectKey("ns", str(number)), "ours", "") for number in range(3)]
    for applier in appliers:
        memory.remember(applier, wanted, stored({}))
    assert [memory.unchanged(applier, wanted, stored({})) for applier in appliers] == [False, True, True]
