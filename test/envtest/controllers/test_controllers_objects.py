"""What controllers rely on, on both servers: own writes, owned children, finalizers, late kinds, an orderly end."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from envtest.controllers.widgets import LATE, WIDGETS, definition
from envtest.controllers.world import COLLECTION_SECONDS, OPTIONS, World, until
from kdl_runtime import Controller, ControllerOptions, Finalizer, Manager, Request, Result, WatchSpec
from kdl_runtime import set_controller_reference as own
from kdl_runtime.cache.spec import owner_index
from kdl_runtime.client.client import Patch, PatchType, WriteOptions
from kdl_runtime.errors import Conflict
from kdl_runtime.resources.registry import CONFIGMAPS

COUNT = 5
FINALIZER = "controllers.example.com/outside"


class Children:
    """Makes the ConfigMaps of a Widget, one in each reconciliation, and counts them in its status."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self.calls: Counter[str] = Counter()

    def build(self, manager: Manager) -> None:
        widgets = manager.cache.declare(WatchSpec(WIDGETS))
        children = manager.cache.declare(WatchSpec(CONFIGMAPS, indexes=owner_index()))

        async def reconcile(key: Request) -> Result | None:
            self.calls[key.name] += 1
            widget = widgets.object(key)
            if widget is None or "deletionTimestamp" in widget["metadata"]:
                return None
            try:
                return await step(widget, key)
            except Exception as error:
                self.failures.append(error)
                raise

        async def step(widget: dict[str, Any], key: Request) -> Result | None:
            present = len(children.by_index("owner", widget["metadata"]["uid"]))
            if widget.get("status", {}).get("children") != present:
                patch = Patch(PatchType.MERGE, {"status": {"children": present}})
                await manager.client.patch(WIDGETS, key, patch, WriteOptions(subresource="status"))
            if present < widget["spec"]["count"]:
                child = {"metadata": {"namespace": key.namespace, "name": f"{key.name}-{present}"}}
                own(widget, WIDGETS, child)
                await manager.client.create(CONFIGMAPS, child)
                assert len(children.by_index("owner", widget["metadata"]["uid"])) == present + 1
            return None

        manager.add(Controller("widget", reconcile).for_(widgets).owns(children))


async def children_of(world: World, name: str) -> list[str]:
    found = await world.user.list(CONFIGMAPS, world.namespace)
    return sorted(item["metadata"]["name"] for item in found if item["metadata"]["name"].startswith(f"{name}-"))


async def test_no_child_is_made_twice_and_what_is_taken_away_comes_back(world: World) -> None:
    """The names follow from the number of children in the cache: an old view would give a name that is taken."""
    await world.install(definition(WIDGETS))
    operator = Children()
    names = [f"widget-{number}" for number in range(COUNT)]
    async with world.operator(operator.build) as manager:
        for name in names:
            await world.apply(WIDGETS, name, spec={"count": COUNT})

        async def complete() -> bool:
            widgets = [await world.find(WIDGETS, name) for name in names]
            return all(widget is not None and widget.get("status", {}).get("children") == COUNT for widget in widgets)

        await until(complete, "every Widget has its children")
        for name in names:
            assert await children_of(world, name) == [f"{name}-{number}" for number in range(COUNT)]
        assert operator.failures == []

        await world.user.delete(CONFIGMAPS, world.key(f"{names[0]}-{COUNT - 1}"))

        async def back() -> bool:
            return len(await children_of(world, names[0])) == COUNT

        await until(back, "the child that was deleted is back")
        await world.user.delete(WIDGETS, world.key(names[1]))

        async def collected() -> bool:
            return not await children_of(world, names[1])

        await until(collected, "garbage collection has taken the children", COLLECTION_SECONDS)
        assert manager.metrics.value("controller_runtime_reconcile_errors_total", controller="widget") == 0


async def test_a_quiet_world_costs_no_reconciliation(world: World) -> None:
    await world.install(definition(WIDGETS))
    operator = Children()
    async with world.operator(operator.build) as manager:
        await world.apply(WIDGETS, "quiet", spec={"count": 1})

        async def complete() -> bool:
            widget = await world.find(WIDGETS, "quiet")
            return widget is not None and widget.get("status", {}).get("children") == 1

        await until(complete, "the Widget has its child")
        await asyncio.sleep(0.5)
        calls, requests = operator.calls["quiet"], manager.metrics.value("workqueue_adds_total", **QUEUE)
        await asyncio.sleep(1)
        assert (operator.calls["quiet"], manager.metrics.value("workqueue_adds_total", **QUEUE)) == (calls, requests)


QUEUE = {"name": "widget", "controller": "widget"}


