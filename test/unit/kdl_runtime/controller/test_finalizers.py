"""Finalizers: the steps as a table, and the whole life of an object on a local API server."""

from typing import Any

import pytest

from kdl_runtime.codec.meta import ObjectMeta
from kdl_runtime.controller.finalizers import (
    Finalizer,
    FinalizerStep,
    ensure_finalizer,
    next_step,
    remove_finalizer,
)
from kdl_runtime.errors import Invalid, NotFound
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.types import ObjectKey, Result
from unit.kdl_runtime.controller.world import World, in_a_world

NAME = "example.com/bucket"
KEY = ObjectKey("default", "a")


@pytest.mark.parametrize(
    ("finalizers", "deleted", "step"),
    [
        ((), False, FinalizerStep.ADD),
        (("other/x",), False, FinalizerStep.ADD),
        ((NAME,), False, FinalizerStep.APPLY),
        ((NAME,), True, FinalizerStep.CLEAN_UP),
        ((), True, FinalizerStep.NOTHING),
    ],
)
def test_next_step(finalizers: tuple[str, ...], deleted: bool, step: FinalizerStep) -> None:
    timestamp = "2026-01-31T12:00:00Z" if deleted else None
    assert next_step(ObjectMeta(finalizers=finalizers, deletion_timestamp=timestamp), NAME) is step


async def created(world: World, **metadata: Any) -> dict[str, Any]:
    return await world.client.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default", **metadata}})


def test_the_life_of_an_object_with_a_finalizer() -> None:
    async def body(world: World) -> None:
        calls: list[str] = []
        unfinished = [True]

        async def apply(_obj: dict[str, Any]) -> None:
            calls.append("apply")

        async def cleanup(_obj: dict[str, Any]) -> Result | None:
            calls.append("cleanup")
            return Result(requeue_after=5) if unfinished else None

        finalizer = Finalizer(NAME, apply, cleanup)

        async def reconcile() -> Result | None:
            return await finalizer.reconcile(world.client, CONFIGMAPS, await world.client.get(CONFIGMAPS, KEY))

        await created(world)
        await reconcile()
        assert calls == []
        assert (await world.client.get(CONFIGMAPS, KEY))["metadata"]["finalizers"] == [NAME]
        await reconcile()
        await world.client.delete(CONFIGMAPS, KEY)
        assert await reconcile() == Result(requeue_after=5)
        assert calls == ["apply", "cleanup"]
        unfinished.clear()
        await reconcile()
        with pytest.raises(NotFound):
            await world.client.get(CONFIGMAPS, KEY)

    in_a_world(body)


@pytest.mark.parametrize("others", [[], ["other/x"], ["other/x", "other/y"]])
def test_adding_and_removing_leave_other_finalizers_alone(others: list[str]) -> None:
    async def body(world: World) -> None:
        obj = await created(world, finalizers=others)
        assert await ensure_finalizer(world.client, CONFIGMAPS, obj, NAME)
        obj = await world.client.get(CONFIGMAPS, KEY)
        assert obj["metadata"]["finalizers"] == [*others, NAME]
        assert not await ensure_finalizer(world.client, CONFIGMAPS, obj, NAME)
        assert await remove_finalizer(world.client, CONFIGMAPS, obj, NAME)
        obj = await world.client.get(CONFIGMAPS, KEY)
        assert obj["metadata"].get("finalizers", []) == others
        assert not await remove_finalizer(world.client, CONFIGMAPS, obj, NAME)

    in_a_world(body)


def test_a_stale_view_is_refused_and_a_gone_object_is_done() -> None:
    async def body(world: World) -> None:
        stale = await created(world, finalizers=["other/x", NAME])
        await remove_finalizer(world.client, CONFIGMAPS, stale, "other/x")
        with pytest.raises(Invalid):
            await remove_finalizer(world.client, CONFIGMAPS, stale, NAME)
        await remove_finalizer(world.client, CONFIGMAPS, await world.client.get(CONFIGMAPS, KEY), NAME)
        await world.client.delete(CONFIGMAPS, KEY)
        assert not await remove_finalizer(world.client, CONFIGMAPS, stale, NAME)

    in_a_world(body)


def test_another_object_of_the_same_name_keeps_its_finalizer() -> None:
    async def body(world: World) -> None:
        old = await created(world, finalizers=[NAME])
        await remove_finalizer(world.client, CONFIGMAPS, old, NAME)
        await world.client.delete(CONFIGMAPS, KEY)
        await created(world, finalizers=[NAME])
        with pytest.raises(Invalid):
            await remove_finalizer(world.client, CONFIGMAPS, old, NAME)
        assert (await world.client.get(CONFIGMAPS, KEY))["metadata"]["finalizers"] == [NAME]

    in_a_world(body)
