"""Keys that fall due: the one timer heap of each controller and node."""

import asyncio
import heapq
import itertools
from typing import Generic, TypeVar

from kdl_runtime.clock import Clock

K = TypeVar("K")

_RESOLUTION = 1e-9
"""Seconds by which a key may come early: what floating point leaves over between two readings of a clock."""


class DelayQueue(Generic[K]):
    """Hands out each key when its time has come, in the order of the times; keys due at once in the order of adding.

    A key is in the queue at most once. Its earliest time counts, unless ``reschedule`` says otherwise.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def add(self, key: K, after: float = 0.0) -> None:
        """Makes the key due in so many seconds, unless it is due earlier already."""
        due = self._clock.monotonic() + after
        if self._due.get(key, float("inf")) > due:
            self._push(key, due)

    def reschedule(self, key: K, after: float) -> None:
        """Makes the key due in so many seconds, whatever it was due at before."""
        self._push(key, self._clock.monotonic() + after)

    def discard(self, key: K) -> None:
        """The key will not be handed out until it is added again. What stays in the heap is skipped later."""
        self._due.pop(key, None)

    async def get(self) -> K:
        """Waits for the next key that falls due, and removes it."""
        while True:
            self._changed.clear()
            wait = self._wait()
            if wait is not None and wait <= _RESOLUTION:
                _, _, key = heapq.heappop(self._heap)
                del self._due[key]
                return key
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _push(self, key: K, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._changed.set()

    def _wait(self) -> float | None:
        """Seconds until the first key is due, None without any. Drops entries that were replaced or discarded."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due:
                return due - self._clock.monotonic()
            heapq.heappop(self._heap)
        return None
