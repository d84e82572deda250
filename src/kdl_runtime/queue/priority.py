"""The work queue of a controller: one entry per key, priorities that age, delays, and back-off per key."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import Clock
from kdl_runtime.observe.metrics import Metrics, QueueMetrics
from kdl_runtime.queue.ratelimit import DEFAULT_POLICY, ItemBackoff
from kdl_runtime.queue.schedule import Item, Schedule

K = TypeVar("K", bound=Hashable)

LOW_PRIORITY = -100
"""Of what is not urgent: the objects of the first list."""


class PriorityQueue(Generic[K]):
    """A queue for one event loop. Order, ageing and de-duplication are those of ``Schedule``.

    No method but ``get`` waits, and none of the others has an ``await`` in it, so they need no lock. Wake-ups are
    exact: a waiting ``get`` sleeps until there is a key for it, and one timer stands for all delays.

    ``name`` labels the metrics. ``backoff`` is that of keys added with ``rate_limited``. ``age_after`` is in seconds.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        backoff: BackoffPolicy = DEFAULT_POLICY,
        age_after: float = 30.0,
        metrics: QueueMetrics | None = None,
    ) -> None:
        self._clock = clock
        self._schedule: Schedule[K] = Schedule(age_after)
        self._backoff: ItemBackoff[K] = ItemBackoff(backoff)
        self._metrics = metrics or Metrics().for_queue(name)
        self._metrics.observe_unfinished(self._work_ages)
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._shut_down = False

    def __len__(self) -> int:
        """Keys that are ready."""
        return len(self._schedule)

    def __contains__(self, key: K) -> bool:
        """Whether the key is ready or waits for its time; a key in work counts only when it was added again."""
        return key in self._schedule

    @property
    def shutting_down(self) -> bool:
        return self._shut_down

    def add(self, key: K, priority: int = 0, after: float | None = None, *, rate_limited: bool = False) -> None:
        """Ask for ``key``: now, after so many seconds, or, ``rate_limited``, after the back-off that its failures give.

        With both, the smaller delay holds. ``rate_limited`` counts a failure. Ignored after ``shutdown``.
        """
        if self._shut_down:
            return
        now = self._clock.monotonic()
        delay = max(after or 0.0, 0.0)
        if rate_limited:
            limited = self._backoff.fail(key, now)
            delay = min(delay, limited) if delay > 0 else limited
        if delay > 0:
            self._metrics.retries.inc()
        before, ready = self._schedule.add(key, priority, delay, now)
        if ready != before:
            if before is not None:
                self._metrics.depth(before).dec()
            if ready is not None:
                self._metrics.depth(ready).inc()
        if ready is None:
            self._arm()
        elif before is None:
            self._metrics.adds.inc()
            self._wake(1)

    async def get(self) -> Item[K] | None:
        """The next key, in work until ``done``; None once the queue is shut down."""
        while not self._shut_down:
            now = self._clock.monotonic()
            item = self._schedule.pop(now)
            if item is not None:
                self._metrics.depth(item.priority).dec()
                self._metrics.queue_seconds.observe(max(item.waited, 0.0))
                return item
            await self._next_wake_up()
        return None

    def done(self, key: K) -> None:
        """Work on ``key`` has ended: whoever gets a key must call this, also after a failure."""
        seconds = self._schedule.done(key, self._clock.monotonic())
        self._metrics.work_seconds.observe(max(seconds, 0.0))
        if self._schedule.has_next():
            self._wake(1)

    def forget(self, key: K) -> None:
        """The key has succeeded: its next failure is its first."""
        self._backoff.forget(key)

    def num_requeues(self, key: K) -> int:
        """Failures since the last ``forget``."""
        return self._backoff.count(key)

    def shutdown(self) -> None:
        """Further adds are ignored and every ``get`` returns None. Keys that are left are not handed out."""
        self._shut_down = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake(len(self._waiters))

    async def _next_wake_up(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
            if not waiter.cancelled():
                self._wake(1)
            raise

    def _wake(self, count: int) -> None:
        while count > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def _arm(self) -> None:
        due = self._schedule.next_due()
        if due is None or (self._timer is not None and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        delay = max(due - self._clock.monotonic(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        promoted = self._schedule.promote(self._clock.monotonic())
        for priority in promoted:
            self._metrics.adds.inc()
            self._metrics.depth(priority).inc()
        self._wake(len(promoted))
        self._arm()

    def _work_ages(self) -> list[float]:
        now = self._clock.monotonic()
        return [now - since for since in self._schedule.held_since()]