async def test_a_finalizer_is_there_before_its_work_and_goes_after_it(world: World) -> None:
    await world.install(definition(WIDGETS))
    outside: dict[str, tuple[str, ...]] = {}
    cleaned: list[str] = []
    release = asyncio.Event()

    def build(manager: Manager) -> None:
        widgets = manager.cache.declare(WatchSpec(WIDGETS))

        async def apply(widget: Any) -> None:
            outside[widget["metadata"]["name"]] = tuple(widget["metadata"].get("finalizers", ()))

        async def cleanup(widget: Any) -> Result | None:
            if not release.is_set():
                return Result(requeue_after=0.05)
            cleaned.append(widget["metadata"]["name"])
            return None

        finalizer = Finalizer(FINALIZER, apply, cleanup)

        async def reconcile(key: Request) -> Result | None:
            widget = widgets.object(key)
            return None if widget is None else await finalizer.reconcile(manager.client, WIDGETS, widget)

        manager.add(Controller("finalized", reconcile).for_(widgets))

    async with world.operator(build) as manager:
        await world.apply(WIDGETS, "guarded", spec={})

        async def applied() -> bool:
            return "guarded" in outside

        await until(applied, "the work outside is done")
        assert outside["guarded"] == (FINALIZER,)
        await world.user.delete(WIDGETS, world.key("guarded"))
        await asyncio.sleep(0.2)
        guarded = await world.find(WIDGETS, "guarded")
        assert guarded is not None
        assert guarded["metadata"]["finalizers"] == [FINALIZER]
        release.set()

        async def gone() -> bool:
            return await world.find(WIDGETS, "guarded") is None

        await until(gone, "the object is gone")
        assert cleaned == ["guarded"]
        assert manager.metrics.value("controller_runtime_reconcile_errors_total", controller="finalized") == 0


async def test_a_controller_begins_when_its_kind_is_served(world: World) -> None:
    """Beside another one, which does not wait for it."""
    late = replace(LATE, group=f"{world.namespace}.example.com")
    seen: list[Request] = []
    operator = Children()

    def build(manager: Manager) -> None:
        operator.build(manager)
        gadgets = manager.cache.declare(WatchSpec(late, required=False))

        async def reconcile(key: Request) -> None:
            assert gadgets.synced
            if gadgets.get(key) is not None:
                seen.append(key)

        manager.add(Controller("gadget", reconcile).for_(gadgets))

    await world.install(definition(WIDGETS))
    async with world.operator(build) as manager:
        await manager.wait_started()
        await world.apply(WIDGETS, "early", spec={"count": 1})

        async def has_child() -> bool:
            return await children_of(world, "early") == ["early-0"]

        await until(has_child, "the other controller works")
        assert seen == []
        await world.install(definition(late))
        await world.apply(late, "first", spec={})

        async def noticed() -> bool:
            return bool(seen)

        await until(noticed, "the controller has seen an object of the late kind")
        assert set(seen) == {world.key("first")}


async def test_an_orderly_end_finishes_what_has_begun_and_begins_nothing(world: World) -> None:
    await world.install(definition(WIDGETS))
    begun = asyncio.Event()
    finish = asyncio.Event()
    called: list[str] = []

    def build(manager: Manager) -> None:
        widgets = manager.cache.declare(WatchSpec(WIDGETS))

        async def reconcile(key: Request) -> None:
            called.append(key.name)
            begun.set()
            await finish.wait()
            patch = Patch(PatchType.MERGE, {"status": {"done": True}})
            await manager.client.patch(WIDGETS, key, patch, WriteOptions(subresource="status"))

        manager.add(Controller("slow", reconcile).for_(widgets))

    async with world.operator(build) as manager:
        await world.apply(WIDGETS, "one", spec={})
        await begun.wait()
        await world.apply(WIDGETS, "two", spec={})
        manager.stop()
        await asyncio.sleep(0.2)
        finish.set()
    assert called == ["one"]
    one, two = await world.find(WIDGETS, "one"), await world.find(WIDGETS, "two")
    assert one is not None
    assert two is not None
    assert (one["status"], two.get("status")) == ({"done": True}, None)


async def test_what_does_not_end_in_time_is_named(world: World) -> None:
    await world.install(definition(WIDGETS))
    begun = asyncio.Event()

    def build(manager: Manager) -> None:
        widgets = manager.cache.declare(WatchSpec(WIDGETS))

        async def reconcile(key: Request) -> None:
            begun.set()
            await asyncio.sleep(600)

        manager.add(Controller("endless", reconcile).for_(widgets))

    with pytest.raises(Exception, match=r"did not end within the graceful shutdown timeout of 0\.3 s: .*endless"):
        async with world.operator(build, replace(OPTIONS, graceful_shutdown_timeout=0.3)):
            await world.apply(WIDGETS, "one", spec={})
            await begun.wait()


async def test_a_conflict_is_tried_again_until_it_is_none(world: World) -> None:
    """Two controllers in two processes' stead write to one object, each with the version that it has seen."""
    await world.install(definition(WIDGETS))
    conflicts = 0

    def building(field: str) -> Any:
        def build(manager: Manager) -> None:
            widgets = manager.cache.declare(WatchSpec(WIDGETS))

            async def reconcile(key: Request) -> None:
                nonlocal conflicts
                widget = widgets.object(key)
                if widget is None or widget["spec"].get(field, 0) >= COUNT:
                    return
                widget["spec"][field] = widget["spec"].get(field, 0) + 1
                try:
                    await manager.client.update(WIDGETS, widget)
                except Conflict:
                    conflicts += 1
                    raise

            options = ControllerOptions(max_concurrent_reconciles=2)
            manager.add(Controller(field, reconcile, options).for_(widgets))

        return build

    async with world.operator(building("left")), world.operator(building("right")):
        await world.apply(WIDGETS, "contested", spec={})

        async def full() -> bool:
            widget = await world.find(WIDGETS, "contested")
            return widget is not None and (widget["spec"].get("left"), widget["spec"].get("right")) == (COUNT, COUNT)

        await until(full, "both have counted to the end, and neither has undone the other's work")
    widget = await world.find(WIDGETS, "contested")
    assert widget is not None
    assert widget["metadata"]["generation"] == 2 * COUNT + 1
