"""A controller: events of declared watches become keys in a queue, and workers hand keys to a reconciler."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import structlog

from kdl_runtime.cache.event import Event
from kdl_runtime.cache.informer import Informer
from kdl_runtime.clock import Clock
from kdl_runtime.controller.handlers import Handler, enqueue_owner, enqueue_self
from kdl_runtime.controller.options import ControllerOptions, resolve
from kdl_runtime.controller.predicates import Predicate
from kdl_runtime.errors import ApiError, NotSyncedError, TerminalError, TransportError
from kdl_runtime.observe.logging import Reconciliation, reconciliation
from kdl_runtime.observe.metrics import ControllerMetrics, Metrics
from kdl_runtime.observe.tracing import NO_SPAN, Span, Tracer
from kdl_runtime.queue.priority import PriorityQueue
from kdl_runtime.queue.schedule import Item
from kdl_runtime.types import Request, Resource, Result

log = structlog.get_logger(__name__)

YIELD_EVERY = 200
"""Keys after which a worker lets other tasks run, whose reconciler waits for nothing itself."""
NOTHING_MORE = Result()

Reconciler = Callable[[Request], Awaitable[Result | None]]
"""Brings the world nearer to what the object of this key wants; may be called again at any time, for no reason.

It gets a key and not an event, since events are merged. What it raises is logged and counted, and the key is tried
again with a growing delay; ``TerminalError`` is not tried again. ``Result(requeue_after=…)`` asks for another look,
and None or ``Result()`` for none.
"""


Delay = Callable[[Request], float]
"""Seconds for which an event of a key waits for further ones, so that one reconciliation sees them all; 0 for none. An
event of a source without a delay takes those that wait along."""


@dataclass(frozen=True, slots=True)
class ControllerEnvironment:
    """What a controller gets from the manager that it is added to. ``defaults`` are inherited from, the first first.
    ``caught_up`` returns when the cache shows what has been written for a key, or gives up; a reconciliation begins
    after that.
    """

    clock: Clock
    rng: random.Random
    metrics: Metrics
    defaults: tuple[ControllerOptions, ...] = ()
    tracer: Tracer | None = None
    caught_up: Callable[[Request], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    informer: Informer[Any]
    handler: Handler
    predicates: tuple[Predicate, ...]
    delay: Delay | None

    def passes(self, event: Event[Any]) -> bool:
        return not self.predicates or all(predicate(event) for predicate in self.predicates)


class Controller:
    """Say what to watch with ``for_``, ``owns`` and ``watches``, then add the controller to a manager.

    ``name`` labels metrics and logs and is unique in a manager.
    """

    def __init__(self, name: str, reconcile: Reconciler, options: ControllerOptions | None = None) -> None:
        self.name = name
        self.options = options or ControllerOptions()
        self.settings = resolve(self.options)
        self._reconcile = reconcile
        self._for: Resource | None = None
        self._sources: list[_Source] = []
        self._read: list[Informer[Any]] = []
        self._clock: Clock | None = None
        self._queue: PriorityQueue[Request] | None = None
        self._metrics: ControllerMetrics | None = None
        self._rng = random.Random()
        self._tracer: Tracer | None = None
        self._caught_up: Callable[[Request], Awaitable[None]] | None = None
        self._listening = False
        self._syncs: set[asyncio.Timeout] = set()

    @property
    def resource(self) -> Resource | None:
        """What ``for_`` named."""
        return self._for

    # --- declaration ---------------------------------------------------------------------------------------------

    def for_(self, informer: Informer[Any], *predicates: Predicate, delay: Delay | None = None) -> Self:
        """Reconcile the objects of this watch. Call it once and first, or once per watch on the same resource."""
        if self._for is not None and self._for != informer.spec.resource:
            raise ValueError(
                f"controller {self.name!r} is for {self._for.group_resource}: "
                f"use watches() for {informer.spec.resource.group_resource}"
            )
        self._for = informer.spec.resource
        return self.watches(informer, enqueue_self, *predicates, delay=delay)

    def owns(
        self,
        informer: Informer[Any],
        *predicates: Predicate,
        owner: Resource | None = None,
        delay: Delay | None = None,
    ) -> Self:
        """Reconcile the object that controls a changed object; ``owner`` defaults to the resource of ``for_``."""
        owner = owner or self._for
        if owner is None:
            raise ValueError(f"controller {self.name!r}: call for_() before owns(), or say owner=")
        return self.watches(informer, enqueue_owner(owner), *predicates, delay=delay)

    def watches(
        self, informer: Informer[Any], handler: Handler, *predicates: Predicate, delay: Delay | None = None
    ) -> Self:
        """Reconcile what ``handler`` names for each event that every predicate lets pass, after ``delay``."""
        self._sources.append(_Source(informer, handler, predicates, delay))
        return self

    def reads(self, *informers: Informer[Any]) -> Self:
        """Work only once these have their first lists, too; their events cause nothing."""
        self._read += informers
        return self

    # --- life cycle ----------------------------------------------------------------------------------------------

    def attach(self, environment: ControllerEnvironment) -> None:
        """Take clock and metrics; ``Manager.add`` does this."""
        if self._queue is not None:
            raise ValueError(f"controller {self.name!r} has been added to a manager already")
        self._clock = environment.clock
        self._rng = environment.rng
        self._tracer = environment.tracer
        self._caught_up = environment.caught_up
        self.settings = settings = resolve(self.options, *environment.defaults)
        self._metrics = environment.metrics.for_controller(self.name, settings.max_concurrent_reconciles)
        self._queue = PriorityQueue(
            self.name,
            environment.clock,
            backoff=settings.backoff,
            age_after=settings.age_after,
            metrics=environment.metrics.for_queue(self.name),
        )

    async def run(self) -> None:
        """Start the sources, wait for their first lists, and work until cancelled or ``shutdown``."""
        await self.warm_up()
        await self.run_workers()

    async def warm_up(self) -> None:
        """Start the sources: the queue fills from now on, and nobody works on it. Returns after the first lists; may be
        called again.

        NotSyncedError names what has no first list after ``cache_sync_timeout``. Ends early, without an error, at
        ``shutdown``. Watches that are not required are waited for without limit: their kind may be served any time.
        """
        if not self._listening:
            self._listening = True
            for source in self._sources:
                source.informer.add_handler(self._listener(source))
        informers = [*(source.informer for source in self._sources), *self._read]
        required = [informer for informer in informers if informer.spec.required]
        await self._first_lists(required, self.settings.cache_sync_timeout or None)
        await self._first_lists(informers, None)

    async def _first_lists(self, informers: list[Informer[Any]], limit: float | None) -> None:
        if self._ends():
            return
        waits = asyncio.timeout(limit)
        self._syncs.add(waits)
        try:
            async with waits:
                for informer in informers:
                    await informer.wait_synced()
        except TimeoutError as error:
            if self._ends():
                return
            late = [informer for informer in informers if not informer.synced]
            reasons = "; ".join(f"{informer.spec}: {informer.trouble or 'no answer yet'}" for informer in late)
            raise NotSyncedError(
                f"controller {self.name!r} has waited {limit:g} s for the first list of {reasons}"
            ) from error
        finally:
            self._syncs.discard(waits)

    async def run_workers(self) -> None:
        """Hand out keys until ``shutdown``; a key that is in work by then is finished. Cancellation interrupts it."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.settings.max_concurrent_reconciles):
                group.create_task(self._work(), name=f"{self.name} worker {number}")

    def shutdown(self) -> None:
        """Hand out no more keys, and wait for no first list any longer."""
        self.queue.shutdown()
        for waits in self._syncs:
            waits.reschedule(asyncio.get_running_loop().time())

    def _ends(self) -> bool:
        return self.queue.shutting_down

    @property
    def queue(self) -> PriorityQueue[Request]:
        if self._queue is None:
            raise ValueError(f"controller {self.name!r} has no queue yet: add it to a manager first")
        return self._queue

    def enqueue(self, request: Request, priority: int = 0, after: float | None = None) -> None:
        """Reconcile ``request`` for a reason that no watch shows."""
        self.queue.add(request, priority, after)

    def _listener(self, source: _Source) -> Callable[[Event[Any]], None]:
        queue = self.queue

        def listen(event: Event[Any]) -> None:
            if source.passes(event):
                priority = self.settings.initial_priority if event.initial else 0
                for request in source.handler(event):
                    queue.add(request, priority, source.delay(request) if source.delay is not None else None)

        return listen

    # --- work ----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        queue = self.queue
        turns = 0
        while (item := await queue.get()) is not None:
            try:
                await self._process(item)
            finally:
                queue.done(item.key)
            turns += 1
            if turns % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _process(self, item: Item[Request]) -> None:
        clock, metrics = self._clock, self._metrics
        if clock is None or metrics is None:
            raise ValueError(f"controller {self.name!r} is not attached to a manager")
        work = Reconciliation(self.name, item.key, self._rng.getrandbits(128))
        started = clock.monotonic()
        metrics.active_workers.inc()
        try:
            with reconciliation(work), _span(self._tracer, work, item) as span:
                result = await self._call(item.key, metrics)
                if isinstance(result, BaseException):
                    span.fail(result)
                outcome = self._settle(item, result, metrics)
                metrics.results[outcome].inc()
                span.set({"kdl_runtime.result": outcome})
        finally:
            metrics.active_workers.dec()
            metrics.seconds.observe(clock.monotonic() - started)

    async def _call(self, request: Request, metrics: ControllerMetrics) -> Result | BaseException:
        """What the reconciler returned or raised. Only the end of this worker itself is raised."""
        limit = None
        try:
            if self._caught_up is not None:
                await self._caught_up(request)
            if not self.settings.reconcile_timeout:
                return await self._reconcile(request) or NOTHING_MORE
            async with asyncio.timeout(self.settings.reconcile_timeout) as limit:
                return await self._reconcile(request) or NOTHING_MORE
        except (KeyboardInterrupt, SystemExit):
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except TimeoutError as error:
            if limit is not None and limit.expired():
                metrics.timeouts.inc()
                return TimeoutError(f"reconciliation took longer than {self.settings.reconcile_timeout:g} s")
            return error
        except Exception as error:
            return error
        except BaseException as error:
            metrics.panics.inc()
            return error

    def _settle(self, item: Item[Request], result: Result | BaseException, metrics: ControllerMetrics) -> str:
        """As in controller-runtime: an error backs off, success forgets earlier failures, and so does a delay. What it
        was, as ``controller_runtime_reconcile_total`` calls it."""
        queue, key = self.queue, item.key
        if isinstance(result, TerminalError):
            metrics.errors.inc()
            metrics.terminal_errors.inc()
            log.error("reconciliation failed and is not tried again", error=str(result), exc_info=result)
            return "error"
        if isinstance(result, BaseException):
            metrics.errors.inc()
            queue.add(key, item.priority, rate_limited=True)
            self._log_failure(result, queue.num_requeues(key))
            return "error"
        queue.forget(key)
        if result.requeue_after is not None and result.requeue_after > 0:
            queue.add(key, item.priority if result.priority is None else result.priority, result.requeue_after)
            return "requeue_after"
        return "success"

    @staticmethod
    def _log_failure(error: BaseException, failures: int) -> None:
        """Refusals of the API server and lost connections are everyday; a traceback is for everything else."""
        if isinstance(error, ApiError | TransportError):
            log.warning("reconciliation failed", failures=failures, error=f"{type(error).__name__}: {error}")
        else:
            log.error("reconciliation failed", failures=failures, exc_info=error)


def _span(tracer: Tracer | None, work: Reconciliation, item: Item[Request]) -> AbstractContextManager[Span]:
    if tracer is None:
        return NO_SPAN
    attributes: dict[str, str | int | float | bool] = {
        "kdl_runtime.controller": work.controller,
        "k8s.namespace.name": item.key.namespace,
        "kdl_runtime.object.name": item.key.name,
        "kdl_runtime.reconcile_id": work.reconcile_id,
        "kdl_runtime.queue.priority": item.priority,
        "kdl_runtime.queue.seconds": item.waited,
    }
    return tracer.reconciliation(work.controller, attributes)
