"""The order in which a manager starts and stops everything, and what it does when something fails."""

import asyncio
import gc
import random
import signal
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.controller.controller import Controller
from kdl_runtime.errors import KdlError, NotSyncedError
from kdl_runtime.manager.manager import Manager, ManagerOptions, ShutdownTimeoutError
from kdl_runtime.manager.memory import collector_paused
from kdl_runtime.manager.signals import run as run_under_signals
from kdl_runtime.resources.registry import CONFIGMAPS, EVENTS
from kdl_runtime.types import ObjectKey, Request, Resource
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

SILENT = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")
KEY = ObjectKey("default", "a")
CONFIG_MAP = {"metadata": {"name": "a", "namespace": "default"}}


def manager_of(clock: LoopClock, options: ManagerOptions) -> tuple[Manager, Client]:
    """A manager on a local API server, and a client of somebody else."""
    rng = random.Random(1)
    server = ApiServer(clock, rng)
    stranger = Client(DirectTransport(server), clock)
    return Manager(Client(DirectTransport(server), clock), options, clock, rng), stranger


def virtual() -> LoopClock:
    return LoopClock(datetime(2026, 1, 31, tzinfo=UTC))


def now() -> float:
    return asyncio.get_running_loop().time()


def test_everything_starts_and_stops_in_order() -> None:
    async def main() -> None:
        clock = virtual()
        manager, stranger = manager_of(clock, SILENT)
        informer = manager.cache.declare(WatchSpec(CONFIGMAPS))
        order: list[str] = []

        async def other() -> None:
            order.append(f"other starts, cache synced: {informer.synced}")
            try:
                await asyncio.Event().wait()
            finally:
                order.append("other ends")

        async def reconcile(request: Request) -> None:
            order.append("reconciliation begins")
            await clock.sleep(5)
            watching = any(not task.done() for task in manager.cache._tasks.values())
            manager.events.event(informer.object(request) or {}, "Normal", "Done", "while stopping")
            order.append(f"reconciliation ends, watching: {watching}")

        manager.add(Controller("c", reconcile).for_(informer))
        manager.add(other, leader_election=False)
        task = asyncio.create_task(manager.start())
        await manager.wait_started()
        await stranger.create(CONFIGMAPS, CONFIG_MAP)
        await clock.sleep(1)
        manager.stop()
        manager.stop()
        await task
        assert order == [
            "other starts, cache synced: True",
            "reconciliation begins",
            "other ends",
            "reconciliation ends, watching: True",
        ]
        assert not manager.cache._tasks
        assert [event["note"] for event in await stranger.list(EVENTS)] == ["while stopping"]
        with pytest.raises(RuntimeError, match="a manager runs once"):
            await manager.start()

    run(main())


@pytest.mark.parametrize(
    ("budget", "seconds", "error"),
    [(30.0, 10.0, False), (-1.0, 10.0, False), (3.0, 3.0, True), (0.0, 0.0, False)],
)
def test_the_graceful_shutdown_has_one_budget(budget: float, seconds: float, error: bool) -> None:
    async def main() -> None:
        clock = virtual()
        manager, stranger = manager_of(clock, replace(SILENT, graceful_shutdown_timeout=budget))
        informer = manager.cache.declare(WatchSpec(CONFIGMAPS))

        async def reconcile(_request: Request) -> None:
            await clock.sleep(11)

        manager.add(Controller("slow", reconcile).for_(informer))
        task = asyncio.create_task(manager.start())
        await manager.wait_started()
        await stranger.create(CONFIGMAPS, CONFIG_MAP)
        await clock.sleep(1)
        manager.stop()
        before = now()
        if error:
            with pytest.raises(ShutdownTimeoutError, match=f"timeout of {budget:g} s: slow"):
                await task
        else:
            await task
        assert now() - before == pytest.approx(seconds)

    run(main())


def test_the_failure_of_a_runnable_stops_the_manager_and_is_raised() -> None:
    async def main() -> None:
        manager, _ = manager_of(virtual(), SILENT)

        async def fail() -> None:
            raise LookupError("why")

        manager.add(fail)
        with pytest.raises(LookupError, match="why"):
            await manager.start()

    run(main())


def test_a_cache_that_never_syncs_ends_the_start_with_its_reason() -> None:
    async def main() -> None:
        manager, _ = manager_of(virtual(), replace(SILENT, cache_sync_timeout=20))
        manager.cache.declare(WatchSpec(Resource("example.com", "v1", "Ghost", "ghosts")))
        with pytest.raises(NotSyncedError, match=r"ghosts\.example\.com \(NotFound"):
            await manager.start()
        assert now() == pytest.approx(20, abs=1)

    run(main())


