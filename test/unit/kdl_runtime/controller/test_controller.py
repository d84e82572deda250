"""What becomes of a key after each outcome, and what reaches the queue."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.clock import LoopClock
from kdl_runtime.controller.controller import YIELD_EVERY, Controller, ControllerEnvironment
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.controller.ownership import set_controller_reference
from kdl_runtime.controller.predicates import resource_version_changed
from kdl_runtime.errors import Conflict, NotSyncedError, TerminalError
from kdl_runtime.observe.logging import current_reconciliation
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS, SECRETS
from kdl_runtime.types import ObjectKey, Request, Resource, Result
from kdl_testing.virtual_time import run
from unit.kdl_runtime.controller.world import World, in_a_world

KEY = ObjectKey("ns", "a")


class Panic(BaseException):
    """Nothing that an ``except Exception`` sees."""


class Bench:
    """A controller without sources, fed by hand."""

    def __init__(self, reconcile: Callable[[Request], Awaitable[Result | None]], **options: Any) -> None:
        self.metrics = Metrics()
        self.controller = Controller("c", reconcile, ControllerOptions(**options))
        clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        self.controller.attach(ControllerEnvironment(clock, random.Random(1), self.metrics))

    async def run(self, seconds: float) -> None:
        task = asyncio.create_task(self.controller.run())
        await asyncio.sleep(seconds)
        self.controller.shutdown()
        await task

    def count(self, name: str, **labels: str) -> float | None:
        return self.metrics.value(f"controller_runtime_{name}", controller="c", **labels)


OUTCOMES: list[tuple[str, Any, dict[str, float], list[float], int]] = [
    # what it does, the outcome, metrics, times of all calls, failures remembered at the end
    ("nothing", None, {"success": 1}, [0], 0),
    ("an empty result", Result(), {"success": 1}, [0], 0),
    ("a negative delay", Result(requeue_after=-1), {"success": 1}, [0], 0),
    ("a delay", Result(requeue_after=40), {"requeue_after": 2, "success": 1}, [0, 40, 80], 0),
    ("an error", Conflict("changed"), {"error": 2, "success": 1}, [0, 0.005, 0.015], 0),
    ("a panic", Panic("!"), {"error": 2, "success": 1}, [0, 0.005, 0.015], 0),
    ("a cancellation of its own", asyncio.CancelledError(), {"error": 2, "success": 1}, [0, 0.005, 0.015], 0),
    ("a timeout of its own", TimeoutError(), {"error": 2, "success": 1}, [0, 0.005, 0.015], 0),
    ("a terminal error", TerminalError("never"), {"error": 1}, [0], 0),
]


@pytest.mark.parametrize(
    ("outcome", "results", "times", "failures"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
def test_the_outcome_decides_what_becomes_of_the_key(
    outcome: Result | BaseException | None, results: dict[str, float], times: list[float], failures: int
) -> None:
    """The outcome twice, and then success."""

    async def main() -> None:
        called: list[float] = []

        async def reconcile(request: Request) -> Result | None:
            assert request == KEY
            called.append(asyncio.get_running_loop().time())
            if len(called) > 2:
                return None
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        bench = Bench(reconcile)
        bench.controller.enqueue(KEY)
        await bench.run(200)
        assert called == pytest.approx(times)
        assert bench.controller.queue.num_requeues(KEY) == failures
        for result in ("success", "error", "requeue", "requeue_after"):
            assert bench.count("reconcile_total", result=result) == results.get(result, 0), result
        assert bench.count("reconcile_errors_total") == results.get("error", 0)
        assert bench.count("terminal_reconcile_errors_total") == (1 if isinstance(outcome, TerminalError) else 0)
        assert bench.count("reconcile_panics_total") == (2 if isinstance(outcome, Panic) else 0)
        assert bench.count("reconcile_timeouts_total") == 0
        assert bench.count("reconcile_time_seconds_count") == len(times)
        assert bench.count("active_workers") == 0

    run(main())


def test_others_get_their_turn_beside_a_reconciler_that_waits_for_nothing() -> None:
    async def main() -> None:
        seen: list[int] = []
        turns: list[int] = []

        async def reconcile(request: Request) -> None:
            seen.append(int(request.name))

        async def probe() -> None:
            while len(seen) < 1000:
                turns.append(len(seen))
                await asyncio.sleep(0)

        bench = Bench(reconcile)
        for number in range(1000):
            bench.controller.enqueue(ObjectKey("ns", str(number)))
        async with asyncio.TaskGroup() as group:
            group.create_task(bench.run(1))
            group.create_task(probe())
        assert seen == list(range(1000))
        assert max(after - before for before, after in pairwise(turns)) == YIELD_EVERY

    run(main())


def test_a_reconciliation_that_takes_too_long_is_cancelled_and_tried_again() -> None:
    async def main() -> None:
        ended: list[float] = []

        async def reconcile(_request: Request) -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(asyncio.get_running_loop().time())

        bench = Bench(reconcile, reconcile_timeout=5.0)
        bench.controller.enqueue(KEY)
        await bench.run(7)
        assert ended[0] == pytest.approx(5)
        assert bench.count("reconcile_timeouts_total") == 2

    run(main())


def test_a_reconciliation_begins_when_the_cache_has_caught_up_and_its_time_begins_then() -> None:
    async def main() -> None:
        called: list[float] = []
        asked: list[Request] = []

        async def reconcile(_request: Request) -> None:
            called.append(asyncio.get_running_loop().time())
            await asyncio.sleep(2)

        async def caught_up(request: Request) -> None:
            asked.append(request)
            await asyncio.sleep(4)

        metrics = Metrics()
        controller = Controller("c", reconcile, ControllerOptions(reconcile_timeout=3))
        clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        controller.attach(ControllerEnvironment(clock, random.Random(1), metrics, caught_up=caught_up))
        controller.enqueue(KEY)
        task = asyncio.create_task(controller.run())
        await asyncio.sleep(10)
        controller.shutdown()
        await task
        assert asked == [KEY]
        assert called == pytest.approx([4])
        assert metrics.value("controller_runtime_reconcile_timeouts_total", controller="c") == 0
        assert metrics.value("controller_runtime_reconcile_total", controller="c", result="success") == 1

    run(main())


def test_success_begins_the_back_off_anew() -> None:
    async def main() -> None:
        called: list[float] = []

        async def reconcile(_request: Request) -> Result | None:
            called.append(asyncio.get_running_loop().time())
            if len(called) in (1, 2, 4):
                raise Conflict("changed")
            return Result(requeue_after=10) if len(called) == 3 else None

        bench = Bench(reconcile)
        bench.controller.enqueue(KEY)
        await bench.run(100)
        assert called == pytest.approx([0, 0.005, 0.015, 10.015, 10.02])

    run(main())


@pytest.mark.parametrize(("asked", "expected"), [(None, -7), (3, 3)])
def test_a_requeue_keeps_its_priority_unless_told_otherwise(asked: int | None, expected: int) -> None:
    async def main() -> None:
        async def reconcile(_request: Request) -> Result:
            return Result(requeue_after=10, priority=asked)

        bench = Bench(reconcile)
        bench.controller.enqueue(KEY, priority=-7)
        task = asyncio.create_task(bench.controller.run())
        await asyncio.sleep(5)
        assert bench.controller.queue._schedule._entries[KEY].priority == expected
        bench.controller.shutdown()
        await task

    run(main())


def test_workers_run_side_by_side_but_never_on_one_key() -> None:
    async def main() -> None:
        active: list[str] = []
        most = 0

        async def reconcile(request: Request) -> None:
            nonlocal most
            assert request.name not in active
            active.append(request.name)
            most = max(most, len(active))
            await asyncio.sleep(1)
            active.remove(request.name)

        bench = Bench(reconcile, max_concurrent_reconciles=3)
        task = asyncio.create_task(bench.run(60))
        for _ in range(5):
            for name in "abcdef":
                bench.controller.enqueue(ObjectKey("ns", name))
            await asyncio.sleep(0.7)
        await task
        assert most == 3
        assert bench.count("max_concurrent_reconciles") == 3

    run(main())


def test_shutdown_lets_the_reconciliation_in_work_finish() -> None:
    async def main() -> None:
        finished = False

        async def reconcile(_request: Request) -> None:
            nonlocal finished
            await asyncio.sleep(10)
            finished = True

        bench = Bench(reconcile)
        bench.controller.enqueue(KEY)
        bench.controller.enqueue(ObjectKey("ns", "never"))
        await bench.run(1)
        assert finished
        assert bench.count("reconcile_total", result="success") == 1

    run(main())


def test_what_a_reconciler_does_is_known_as_its_own() -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def reconcile(_request: Request) -> None:
            seen.append(current_reconciliation())
            seen.append(await asyncio.create_task(inherit()))

        async def inherit() -> Any:
            return current_reconciliation()

        bench = Bench(reconcile)
        bench.controller.enqueue(KEY)
        await bench.run(1)
        assert seen[0] is seen[1]
        assert seen[0].origin == ("c", KEY)
        assert len(seen[0].reconcile_id) == 36
        assert current_reconciliation() is None

    run(main())


def test_mistakes_in_the_declaration_are_named() -> None:
    async def reconcile(_request: Request) -> None: ...

    with pytest.raises(ValueError, match="max_concurrent_reconciles is 0"):
        ControllerOptions(max_concurrent_reconciles=0)
    with pytest.raises(ValueError, match="'c' has no queue yet: add it to a manager first"):
        Controller("c", reconcile).enqueue(KEY)

    async def body(world: World) -> None:
        maps = world.manager.cache.declare(WatchSpec(CONFIGMAPS))
        secrets = world.manager.cache.declare(WatchSpec(SECRETS))
        with pytest.raises(ValueError, match=r"call for_\(\) before owns\(\)"):
            Controller("c", reconcile).owns(maps)
        with pytest.raises(ValueError, match=r"is for configmaps: use watches\(\) for secrets"):
            Controller("c", reconcile).for_(maps).for_(secrets)
        world.manager.add(Controller("c", reconcile))
        with pytest.raises(ValueError, match="a controller named 'c' already"):
            world.manager.add(Controller("c", reconcile))

    in_a_world(body)


def test_events_of_the_object_and_of_what_it_owns_reach_the_reconciler() -> None:
    async def body(world: World) -> None:
        maps = world.manager.cache.declare(WatchSpec(CONFIGMAPS))
        secrets = world.manager.cache.declare(WatchSpec(SECRETS))
        called: list[Request] = []

        async def reconcile(request: Request) -> None:
            called.append(request)

        controller = Controller("c", reconcile).for_(maps, resource_version_changed).owns(secrets)
        controller.watches(secrets, lambda event: [ObjectKey("mapped", event.object.metadata.name)])
        world.manager.add(controller)
        owner = await world.stranger.create(CONFIGMAPS, {"metadata": {"name": "early", "namespace": "default"}})
        await world.start()
        await world.clock.sleep(1)
        assert called == [ObjectKey("default", "early")]
        called.clear()
        child = {"metadata": {"name": "child", "namespace": "default"}}
        set_controller_reference(owner, CONFIGMAPS, child)
        await world.stranger.create(SECRETS, child)
        await world.clock.sleep(1)
        assert called == [ObjectKey("default", "early"), ObjectKey("mapped", "child")]

    in_a_world(body)


def test_a_source_without_a_first_list_ends_the_start_with_its_reason() -> None:
    async def body(world: World) -> None:
        ghosts = world.manager.cache.declare(WatchSpec(Resource("example.com", "v1", "Ghost", "ghosts")))

        async def reconcile(_request: Request) -> None: ...

        controller = Controller("c", reconcile, ControllerOptions(cache_sync_timeout=20)).for_(ghosts)
        controller.attach(ControllerEnvironment(world.clock, random.Random(1), Metrics()))
        await world.manager.cache.start()
        try:
            with pytest.raises(NotSyncedError, match=r"'c' has waited 20 s .* ghosts.example.com: NotFound"):
                await controller.run()
        finally:
            await world.manager.cache.stop()

    in_a_world(body)


def test_a_controller_of_a_kind_that_comes_later_begins_when_it_is_served() -> None:
    """Nothing waits for it: the manager is ready, and other controllers work."""
    ghost = Resource("example.com", "v1", "Ghost", "ghosts")
    definition = {
        "metadata": {"name": "ghosts.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "ghosts", "singular": "ghost", "kind": "Ghost", "listKind": "GhostList"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }

    async def body(world: World) -> None:
        maps = world.manager.cache.declare(WatchSpec(CONFIGMAPS))
        ghosts = world.manager.cache.declare(WatchSpec(ghost, required=False))
        done: list[tuple[str, str]] = []

        def noting(name: str) -> Callable[[Request], Awaitable[None]]:
            async def reconcile(request: Request) -> None:
                done.append((name, request.name))

            return reconcile

        options = ControllerOptions(cache_sync_timeout=20)
        late = Controller("late", noting("late"), options).for_(ghosts).owns(maps, owner=ghost)
        world.manager.add(late)
        world.manager.add(Controller("maps", noting("maps")).for_(maps))
        world.manager.add(Controller("reader", noting("reader"), options).for_(maps).reads(ghosts))
        await world.stranger.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}})
        await world.start()
        await world.clock.sleep(3600)
        assert done == [("maps", "a")]
        assert (await world.manager._readyz.report()).status == 200
        await world.stranger.create(CRDS, definition)
        await world.stranger.create(ghost, {"metadata": {"name": "boo", "namespace": "default"}})
        await world.clock.sleep(120)
        assert sorted(done[1:]) == [("late", "boo"), ("reader", "a")]

    in_a_world(body)


def test_events_of_a_source_with_a_delay_wait_for_further_ones() -> None:
    calls: list[tuple[float, str]] = []

    async def body(world: World) -> None:
        async def reconcile(request: Request) -> None:
            calls.append((round(world.clock.monotonic() - begin, 3), request.name))

        slow = world.manager.cache.declare(WatchSpec(CONFIGMAPS))
        quick = world.manager.cache.declare(WatchSpec(SECRETS))
        controller = Controller("c", reconcile).for_(quick).watches(slow, lambda event: [event.object.key], delay=delay)
        world.manager.add(controller)
        await world.start()

        async def create(resource: Resource, name: str) -> None:
            await world.stranger.create(resource, {"metadata": {"namespace": "default", "name": name}})

        begin = world.clock.monotonic()
        await create(CONFIGMAPS, "b")
        await world.clock.sleep(1)
        await world.stranger.delete(CONFIGMAPS, ObjectKey("default", "b"))
        await create(CONFIGMAPS, "c")
        await world.clock.sleep(1)
        await create(SECRETS, "c")
        await world.clock.sleep(10)

    def delay(request: Request) -> float:
        return 2.0 if request.name in ("b", "c") else 0.0

    in_a_world(body)
    assert calls == [(2.0, "b"), (2.0, "c")]


def test_a_controller_that_waits_for_a_first_list_stops_at_once() -> None:
    async def body(world: World) -> None:
        await world.start()
        late = world.manager.cache.declare(WatchSpec(Resource("example.com", "v1", "Ghost", "ghosts")))

        async def reconcile(_request: Request) -> None:
            raise AssertionError("there is nothing to reconcile")

        world.manager.add(Controller("c", reconcile).for_(late))
        await world.clock.sleep(1)
        before = world.clock.monotonic()
        await world.stop()
        assert world.clock.monotonic() - before < 5

    in_a_world(body)
