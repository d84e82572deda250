"""Managers that take turns at leading."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock, LoopClock
from kdl_runtime.controller.controller import Controller
from kdl_runtime.errors import AlreadyExists, Conflict, KdlError
from kdl_runtime.leader.elector import LeaderElector, LeadershipLostError
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.manager.manager import Manager, ManagerOptions, ShutdownTimeoutError
from kdl_runtime.resources.registry import CONFIGMAPS, EVENTS, LEASES, SECRETS
from kdl_runtime.types import ObjectKey, Request
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run
from unit.kdl_runtime.leader.candidates import SkewedClock

SILENT = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")
LEASE = ObjectKey("default", "operator")


class Replica:
    """One of several processes of the same operator: reconciles config maps, which takes ``seconds``."""

    def __init__(self, name: str, server: ApiServer, clock: LoopClock, seconds: float = 0.0) -> None:
        self.transport = DirectTransport(server)
        rng = random.Random(name)
        options = ElectionOptions(LEASE.namespace, LEASE.name, name)
        elector = LeaderElector(Client(self.transport, clock), options, clock, rng)
        self.manager = Manager(Client(DirectTransport(server), clock), SILENT, clock, rng, elector)
        self.reconciled: list[str] = []
        self.cancelled = False
        self.beside = asyncio.Event()

        async def reconcile(request: Request) -> None:
            try:
                await clock.sleep(seconds)
            except asyncio.CancelledError:
                self.cancelled = True
                raise
            self.reconciled.append(request.name)

        async def beside() -> None:
            self.beside.set()

        informer = self.manager.cache.declare(WatchSpec(CONFIGMAPS))
        self.manager.add(Controller("c", reconcile).for_(informer))
        self.manager.add(beside, leader_election=False)

    async def start(self) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.manager.start())
        await self.manager.wait_started()
        return task

    @property
    def leads(self) -> float | None:
        return self.manager.metrics.value("leader_election_master_status", name="operator")


@dataclass
class World:
    clock: LoopClock = field(default_factory=lambda: LoopClock(datetime(2026, 1, 31, tzinfo=UTC)))

    def __post_init__(self) -> None:
        self.server = ApiServer(self.clock, random.Random(1))
        self.client = Client(DirectTransport(self.server), self.clock)

    async def config_map(self, name: str) -> None:
        await self.client.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "default"}})

    async def holder(self) -> str:
        lease = await self.client.get(LEASES, LEASE)
        return str(lease["spec"]["holderIdentity"])


def test_the_second_is_ready_and_works_as_soon_as_the_first_has_ended() -> None:
    async def main() -> None:
        world = World()
        first, second = Replica("first", world.server, world.clock, 5), Replica("second", world.server, world.clock)
        running = [await first.start(), await second.start()]
        await world.clock.sleep(1)
        assert second.beside.is_set()
        assert (first.leads, second.leads) == (1, 0)
        await world.config_map("a")
        await world.clock.sleep(1)
        first.manager.stop()
        await running[0]
        # What the first had begun it has finished, before anybody else could lead.
        assert (first.reconciled, second.reconciled) == (["a"], [])
        await world.clock.sleep(0.3)
        assert second.reconciled == ["a"]
        assert second.leads == 1
        second.manager.stop()
        await running[1]
        assert await world.holder() == ""
        told = [(event["regarding"]["name"], event["note"]) for event in await world.client.list(EVENTS)]
        assert sorted(told) == [
            ("operator", "first became leader"),
            ("operator", "first stopped leading"),
            ("operator", "second became leader"),
            ("operator", "second stopped leading"),
        ]

    run(main())


def test_a_leader_that_loses_the_lease_stops_at_once_and_says_so() -> None:
    async def main() -> None:
        world = World()
        replica = Replica("first", world.server, world.clock, seconds=100)
        running = await replica.start()
        await world.config_map("a")
        await world.clock.sleep(1)
        replica.transport.sever()
        before = asyncio.get_running_loop().time()
        with pytest.raises(LeadershipLostError, match="could not be renewed for 10 s"):
            await running
        assert asyncio.get_running_loop().time() - before <= 10
        assert replica.cancelled
        assert replica.leads == 0
        assert await world.holder() == "first"

    run(main())


def test_the_lease_is_kept_when_something_did_not_end() -> None:
    async def main() -> None:
        world = World()
        replica = Replica("first", world.server, world.clock, seconds=100)
        running = await replica.start()
        await world.config_map("a")
        await world.clock.sleep(1)
        replica.manager.stop()
        with pytest.raises(ShutdownTimeoutError):
            await running
        assert await world.holder() == "first"

    run(main())


def test_a_candidate_that_never_led_stops_without_starting_anything() -> None:
    async def main() -> None:
        world = World()
        first, second = (Replica(name, world.server, world.clock) for name in ("first", "second"))
        running = [await first.start(), await second.start()]
        await world.config_map("a")
        await world.clock.sleep(1)
        second.manager.stop()
        await running[1]
        assert second.reconciled == []
        assert await world.holder() == "first"
        first.manager.stop()
        await running[0]

    run(main())


def test_what_a_process_that_stood_still_writes_late_is_refused() -> None:
    """Stopped in the middle of a reconciliation, it comes back while another leads: nothing is written twice or undone,
    because updates carry the version that was read, and the names of children follow from their owner's."""

    async def main() -> None:
        world = World()
        written: list[str] = []
        refused: list[str] = []

        def process(name: str, clock: Clock) -> Manager:
            client = Client(DirectTransport(world.server), clock)
            options = ElectionOptions(LEASE.namespace, LEASE.name, name)
            elector = LeaderElector(Client(DirectTransport(world.server), clock), options, clock, random.Random(name))
            manager = Manager(client, SILENT, clock, random.Random(name), elector)
            maps = manager.cache.declare(WatchSpec(CONFIGMAPS))

            async def reconcile(request: Request) -> None:
                obj = maps.object(request)
                if obj is None or "data" in obj:
                    return
                await clock.sleep(1)
                child = {"metadata": {"namespace": request.namespace, "name": f"{request.name}-child"}}
                try:
                    await client.create(SECRETS, child)
                except AlreadyExists:
                    refused.append(f"{name} creates")
                try:
                    await client.update(CONFIGMAPS, obj | {"data": {"by": name}})
                except Conflict:
                    refused.append(f"{name} updates")
                    raise
                written.append(name)

            manager.add(Controller("c", reconcile).for_(maps))
            return manager

        clock = SkewedClock()
        first, second = process("first", clock), process("second", world.clock)
        running = [asyncio.create_task(first.start())]
        await first.wait_started()
        running.append(asyncio.create_task(second.start()))
        await second.wait_started()
        await world.clock.sleep(1)
        await world.config_map("a")
        await world.clock.sleep(0.5)
        clock.freeze()
        await world.clock.sleep(30)
        assert written == ["second"]
        clock.thaw()
        with pytest.raises(LeadershipLostError, match="held by second"):
            await running[0]
        assert refused == ["first creates", "first updates"]
        assert written == ["second"]
        assert (await world.client.get(CONFIGMAPS, ObjectKey("default", "a")))["data"] == {"by": "second"}
        assert len(await world.client.list(SECRETS)) == 1
        second.stop()
        await running[1]

    run(main())


def test_health_asks_the_election() -> None:
    class Expired:
        name = "operator"
        options = None
        on_slow_path: Callable[[], None]

        def start(self, on_elected: Callable[[], None], on_lost: Callable[[BaseException], None]) -> None: ...

        async def stop(self, *, release: bool) -> None: ...

        def check(self) -> None:
            raise KdlError("the lease ran out")

    async def main() -> None:
        world = World()
        manager = Manager(world.client, SILENT, world.clock, random.Random(1), Expired())
        report = await manager._healthz.report()
        assert "leaderElection failed" in report.body

    run(main())