async def test_a_server_that_cannot_listen_ends_the_start_at_once() -> None:
    first, _ = manager_of(virtual(), replace(SILENT, metrics_bind_address="127.0.0.1:0"))
    task = asyncio.create_task(first.start())
    await asyncio.wait_for(first.wait_started(), 30)
    try:
        second, _ = manager_of(virtual(), replace(SILENT, metrics_bind_address=str(first.metrics_address)))
        second.events.event(CONFIG_MAP, "Normal", "Created", "nobody will write this")
        with pytest.raises(OSError, match="cannot listen on"):
            await asyncio.wait_for(second.start(), 10)
    finally:
        first.stop()
        await task


def test_a_stop_during_the_start_is_obeyed() -> None:
    async def main() -> None:
        clock = virtual()
        manager, _ = manager_of(clock, SILENT)
        manager.cache.declare(WatchSpec(Resource("example.com", "v1", "Ghost", "ghosts")))
        task = asyncio.create_task(manager.start())
        await clock.sleep(5)
        manager.stop()
        await task
        assert now() == pytest.approx(5, abs=1)

    run(main())


def test_cancellation_stops_in_order_too() -> None:
    async def main() -> None:
        clock = virtual()
        manager, stranger = manager_of(clock, SILENT)
        informer = manager.cache.declare(WatchSpec(CONFIGMAPS))
        finished: list[Request] = []

        async def reconcile(request: Request) -> None:
            await clock.sleep(5)
            finished.append(request)

        manager.add(Controller("c", reconcile).for_(informer))
        task = asyncio.create_task(manager.start())
        await manager.wait_started()
        await stranger.create(CONFIGMAPS, CONFIG_MAP)
        await clock.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert finished == [KEY]

    run(main())


def test_nobody_waits_for_the_start_of_a_manager_that_has_ended() -> None:
    async def main() -> None:
        manager, _ = manager_of(virtual(), replace(SILENT, cache_sync_timeout=20))
        manager.cache.declare(WatchSpec(Resource("example.com", "v1", "Ghost", "ghosts")))
        task = asyncio.create_task(manager.start())
        with pytest.raises(KdlError, match="ended before it had started"):
            await manager.wait_started()
        with pytest.raises(NotSyncedError):
            await task
        with pytest.raises(KdlError, match="ended before it had started"):
            await manager.wait_started()

    run(main())


async def test_probes_and_metrics_are_served_from_start_to_stop() -> None:
    options = ManagerOptions(metrics_bind_address="127.0.0.1:0", health_probe_bind_address="127.0.0.1:0")
    manager, _ = manager_of(virtual(), options)
    manager.cache.declare(WatchSpec(CONFIGMAPS))
    manager.add_ready_check("extra", lambda: None)
    task = asyncio.create_task(manager.start())
    await asyncio.wait_for(manager.wait_started(), 30)
    try:
        assert manager.probe_address is not None
        assert manager.metrics_address is not None
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{manager.probe_address}/readyz?verbose") as answer:
                assert await answer.text() == "[+]cache ok\n[+]extra ok\nhealthz check passed\n"
            async with session.get(f"http://{manager.probe_address}/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok")
            async with session.get(f"http://{manager.metrics_address}/metrics") as answer:
                assert 'kdl_runtime_cache_objects{resource="configmaps",watch="configmaps"}' in await answer.text()
    finally:
        manager.stop()
        await task


async def test_the_first_signal_stops_and_the_second_ends_at_once() -> None:
    manager, stranger = manager_of(virtual(), SILENT)
    informer = manager.cache.declare(WatchSpec(CONFIGMAPS))
    release = asyncio.Event()
    begun = asyncio.Event()
    ended = asyncio.Event()
    codes: list[int] = []

    async def reconcile(_request: Request) -> None:
        begun.set()
        await release.wait()

    def exit_process(code: int) -> None:
        codes.append(code)
        ended.set()

    manager.add(Controller("c", reconcile).for_(informer))
    task = asyncio.create_task(run_under_signals(manager, exit_process=exit_process))
    await asyncio.wait_for(manager.wait_started(), 30)
    await stranger.create(CONFIGMAPS, CONFIG_MAP)
    await asyncio.wait_for(begun.wait(), 30)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    await asyncio.wait_for(ended.wait(), 30)
    assert codes == [1]
    release.set()
    await asyncio.wait_for(task, 30)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_the_collector_rests_while_large_structures_are_built() -> None:
    thresholds = gc.get_threshold()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
