"""A controller: events of declared watches become keys in a queue, and workers hand keys to a reconciler."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import structlog

from kdl_runtime.cache.event import Event
from kdl_runtime.cache.informer import Informer
from kdl_runtime.clock import Clock
from kdl_runtime.controller.handlers import Handler, enqueue_owner, enqueue_self
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.controller.predicates import Predicate
from kdl_runtime.errors import ApiError, NotSyncedError, TerminalError, TransportError
from kdl_runtime.observe.logging import Reconciliation, reconciliation
from kdl_runtime.observe.metrics import ControllerMetrics, Metrics
from kdl_runtime.queue.priority import PriorityQueue
from kdl_runtime.queue.schedule import Item
from kdl_runtime.types import Request, Resource, Result

log = structlog.get_logger(__name__)

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
    """What a controller gets from the manager that it is added to."""

    clock: Clock
    rng: random.Random
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class _Source:
    informer: Informer[Any]
    handler: Handler
    predicates: tuple[Predicate, ...]
    delay: Delay | None

    def passes(self, event: Event[Any]) -> bool:
        return all(predicate(event) for predicate in self.predicates)


class Controller:
    """Say what to watch with ``for_``, ``owns`` and ``watches``, then add the controller to a manager.

    ``name`` labels metrics and logs and is unique in a manager.
    """

    def __init__(self, name: str, reconcile: Reconciler, options: ControllerOptions | None = None) -> None:
        self.name = name
        self.options = options or ControllerOptions()
        self._reconcile = reconcile
        self._for: Resource | None = None
        self._sources: list[_Source] = []
        self._clock: Clock | None = None
        self._queue: PriorityQueue[Request] | None = None
        self._metrics: ControllerMetrics | None = None
        self._rng = random.Random()
        self._sync: asyncio.Timeout | None = None

    # --- declaration ---------------------------------------------------------------------------------------------

    def for_(self, informer: Informer[Any], *predicates: Predicate) -> Self:
        """Reconcile the objects of this watch. Call it once and first, or once per watch on the same resource."""
        if self._for is not None and self._for != informer.spec.resource:
            raise ValueError(
                f"controller {self.name!r} is for {self._for.group_resource}: "
                f"use watches() for {informer.spec.resource.group_resource}"
            )
        self._for = informer.spec.resource
        return self.watches(informer, enqueue_self, *predicates)

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

    # --- life cycle ----------------------------------------------------------------------------------------------

    def attach(self, environment: ControllerEnvironment) -> None:
        """Take clock and metrics; ``Manager.add`` does this."""
        if self._queue is not None:
            raise ValueError(f"controller {self.name!r} has been added to a manager already")
        self._clock = environment.clock
        self._rng = environment.rng
        self._metrics = environment.metrics.for_controller(self.name, self.options.max_concurrent_reconciles)
        self._queue = PriorityQueue(
            self.name,
            environment.clock,
            backoff=self.options.backoff,
            age_after=self.options.age_after,
            metrics=environment.metrics.for_queue(self.name),
        )

    async def run(self) -> None:
        """Start the sources, wait for their first lists, and work until cancelled or ``shutdown``."""
        await self.start_sources()
        await self.run_workers()

    async def start_sources(self) -> None:
        """Fill the queue from now on. NotSyncedError names what has no first list after ``cache_sync_timeout``. Ends
        early, without an error, at ``shutdown``."""
        for source in self._sources:
            source.informer.add_handler(self._listener(source))
        try:
            async with asyncio.timeout(self.options.cache_sync_timeout) as self._sync:
                for source in self._sources:
                    await source.informer.wait_synced()
        except TimeoutError as error:
            if self.queue.shutting_down:
                return
            late = [source.informer for source in self._sources if not source.informer.synced]
            reasons = "; ".join(f"{informer.spec}: {informer.trouble or 'no answer yet'}" for informer in late)
            waited = f"{self.options.cache_sync_timeout:g} s"
            raise NotSyncedError(
                f"controller {self.name!r} has waited {waited} for the first list of {reasons}"
            ) from error
        finally:
            self._sync = None

    async def run_workers(self) -> None:
        """Hand out keys until ``shutdown``; a key that is in work by then is finished. Cancellation interrupts it."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.options.max_concurrent_reconciles):
                group.create_task(self._work(), name=f"{self.name} worker {number}")

    def shutdown(self) -> None:
        """Hand out no more keys, and wait for no first list any longer."""
        self.queue.shutdown()
        if self._sync is not None:
            self._sync.reschedule(asyncio.get_running_loop().time())

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
                priority = self.options.initial_priority if event.initial else 0
                for request in source.handler(event):
                    queue.add(request, priority, source.delay(request) if source.delay is not None else None)

        return listen

    # --- work ----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        queue = self.queue
        while (item := await queue.get()) is not None:
            try:
                await self._process(item)
            finally:
                queue.done(item.key)

    async def _process(self, item: Item[Request]) -> None:
        clock, metrics = self._clock, self._metrics
        if clock is None or metrics is None:
            raise ValueError(f"controller {self.name!r} is not attached to a manager")
        reconcile_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        started = clock.monotonic()
        metrics.active_workers.inc()
        try:
            with reconciliation(Reconciliation(self.name, item.key, reconcile_id)):
                result = await self._call(item.key, metrics)
                self._settle(item, result, metrics)
        finally:
            metrics.active_workers.dec()
            metrics.seconds.observe(clock.monotonic() - started)

    async def _call(self, request: Request, metrics: ControllerMetrics) -> Result | BaseException:
        """What the reconciler returned or raised. Only the end of this worker itself is raised."""
        timeout = asyncio.timeout(self.options.reconcile_timeout)
        try:
            async with timeout:
                return await self._reconcile(request) or Result()
        except (KeyboardInterrupt, SystemExit):
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except TimeoutError as error:
            if timeout.expired():
                metrics.timeouts.inc()
                return TimeoutError(f"reconciliation took longer than {self.options.reconcile_timeout:g} s")
            return error
        except Exception as error:
            return error
        except BaseException as error:
            metrics.panics.inc()
            return error

    def _settle(self, item: Item[Request], result: Result | BaseException, metrics: ControllerMetrics) -> None:
        """As in controller-runtime: an error backs off, success forgets earlier failures, and so does a delay."""
        queue, key = self.queue, item.key
        if isinstance(result, TerminalError):
            metrics.results["error"].inc()
            metrics.errors.inc()
            metrics.terminal_errors.inc()
            log.error("reconciliation failed and is not tried again", error=str(result), exc_info=result)
        elif isinstance(result, BaseException):
            metrics.results["error"].inc()
            metrics.errors.inc()
            queue.add(key, item.priority, rate_limited=True)
            self._log_failure(result, queue.num_requeues(key))
        elif result.requeue_after is not None and result.requeue_after > 0:
            metrics.results["requeue_after"].inc()
            queue.forget(key)
            queue.add(key, item.priority if result.priority is None else result.priority, result.requeue_after)
        else:
            metrics.results["success"].inc()
            queue.forget(key)

    @staticmethod
    def _log_failure(error: BaseException, failures: int) -> None:
        """Refusals of the API server and lost connections are everyday; a traceback is for everything else."""
        if isinstance(error, ApiError | TransportError):
            log.warning("reconciliation failed", failures=failures, error=f"{type(error).__name__}: {error}")
        else:
            log.error("reconciliation failed", failures=failures, exc_info=error)
