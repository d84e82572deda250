"""The manager: what the controllers of one process share, and the order in which everything starts and stops."""

import asyncio
import contextlib
import platform
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import structlog

from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.collection import WatcherOptions
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.controller.controller import Controller, ControllerEnvironment
from kdl_runtime.controller.options import ControllerOptions, check_concurrency
from kdl_runtime.controller.typed import TypedController
from kdl_runtime.errors import KdlError
from kdl_runtime.events.recorder import EventRecorder
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.manager.groups import FunctionRunnable, Runnable, RunnableGroup, Server, ServerGroup, Warmable, WarmUp
from kdl_runtime.manager.looplag import LoopLag
from kdl_runtime.manager.memory import collector_paused
from kdl_runtime.manager.stalls import StallWatch
from kdl_runtime.observe.health import Check, HealthChecks
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.observe.tracing import Tracer
from kdl_runtime.resources.registry import LEASES
from kdl_runtime.serve.address import Address, parse_bind_address
from kdl_runtime.serve.metrics_server import MetricsSecurity, metrics_server
from kdl_runtime.serve.probes import probe_app
from kdl_runtime.serve.server import HttpServer
from kdl_runtime.types import Resource

log = structlog.get_logger(__name__)


class ShutdownTimeoutError(KdlError):
    """Not everything ended within the time that a graceful shutdown may take."""


