"""A process of the simulation: it is started again whenever it ends, and can be killed and stopped at any moment."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from kdl_runtime.client.client import Client
from kdl_runtime.errors import ApiError, KdlError, TransportError
from kdl_runtime.leader.elector import LeaderElector
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_testing.direct import DirectTransport
from kdl_testing.sim.clock import ProcessClock
from kdl_testing.sim.gateway import Gateway
from kdl_testing.sim.timeline import Timeline

Build = Callable[[Manager], Awaitable[None]]
"""Adds to the manager what the operator consists of. What it raises ends the process, which is then started again."""

ELECTION = "/election"
"""Added to the name of a process for the requests of its leader election."""
REQUEST_TIMEOUT = 60.0
"""Seconds for a request that names none, as over HTTP."""
_MANAGER = ManagerOptions("0", "0", graceful_shutdown_timeout=10)

_life: ContextVar["Life | None"] = ContextVar("life", default=None)


def check_reachable() -> None:
    """For the fake of an outside service: TransportError if the process that calls has been killed or is cut off.

    A killed process is cancelled, so its ``finally`` blocks run, which they would not in real life. What they do must
    not reach anything.
    """
    life = _life.get()
    if life is not None and life.transport.severed:
        raise TransportError("the network cannot be reached")


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """``manager``: of each start. ``election``: its identity is replaced by one for each start; None elects nobody.
    ``restart_pause``: the most seconds until a process that has ended is started again. ``skew``: see ProcessClock.
    """

    manager: ManagerOptions = field(default_factory=lambda: _MANAGER)
    election: ElectionOptions | None = None
    restart_pause: float = 2.0
    skew: float = 0.0


@dataclass(eq=False)
class Life:
    """A process from one start to its end."""

    number: int
    transport: DirectTransport
    manager: Manager
    election: "LateElection | None"
    work: "asyncio.Task[None]" = field(init=False)
    killed: bool = False

    @property
    def runs(self) -> bool:
        """Whether it has neither ended nor been killed, and is not cut off."""
        return not self.work.done() and not self.transport.severed

    @property
    def leads(self) -> bool:
        return self.runs and (self.election is None or self.election.leading)

    @property
    def believes(self) -> bool:
        """Whether it takes itself for the leader that was elected, right or wrong."""
        return not self.work.done() and self.election is not None and self.election.believed

    def sever(self) -> None:
        """It reaches nothing any more."""
        self.transport.sever()
        if self.election is not None:
            self.election.transport.sever()

    def heal(self) -> None:
        """It reaches the API server again, unless it has been killed."""
        if not self.killed and not self.work.done():
            self.transport.heal()
            if self.election is not None:
                self.election.transport.heal()


class LateElection(LeaderElector):
    """Tells the loss of leadership ``late`` seconds after it has happened, as to a process whose event loop is busy.

    ``led``: whether it has ever led. ``believed``: whether the process takes itself for the leader, right or wrong.
    """

    def __init__(
        self, transport: DirectTransport, options: ElectionOptions, clock: ProcessClock, rng: random.Random
    ) -> None:
        super().__init__(Client(transport, clock), options, clock, rng)
        self.transport = transport
        self.late = 0.0
        self.led = self.believed = False

    def start(self, on_elected: Callable[[], None], on_lost: Callable[[BaseException], None]) -> None:
        def elected() -> None:
            self.led = self.believed = True
            on_elected()

        def lost(error: BaseException) -> None:
            asyncio.get_running_loop().call_later(self.late, learns, error)

        def learns(error: BaseException) -> None:
            self.believed = False
            on_lost(error)

        super().start(elected, lost)


class Process:
    """``run`` keeps one running until it is cancelled or told to end.

    ``on_start`` is called for each life once the operator is built, ``on_absence`` with the virtual times between which
    there was none or it reached no API server.
    """

    def __init__(
        self, name: str, build: Build, gateway: Gateway, rng: random.Random, options: ProcessOptions | None = None
    ) -> None:
        self.name = name
        self.options = options or ProcessOptions()
        self.life: Life | None = None
        self.lives = 0
        self.on_start: Callable[[Life], None] = lambda _: None
        self.on_absence: Callable[[float, float], None] = lambda _begin, _end: None
        self._build = build
        self._gateway = gateway
        self._clock = gateway.clock
        self._own_clock = ProcessClock(gateway.clock, self.options.skew, self._spins)
        self._rng = rng
        self._down_until = 0.0
        self._to_end = False

    @property
    def timeline(self) -> Timeline:
        return self._gateway.timeline

    @property
    def alive(self) -> bool:
        return self.life is not None and not self.life.work.done()

    async def run(self) -> None:
        while not self._last():
            life = self._begin()
            try:
                await asyncio.wait({life.work})
            finally:
                life.killed = True
                life.sever()
                life.work.cancel()
            ended = self._clock.monotonic()
            self._end(life)
            if self._last():
                return
            await self._clock.sleep(max(self._rng.uniform(0, self.options.restart_pause), self._down_until - ended))
            self.on_absence(ended, self._clock.monotonic())

    def kill(self, down: float = 0.0) -> None:
        """As kill -9 does: what it had asked for is done, and it learns of nothing any more. It comes back after
        ``down`` seconds."""
        self._down_until = self._clock.monotonic() + down
        if self.life is not None:
            self.timeline.add("incident", f"{self.name} is killed, for {down:.1f} s")
            manager = self.life.manager
            manager.options = replace(manager.options, graceful_shutdown_timeout=0)
            self.life.killed = True
            self.life.sever()
            self.life.work.cancel()

    def stop(self) -> None:
        """As SIGTERM does: it finishes what it has begun."""
        if self.life is not None:
            self.timeline.add("incident", f"{self.name} is asked to stop")
            self.life.manager.stop()

    async def finish(self) -> None:
        """Stops it for good, in order, and waits for that."""
        self._to_end = True
        self.stop()
        if self.life is not None:
            await asyncio.wait({self.life.work})

    async def cut_off(self, seconds: float) -> None:
        """It reaches no API server for so long; its watches end."""
        life, begin = self.life, self._clock.monotonic()
        self.on_absence(begin, begin + seconds)
        if life is None:
            return
        self.timeline.add("incident", f"{self.name} does not reach the API server, for {seconds:.1f} s")
        life.sever()
        await self._clock.sleep(seconds)
        life.heal()
        if life.runs:
            self.timeline.add("incident", f"{self.name} reaches the API server again")

    def _last(self) -> bool:
        return self._to_end

    def _begin(self) -> Life:
        self.lives += 1
        self.timeline.add(self.name, "starts")
        transport = DirectTransport(self._gateway, user=self.name, timeout=REQUEST_TIMEOUT)
        election = self._election()
        manager = Manager(
            Client(transport, self._own_clock), self.options.manager, self._own_clock, self._rng, election
        )
        life = self.life = Life(self.lives, transport, manager, election)
        life.work = asyncio.ensure_future(self._operate(life))
        return life

    def _election(self) -> LateElection | None:
        options = self.options.election
        if options is None:
            return None
        transport = DirectTransport(self._gateway, user=f"{self.name}{ELECTION}", timeout=REQUEST_TIMEOUT)
        options = replace(options, identity=f"{self.name}.{self.lives}")
        return LateElection(transport, options, self._own_clock, self._rng)

    async def _operate(self, life: Life) -> None:
        _life.set(life)
        await self._build(life.manager)
        self.on_start(life)
        await life.manager.start()

    def _end(self, life: Life) -> None:
        self.timeline.add(self.name, "has ended")
        if life.work.cancelled():
            return
        error = life.work.exception()
        if error is not None and not isinstance(error, ApiError | TransportError | TimeoutError | KdlError):
            self.timeline.violated(self.name, f"has ended with {type(error).__name__}: {error}")

    def _spins(self) -> None:
        self.timeline.violated(self.name, "does something again and again without a pause")
