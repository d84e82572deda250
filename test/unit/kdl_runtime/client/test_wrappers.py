"""Clients that stand before another one."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.api import Api
from kdl_runtime.client.client import Client, DeleteOptions, Patch, PatchType, WriteOptions
from kdl_runtime.client.wrappers import Call, DryRun, FieldOwner, FieldValidation, Intercepted, Namespaced, Wrapper
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import BadRequest, Conflict, NotFound
from kdl_runtime.resources.registry import CONFIGMAPS, NAMESPACES
from kdl_runtime.types import ObjectKey
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

KEY = ObjectKey("default", "a")
BARE = {"metadata": {"name": "a"}}
FULL = {"metadata": {"name": "a", "namespace": "default"}}
MERGE = Patch(PatchType.MERGE, {"data": {"n": "1"}})


def in_a_world(body: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        await body(Client(DirectTransport(ApiServer(clock, random.Random(1))), clock))

    run(main())


def test_one_that_changes_nothing_is_as_the_client() -> None:
    async def body(client: Client) -> None:
        api: Api = Wrapper(client)
        await api.create(CONFIGMAPS, FULL)
        assert (await api.get(CONFIGMAPS, KEY, as_=PartialObject)).key == KEY
        await api.patch(CONFIGMAPS, KEY, MERGE)
        applied = await api.apply(CONFIGMAPS, FULL, WriteOptions(field_manager="m"))
        updated = await api.update(CONFIGMAPS, applied | {"data": {"n": "2"}})
        assert [obj["data"] for obj in await api.list(CONFIGMAPS, "default")] == [{"n": "2"}]
        assert len((await api.list_page(CONFIGMAPS)).items or ()) == 1
        async with api.watch(CONFIGMAPS, "default") as events:
            assert (await anext(events)).type == "ADDED"
        assert await api.delete(CONFIGMAPS, KEY) is None
        assert updated["data"] == {"n": "2"}

    in_a_world(body)


def test_namespaced() -> None:
    async def body(client: Client) -> None:
        await client.create(NAMESPACES, {"metadata": {"name": "team"}})
        await client.create(CONFIGMAPS, FULL)
        team = Namespaced(client, "team")
        await team.create(CONFIGMAPS, BARE)
        assert "namespace" not in BARE["metadata"]
        await team.patch(CONFIGMAPS, ObjectKey("", "a"), MERGE)
        assert (await team.get(CONFIGMAPS, ObjectKey("team", "a")))["data"] == {"n": "1"}
        assert [obj["metadata"]["namespace"] for obj in await team.list(CONFIGMAPS)] == ["team"]
        assert len(await team.list(NAMESPACES)) > 1
        async with team.watch(CONFIGMAPS) as events:
            assert b'"team"' in bytes((await anext(events)).object)
        for call in (
            team.get(CONFIGMAPS, KEY),
            team.list(CONFIGMAPS, "default"),
            team.create(CONFIGMAPS, FULL),
            team.delete(CONFIGMAPS, KEY),
        ):
            with pytest.raises(BadRequest, match="for the namespace 'team', not for 'default'"):
                await call
        await team.delete(CONFIGMAPS, ObjectKey("", "a"))
        assert await client.list(CONFIGMAPS, "team") == []

    in_a_world(body)


def test_dry_run() -> None:
    async def body(client: Client) -> None:
        rehearsal = DryRun(client)
        assert (await rehearsal.create(CONFIGMAPS, FULL))["metadata"]["uid"]
        with pytest.raises(NotFound):
            await client.get(CONFIGMAPS, KEY)
        await client.create(CONFIGMAPS, FULL)
        assert (await rehearsal.patch(CONFIGMAPS, KEY, MERGE))["data"] == {"n": "1"}
        await rehearsal.delete(CONFIGMAPS, KEY, DeleteOptions(grace_period_seconds=0))
        assert "data" not in await client.get(CONFIGMAPS, KEY)

    in_a_world(body)


def managers(obj: dict[str, Any]) -> list[str]:
    return [entry["manager"] for entry in obj["metadata"]["managedFields"]]


def test_field_owner() -> None:
    async def body(client: Client) -> None:
        ours = FieldOwner(client, "ours")
        assert managers(await ours.create(CONFIGMAPS, FULL | {"data": {"n": "0"}})) == ["ours"]
        other = await ours.patch(CONFIGMAPS, KEY, MERGE, WriteOptions(field_manager="other"))
        assert set(managers(other)) == {"ours", "other"}
        with pytest.raises(Conflict):
            await ours.apply(CONFIGMAPS, FULL | {"data": {"n": "2"}})

    in_a_world(body)


def test_field_validation() -> None:
    async def body(client: Client) -> None:
        strict = FieldValidation(client)
        with pytest.raises(BadRequest, match="unknown field"):
            await strict.create(CONFIGMAPS, FULL | {"dat": {}})
        ignored = await strict.create(CONFIGMAPS, FULL | {"dat": {}}, WriteOptions(field_validation="Ignore"))
        assert "dat" not in ignored

    in_a_world(body)


def test_interception_sees_every_call_and_may_answer_it() -> None:
    calls: list[tuple[str, str]] = []

    async def around(call: Call, proceed: Callable[[], Awaitable[Any]]) -> Any:
        calls.append((call.verb, str(call.key)))
        if call.verb == "patch":
            raise Conflict("so says the test")
        if call.verb == "get":
            return {"metadata": {"name": "made up"}}
        return await proceed()

    async def body(client: Client) -> None:
        api = Namespaced(Intercepted(client, around), "default")
        await api.create(CONFIGMAPS, BARE)
        with pytest.raises(Conflict, match="so says the test"):
            await api.patch(CONFIGMAPS, ObjectKey("", "a"), MERGE)
        assert (await api.get(CONFIGMAPS, ObjectKey("", "a")))["metadata"]["name"] == "made up"
        async with api.watch(CONFIGMAPS):
            pass
        await api.list(CONFIGMAPS)
        await api.delete(CONFIGMAPS, ObjectKey("", "a"))
        assert calls == [
            ("create", "default/a"),
            ("patch", "default/a"),
            ("get", "default/a"),
            ("watch", "default/"),
            ("list", "default/"),
            ("delete", "default/a"),
        ]

    in_a_world(body)
