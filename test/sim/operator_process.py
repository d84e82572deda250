"""The operator as a process of the simulation: started again whenever it ends, killed and stopped at any moment."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.errors import ApiError, KdlError, TransportError
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.resources.discovery import served
from kdl_testing.direct import DirectTransport
from kdl_workloads.operator import OperatorOptions, build
from sim.gateway import Gateway
from sim.limit_rules import Troubles
from sim.observer import OPERATOR
from sim.timeline import Timeline

RESTART_PAUSE = 2.0
"""Most seconds until an operator that has ended, or could not start, is started again."""
MOST_LOOKS = 100_000
"""Looks of the operator at the clock in one simulation, ten times those of a busy one."""
GRACE = 10.0


class SpinningError(KdlError):
    """The operator does something again and again without a pause."""


class WatchedClock:
    """The clock of the simulation, for the operator. It fails when it is looked at as only a busy loop does."""

    def __init__(self, clock: LoopClock, timeline: Timeline) -> None:
        self._clock = clock
        self._timeline = timeline
        self._looks = 0

    def now(self) -> datetime:
        self._look()
        return self._clock.now()

    def monotonic(self) -> float:
        self._look()
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def _look(self) -> None:
        self._looks += 1
        if self._looks > MOST_LOOKS:
            self._timeline.violated("operator", "does something again and again without a pause")
            raise SpinningError("the operator never rests")


@dataclass
class _Life:
    """One process, from its start to its end."""

    transport: DirectTransport
    manager: Manager
    work: "asyncio.Task[None]"


class OperatorProcess:
    """``run`` keeps one running until it is cancelled."""

    def __init__(self, gateway: Gateway, clock: LoopClock, rng: random.Random, troubles: Troubles) -> None:
        self._gateway = gateway
        self._clock = clock
        self._own_clock = WatchedClock(clock, gateway.timeline)
        self._rng = rng
        self._troubles = troubles
        self._life: _Life | None = None
        self._down_until = 0.0

    @property
    def timeline(self) -> Timeline:
        return self._gateway.timeline

    async def run(self) -> None:
        while True:
            life = self._life = self._start()
            try:
                await asyncio.wait({life.work})
            finally:
                life.transport.sever()
                life.work.cancel()
            ended = self._clock.monotonic()
            with suppress(asyncio.CancelledError, ApiError, TransportError, TimeoutError, KdlError):
                life.work.result()
            self.timeline.add(OPERATOR, "has ended")
            await self._clock.sleep(max(self._rng.uniform(0, RESTART_PAUSE), self._down_until - ended))
            self._troubles.add(ended, self._clock.monotonic())

    def kill(self, down: float = 0.0) -> None:
        """As kill -9 does: what it had asked for is done, and it learns of nothing any more. It comes back after
        ``down`` seconds."""
        self._down_until = self._clock.monotonic() + down
        if self._life is not None:
            self.timeline.add("incident", f"the operator is killed, for {down:.1f} s")
            self._life.manager.options = replace(self._life.manager.options, graceful_shutdown_timeout=0)
            self._life.transport.sever()
            self._life.work.cancel()

    def stop(self) -> None:
        """As SIGTERM does: it finishes what it has begun."""
        if self._life is not None:
            self.timeline.add("incident", "the operator is asked to stop")
            self._life.manager.stop()

    async def cut_off(self, seconds: float) -> None:
        """It reaches no API server for so long; its watches end."""
        life, begin = self._life, self._clock.monotonic()
        self._troubles.add(begin, begin + seconds)
        if life is None:
            return
        self.timeline.add("incident", f"the operator does not reach the API server, for {seconds:.1f} s")
        life.transport.sever()
        await self._clock.sleep(seconds)
        if life is self._life and not life.work.done():
            life.transport.heal()
            self.timeline.add("incident", "the API server can be reached again")

    def _start(self) -> _Life:
        self.timeline.add(OPERATOR, "starts")
        transport = DirectTransport(self._gateway, user=OPERATOR)
        client = Client(transport, self._own_clock)
        options = ManagerOptions("0", "0", graceful_shutdown_timeout=GRACE)
        manager = Manager(client, options, self._own_clock, self._rng)
        return _Life(transport, manager, asyncio.ensure_future(_operate(client, manager)))


async def _operate(client: Client, manager: Manager) -> None:
    build(manager, OperatorOptions(late_kinds=False), await served(client))
    await manager.start()
