"""The groups of a manager, by what they write down when they start and stop; and warm replicas."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.manager.manager import Manager, ManagerOptions, ShutdownTimeoutError
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.types import Request
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run


class GivenElection:
    """An election that is decided by the test."""

    name = "operator"
    options = None
    on_slow_path: Callable[[], None]

    def __init__(self, journal: list[str]) -> None:
        self._journal = journal

    def start(self, on_elected: Callable[[], None], on_lost: Callable[[BaseException], None]) -> None:
        self.elect, self.lose = on_elected, on_lost
        self._journal.append("election starts")

    async def stop(self, *, release: bool) -> None:
        self._journal.append(f"election stops, lease released: {release}")

    def check(self) -> None: ...


class Recorded:
    """A server, and a runnable that drains and warms up: whatever it is added as."""

    def __init__(self, name: str, bench: "Bench", seconds: float = 0.0) -> None:
        self.name = name
        self._bench = bench
        self._seconds = seconds
        self._asked = asyncio.Event()

    async def start(self) -> None:
        self._bench.note(f"{self.name} listens")

    async def stop(self) -> None:
        await asyncio.sleep(self._seconds)
        self._bench.note(f"{self.name} listens no more")

    async def warm_up(self) -> None:
        self._bench.note(f"{self.name} is warm")

    async def run(self) -> None:
        self._bench.note(f"{self.name} runs")
        await self._asked.wait()
        await asyncio.sleep(self._seconds)
        self._bench.note(f"{self.name} ends")

    def shutdown(self) -> None:
        self._asked.set()


class Bench:
    def __init__(self, graceful_shutdown_timeout: float = 30.0) -> None:
        self.journal: list[str] = []
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        self.server = ApiServer(self.clock, random.Random(1))
        self.stranger = Client(DirectTransport(self.server), self.clock)
        self.election = GivenElection(self.journal)
        self.manager = Manager(
            Client(DirectTransport(self.server), self.clock),
            ManagerOptions("0", "0", graceful_shutdown_timeout=graceful_shutdown_timeout),
            self.clock,
            random.Random(1),
            self.election,
        )
        self.informer = self.manager.cache.declare(WatchSpec(CONFIGMAPS))

    def note(self, what: str) -> None:
        watching = any(not task.done() for task in self.manager.cache._tasks.values())
        cache = "full" if self.informer.synced and watching else "fills" if watching else "off"
        self.journal.append(f"{what}, cache {cache}")


def test_groups_start_in_order_and_stop_in_theirs() -> None:
    async def main() -> None:
        bench = Bench()
        manager = bench.manager
        for name in ("leader", "other"):
            manager.add(Recorded(name, bench, 1), leader_election=name == "leader")
        manager.add_server(Recorded("first server", bench))
        manager.add_server(Recorded("second server", bench))
        task = asyncio.create_task(manager.start())
        await manager.wait_started()
        await bench.clock.sleep(1)
        bench.election.elect()
        await bench.clock.sleep(1)
        manager.stop()
        await task
        assert bench.journal == [
            "first server listens, cache off",
            "second server listens, cache off",
            "election starts",
            "other runs, cache full",
            "leader is warm, cache full",
            "leader runs, cache full",
            "other ends, cache full",
            "leader ends, cache full",
            "second server listens no more, cache off",
            "first server listens no more, cache off",
            "election stops, lease released: True",
        ]

    run(main())


def test_who_loses_the_lease_waits_for_nothing() -> None:
    async def main() -> None:
        bench = Bench()
        bench.manager.add(Recorded("leader", bench, 10))
        bench.manager.add_server(Recorded("server", bench, 10))
        task = asyncio.create_task(bench.manager.start())
        await bench.manager.wait_started()
        bench.election.elect()
        await bench.clock.sleep(1)
        before = asyncio.get_running_loop().time()
        bench.election.lose(LookupError("lost"))
        with pytest.raises(LookupError, match="lost"):
            await task
        assert asyncio.get_running_loop().time() == pytest.approx(before)
        assert bench.journal[-1] == "election stops, lease released: False"

    run(main())


@pytest.mark.parametrize(("budget", "seconds", "error"), [(30.0, 20.0, False), (-1.0, 20.0, False), (5.0, 5.0, True)])
def test_servers_share_the_budget_of_the_shutdown(budget: float, seconds: float, error: bool) -> None:
    async def main() -> None:
        bench = Bench(graceful_shutdown_timeout=budget)
        bench.manager.add_server(Recorded("fast server", bench))
        bench.manager.add_server(Recorded("slow server", bench, 20))
        task = asyncio.create_task(bench.manager.start())
        await bench.manager.wait_started()
        before = asyncio.get_running_loop().time()
        bench.manager.stop()
        if error:
            with pytest.raises(ShutdownTimeoutError, match="5 s: slow server"):
                await task
        else:
            await task
        assert asyncio.get_running_loop().time() - before == pytest.approx(seconds)

    run(main())


def test_what_is_added_late_starts_at_once_and_after_the_stop_it_is_refused() -> None:
    async def main() -> None:
        bench = Bench()
        manager = bench.manager
        task = asyncio.create_task(manager.start())
        await manager.wait_started()
        manager.add_server(Recorded("late server", bench))
        manager.add(Recorded("late other", bench), leader_election=False)
        manager.add(Recorded("late leader", bench))
        await bench.clock.sleep(1)
        assert bench.journal[1:] == [
            "late server listens, cache full",
            "late other runs, cache full",
            "late leader is warm, cache full",
        ]
        manager.stop()
        await task
        assert "late server listens no more, cache off" in bench.journal

        async def reconcile(_request: Request) -> None: ...

        late = Recorded("too late", bench)
        with pytest.raises(RuntimeError, match="the group servers has been stopped"):
            manager.add_server(late)
        for runnable in (late, late.run, Controller("c", reconcile)):
            with pytest.raises(RuntimeError, match="has been stopped: nothing can be added"):
                manager.add(runnable)
        with pytest.raises(RuntimeError, match="the group others has been stopped"):
            manager.add(late, leader_election=False)

    run(main())


class Deaf:
    name = "deaf server"

    def __init__(self, when: str) -> None:
        self._when = when

    async def start(self) -> None:
        if self._when == "start":
            raise OSError("cannot listen")

    async def stop(self) -> None:
        if self._when == "stop":
            raise OSError("cannot stop")


@pytest.mark.parametrize("late", [False, True])
def test_a_server_that_cannot_start_ends_the_manager(late: bool) -> None:
    async def main() -> None:
        bench = Bench()
        bench.manager.add_server(Recorded("server", bench))
        if not late:
            bench.manager.add_server(Deaf("start"))
        task = asyncio.create_task(bench.manager.start())
        if late:
            await bench.manager.wait_started()
            bench.manager.add_server(Deaf("start"))
        with pytest.raises(OSError, match="cannot listen"):
            await task
        assert "server listens no more, cache off" in bench.journal

    run(main())


def test_a_server_that_cannot_stop_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        bench = Bench()
        bench.manager.add_server(Deaf("stop"))
        task = asyncio.create_task(bench.manager.start())
        await bench.manager.wait_started()
        bench.manager.stop()
        await task

    run(main())
    assert "server failed while it was stopped" in capsys.readouterr().out


@pytest.mark.parametrize(("warm", "waiting"), [(True, 3), (False, 0), (None, 0)])
def test_a_warm_follower_has_its_queue_full_and_works_on_nothing(warm: bool | None, waiting: int) -> None:
    async def main() -> None:
        bench = Bench()
        done: list[str] = []

        async def reconcile(request: Request) -> None:
            done.append(request.name)

        controller = Controller("c", reconcile, ControllerOptions(warmup=warm)).for_(bench.informer)
        bench.manager.add(controller)
        for name in "ab":
            await bench.stranger.create(CONFIGMAPS, {"metadata": {"namespace": "default", "name": name}})
        task = asyncio.create_task(bench.manager.start())
        await bench.manager.wait_started()
        await bench.stranger.create(CONFIGMAPS, {"metadata": {"namespace": "default", "name": "c"}})
        await bench.clock.sleep(100)
        assert len(controller.queue) == waiting
        assert done == []
        bench.election.elect()
        await bench.clock.sleep(1)
        assert sorted(done) == ["a", "b", "c"]
        bench.manager.stop()
        await task

    run(main())


def test_a_controller_that_needs_no_leader_works_in_every_process() -> None:
    async def main() -> None:
        bench = Bench()
        done: list[str] = []

        async def reconcile(request: Request) -> None:
            done.append(request.name)

        options = ControllerOptions(leader_election=False, warmup=True)
        bench.manager.add(Controller("c", reconcile, options).for_(bench.informer))
        task = asyncio.create_task(bench.manager.start())
        await bench.manager.wait_started()
        await bench.stranger.create(CONFIGMAPS, {"metadata": {"namespace": "default", "name": "a"}})
        await bench.clock.sleep(1)
        assert done == ["a"]
        bench.manager.stop()
        await task

    run(main())