class Election(Protocol):
    """Decides whether this process leads: a ``LeaderElector``, or an ``ElectionThread`` around one.

    ``name`` is what metrics call it.
    """

    name: str
    on_slow_path: Callable[[], None]
    """Called when a renewal takes more than the usual one request; set before ``start``."""

    @property
    def options(self) -> ElectionOptions | None:
        """The lease, and who we are; None until that is known."""
        ...

    def start(self, on_elected: Callable[[], None], on_lost: Callable[[BaseException], None]) -> None: ...

    async def stop(self, *, release: bool) -> None: ...

    def check(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ManagerOptions:
    """Addresses are ``host:port`` or ``:port``; "0" means that nothing listens. Times in seconds.

    ``metrics_security``: serve metrics over TLS to whom the API server allows it; None is plain text for everybody.
    ``graceful_shutdown_timeout``: for everything together; 0 cancels at once, a negative number waits without limit.
    ``namespaces``: of watches that name none; empty is all. ``cache_sync_timeout``: for the
    first lists at the start. ``tune_gc``: set the garbage collector up for a large cache, which concerns the whole
    process. ``event_source``: the reporting controller of events. ``watcher``: how watches behave.
    ``controllers``: what controllers inherit that say nothing themselves. ``kind_concurrency``: their workers by kind
    and group (``{"Deployment.apps": 4, "Pod": 2}``), before that of ``controllers``. ``tracer``: takes spans of
    reconciliations and requests, None for nobody. ``stall_threshold``: an event loop that does not turn for so long is
    logged with the stack that holds it up; 0 does not look.
    """

    metrics_bind_address: str = ":8080"
    health_probe_bind_address: str = ":8081"
    metrics_security: MetricsSecurity | None = None
    graceful_shutdown_timeout: float = 30.0
    namespaces: tuple[str, ...] = ()
    cache_sync_timeout: float = 120.0
    tune_gc: bool = False
    event_source: str = "kdl.io/operator"
    watcher: WatcherOptions | None = None
    controllers: ControllerOptions = field(default_factory=ControllerOptions)
    kind_concurrency: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tracer: Tracer | None = None
    stall_threshold: float = 1.0

    def __post_init__(self) -> None:
        for kind, number in self.kind_concurrency.items():
            check_concurrency(f"kind_concurrency[{kind!r}]", number)
        if self.stall_threshold < 0:
            raise ValueError(f"stall_threshold is {self.stall_threshold:g} s: use 0 not to look for stalls")


class Manager:
    """Owns cache, events, metrics, servers and controllers of one process.

    Start order: metrics and probes, other servers, cache (until it is synced), what runs in every process, warm-ups,
    and once this process leads the controllers. Stop order: warm-ups and what runs in every process, controllers (which
    finish what they have begun), cache, servers, metrics and probes, the lease, and last the events, so that all
    others may still record some. Lost leadership ends everything at once, and ``start`` raises it.

    Without ``election`` this process leads from the start.
    """

    def __init__(
        self,
        client: Client,
        options: ManagerOptions | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        election: Election | None = None,
    ) -> None:
        self.client = client
        self.options = options or ManagerOptions()
        self.clock = clock or SystemClock()
        self.rng = rng or random.Random()
        metrics_address = parse_bind_address(self.options.metrics_bind_address)
        probe_address = parse_bind_address(self.options.health_probe_bind_address)
        self.metrics = Metrics(process=metrics_address is not None)
        if client.metrics is None:
            client.metrics = self.metrics
        if self.options.tracer is not None:
            client.tracer = self.options.tracer
        self.cache = Cache(client, self.clock, self.rng, self.metrics, self.options.watcher)
        self.cache.namespaces = self.options.namespaces
        self.events = EventRecorder(client, self.clock, self.rng, self.options.event_source, platform.node())
        self.events.metrics = self.metrics
        self._healthz, self._readyz = HealthChecks(), HealthChecks()
        self._healthz.add("watches", self.cache.check_alive)
        self._readyz.add("cache", self.cache.check_ready)
        self._election = election
        if election is not None:
            self._healthz.add("leaderElection", election.check)
            self._leads = self.metrics.leader_status.labels(election.name)
            election.on_slow_path = self.metrics.leader_slow_path.labels(election.name).inc
        self._controllers: dict[str, Controller] = {}
        self._metrics_server = (
            metrics_server(self.metrics, metrics_address, self.options.metrics_security, client, self.clock)
            if metrics_address
            else None
        )
        probes = {"/healthz": self._healthz, "/readyz": self._readyz}
        self._probe_server = HttpServer(probe_app(probes), probe_address) if probe_address else None
        self._servers = ServerGroup("servers")
        self._background = RunnableGroup("background")
        self._others = RunnableGroup("others")
        self._warm_ups = RunnableGroup("warm-up")
        self._leaders = RunnableGroup("leader election")
        self._background.add(self.events)
        if metrics_address:
            self._background.add(LoopLag(self.clock, self.metrics.loop_lag))
        if self.options.stall_threshold > 0 and isinstance(self.clock, SystemClock):
            # The event loop of another clock does not live in the time in which threads do.
            self._background.add(StallWatch(self.options.stall_threshold, self.metrics.loop_stalls.inc))
        self._stop = asyncio.Event()
        self._started = asyncio.Event()
        self._elected = asyncio.Event()
        self._leadership_lost = False
        self._ran = False
        self._runs = False
        self._failure: BaseException | None = None

    # --- what runs -----------------------------------------------------------------------------------------------

    def add(
        self,
        runnable: Controller | TypedController[Any] | Runnable | Callable[[], Awaitable[None]],
        *,
        leader_election: bool = True,
    ) -> None:
        """Run a controller, an object with ``run``, or a coroutine function: with everything else if this comes before
        the start, else at once. RuntimeError after the stop.

        ``leader_election`` False starts it before, and beside, what only a leader may do; a controller's own options
        say that of it. What can ``warm_up`` does so before this process leads; a controller if its options ask for it.
        ValueError for a second controller of a name: metrics and logs could not tell them apart.
        """
        if isinstance(runnable, TypedController):
            runnable = runnable.build(self)
        if isinstance(runnable, Controller):
            self._attach(runnable)
            leader_election, warm = runnable.settings.leader_election, runnable.settings.warmup
        else:
            warm = isinstance(runnable, Warmable)
        if leader_election and warm and isinstance(runnable, Warmable):
            self._warm_ups.add(WarmUp(runnable))
        group = self._leaders if leader_election else self._others
        group.add(FunctionRunnable(runnable) if callable(runnable) else runnable)

    def _attach(self, controller: Controller) -> None:
        if controller.name in self._controllers:
            raise ValueError(f"there is a controller named {controller.name!r} already: give this one another name")
        options = self.options
        of_kind = None if controller.resource is None else options.kind_concurrency.get(group_kind(controller.resource))
        defaults = (ControllerOptions(max_concurrent_reconciles=of_kind), options.controllers)
        caught_up = self.cache.wait_caught_up
        controller.attach(
            ControllerEnvironment(self.clock, self.rng, self.metrics, defaults, options.tracer, caught_up)
        )
        self._controllers[controller.name] = controller

    def add_server(self, server: Server) -> None:
        """Run a server in every process, from before the cache fills until after it has stopped. Before the start it
        waits for it, after it starts at once; RuntimeError after the stop."""
        self._servers.add(server)

    def add_health_check(self, name: str, check: Check) -> None:
        """Fail ``/healthz`` while ``check`` raises: the kubelet then restarts the container."""
        self._healthz.add(name, check)

    def add_ready_check(self, name: str, check: Check) -> None:
        """Fail ``/readyz`` while ``check`` raises: services then send nothing here."""
        self._readyz.add(name, check)

    @property
    def metrics_address(self) -> Address | None:
        """Where metrics are served, with the real port; None when they are not."""
        return self._metrics_server.address if self._metrics_server else None

    @property
    def probe_address(self) -> Address | None:
        """Where health probes are served, with the real port; None when they are not."""
        return self._probe_server.address if self._probe_server else None

    async def wait_started(self) -> None:
        """Until the servers listen, the cache is synced, and everything runs but what waits for leadership. KdlError if
        it ends before that, for the reason that ``start`` raises."""
        await self._started.wait()
        if not self._runs:
            raise KdlError("the manager has ended before it had started")

    # --- life cycle ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Run until ``stop``, cancellation, or the failure of something that runs, and then stop everything in order.

        Raises what has failed, and ShutdownTimeoutError when the stop took too long. Runs once.
        """
        if self._ran:
            raise RuntimeError("a manager runs once: make another one")
        self._ran = True
        try:
            await self._run_until_stopped()
        finally:
            self._started.set()
            await self._shut_down()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Begin the orderly end; ``start`` returns when all is done. Calling it again, or early, is harmless."""
        self._stop.set()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        else:
            log.error("something else failed as well", exc_info=error)
        self._stop.set()

    async def _run_until_stopped(self) -> None:
        for server in (self._metrics_server, self._probe_server):
            if server is not None:
                await server.start()
        await self._servers.start(self._fail)
        self._background.start(self._fail)
        with collector_paused() if self.options.tune_gc else contextlib.nullcontext():
            await self.cache.start()
            await self._until_stopped(self.cache.wait_synced(self.options.cache_sync_timeout))
        if self._stop.is_set():
            return
        self._others.start(self._fail)
        if self._election is None:
            self._leaders.start(self._fail)
        else:
            self._warm_ups.start(self._fail)
            self._election.start(self._elected.set, self._lose)
        self._runs = True
        self._started.set()
        log.info("manager started", controllers=sorted(self._controllers), watches=len(self.cache.informers))
        if self._election is not None:
            await self._until_stopped(self._wait_elected())
            if self._stop.is_set():
                return
            # What the former leader has done last must be seen before anything is done.
            await self._until_stopped(self.cache.refresh())
            if self._stop.is_set():
                return
            self._leads.set(1)
            self._tell_leadership("became leader")
            self._leaders.start(self._fail)
        await self._stop.wait()

    def _tell_leadership(self, what: str) -> None:
        """As an event of the lease, under the reason that other controllers use."""
        options = self._election.options if self._election is not None else None
        if options is not None:
            metadata = {"namespace": options.namespace, "name": options.name}
            lease = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata}
            self.events.event(lease, "Normal", "LeaderElection", f"{options.identity} {what}")

    async def _wait_elected(self) -> None:
        await self._elected.wait()

    def _lose(self, error: BaseException) -> None:
        self._leads.set(0)
        self._leadership_lost = True
        self._fail(error)

    async def _until_stopped(self, work: Awaitable[None]) -> None:
        """Wait for ``work``, and give it up when the manager is stopped meanwhile."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            for pending in (task, stopped):
                pending.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    async def _shut_down(self) -> None:
        # Who no longer leads has no time to finish anything.
        budget = 0.0 if self._leadership_lost else self.options.graceful_shutdown_timeout
        deadline = None if budget < 0 else self.clock.monotonic() + budget

        def left() -> float | None:
            return None if deadline is None else max(deadline - self.clock.monotonic(), 0.0)

        late: list[str] = []
        for groups in ((self._warm_ups, self._others), (self._leaders,)):
            for names in await asyncio.gather(*(group.stop(left()) for group in groups)):
                late += names
        await self.cache.stop()
        late += await self._servers.stop(left())
        for server in (self._probe_server, self._metrics_server):
            if server is not None:
                await server.stop()
        if self._election is not None:
            # Another may lead only after all that this process does as a leader has ended.
            if self._leaders.started and not self._leadership_lost:
                self._tell_leadership("stopped leading")
            await self._election.stop(release=not late)
        if self._background.started:
            await self.events.flush(left())
        await self._background.stop(left())
        if late:
            log.error("these did not end in time and were cancelled", budget=budget, cancelled=late)
            if self._failure is None and budget > 0:
                self._failure = ShutdownTimeoutError(
                    f"these did not end within the graceful shutdown timeout of {budget:g} s: {', '.join(late)}"
                )


def group_kind(resource: Resource) -> str:
    """``Deployment.apps``; ``Pod`` in the core group."""
    return f"{resource.kind}.{resource.group}".rstrip(".")
