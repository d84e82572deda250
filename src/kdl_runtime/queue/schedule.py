"""The order of a work queue as plain data: which key is next, and when the next timer is due. Knows no event loop.

Rules, after controller-runtime's priority queue:

* A key has one entry. Adding it again takes the higher priority and the earlier time; adding it now swallows its timer.
* Ready keys go by priority, highest first, and in the order of their adding within one. A key whose priority is raised,
  or whose timer has fired, joins the end of its level.
* A key that was handed out is not handed out again before ``done``; what was added meanwhile is kept for then.

And one of our own, so that a busy queue starves nobody: **ageing**. Once a key was ready for ``age_after`` seconds, it
takes turns with the rest by age: every second key handed out is then the one that has been ready longest. Fresh keys
of a high priority keep half of the capacity, whatever piles up below them.
"""

import heapq
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

TIMER_TOLERANCE = 1e-6
"""Seconds by which a timer may fire early: clocks are floats, and rounding must not make it fire twice."""
_COMPACT_FLOOR = 64


@dataclass(slots=True)
class _Entry(Generic[K]):
    key: K
    priority: int
    ready_at: float | None
    """When the timer fires; None once the key is ready."""
    ready_since: float
    stamp: int
    """Identifies the one heap item that is valid for this entry; all others are leftovers."""


class Item(NamedTuple, Generic[K]):
    """A key that was handed out, the priority it had, and the seconds it was ready."""

    key: K
    priority: int
    waited: float


class Change(NamedTuple):
    """What an add did, for the metrics: priorities of the ready entry before and after; None where there is none."""

    before: int | None
    after: int | None


class Schedule(Generic[K]):
    """The entries of one queue. ``now`` is in seconds on a monotonic scale and never goes back between calls.

    Every operation is O(log n); leftovers of changed entries are swept when they outnumber the living.
    """

    def __init__(self, age_after: float) -> None:
        self._age_after = age_after
        self._entries: dict[K, _Entry[K]] = {}
        self._ready: list[tuple[int, int, _Entry[K]]] = []
        self._waiting: list[tuple[float, int, _Entry[K]]] = []
        self._by_age: dict[K, _Entry[K]] = {}
        self._parked: dict[K, _Entry[K]] = {}
        self._held: dict[K, float] = {}
        self._stamps = 0
        self._age_had_its_turn = False

    def __len__(self) -> int:
        """Keys that are ready, including those that wait for ``done`` of their own."""
        return len(self._by_age) + len(self._parked)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def held_since(self) -> list[float]:
        """For each key in work, the time it was handed out."""
        return list(self._held.values())

    def add(self, key: K, priority: int, after: float, now: float) -> Change:
        """Ask for ``key`` in ``after`` seconds; 0 or less means now."""
        ready_at = now + after if after > 0 else None
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(key, priority, ready_at, now, 0)
            self._place(entry)
            return Change(None, priority if ready_at is None else None)
        before = entry.priority if entry.ready_at is None else None
        raised = priority > entry.priority
        entry.priority = max(entry.priority, priority)
        if entry.ready_at is not None and (ready_at is None or ready_at < entry.ready_at):
            entry.ready_at = ready_at
            entry.ready_since = now
            self._place(entry)
        elif raised and entry.ready_at is None:
            self._place(entry)
        return Change(before, entry.priority if entry.ready_at is None else None)

    def promote(self, now: float) -> list[int]:
        """Make ready what is due; the priorities of those keys."""
        promoted = []
        while (due := self._next_waiting()) is not None and due <= now + TIMER_TOLERANCE:
            entry = heapq.heappop(self._waiting)[2]
            entry.ready_at = None
            entry.ready_since = now
            self._place(entry)
            promoted.append(entry.priority)
        return promoted

    def next_due(self) -> float | None:
        """When ``promote`` will next have something to do."""
        return self._next_waiting()

    def pop(self, now: float) -> Item[K] | None:
        """Hand out the next key, if one is ready and not in work already."""
        entry = self._take(now)
        if entry is None:
            return None
        del self._entries[entry.key]
        del self._by_age[entry.key]
        entry.stamp = -1
        self._held[entry.key] = now
        return Item(entry.key, entry.priority, now - entry.ready_since)

    def has_next(self) -> bool:
        return bool(self._by_age)

    def done(self, key: K, now: float) -> float:
        """Work on ``key`` has ended; what was added meanwhile is ready now. The seconds it took (unknown key: 0)."""
        started = self._held.pop(key, None)
        if (entry := self._parked.pop(key, None)) is not None:
            self._place(entry)
        return now - started if started is not None else 0.0

    def _take(self, now: float) -> _Entry[K] | None:
        if not self._by_age:
            return None
        oldest = next(iter(self._by_age.values()))
        if now - oldest.ready_since >= self._age_after and not self._age_had_its_turn:
            self._age_had_its_turn = True
            return oldest
        self._age_had_its_turn = False
        while True:
            _, stamp, entry = heapq.heappop(self._ready)
            if entry.stamp == stamp:
                return entry

    def _place(self, entry: _Entry[K]) -> None:
        self._stamps += 1
        entry.stamp = self._stamps
        if entry.ready_at is not None:
            heapq.heappush(self._waiting, (entry.ready_at, entry.stamp, entry))
            if len(self._waiting) > 2 * len(self._entries) + _COMPACT_FLOOR:
                self._waiting = [item for item in self._waiting if item[2].stamp == item[1]]
                heapq.heapify(self._waiting)
        elif entry.key in self._held:
            self._parked[entry.key] = entry
        else:
            self._by_age.setdefault(entry.key, entry)
            heapq.heappush(self._ready, (-entry.priority, entry.stamp, entry))
            if len(self._ready) > 2 * len(self._entries) + _COMPACT_FLOOR:
                self._ready = [item for item in self._ready if item[2].stamp == item[1]]
                heapq.heapify(self._ready)

    def _next_waiting(self) -> float | None:
        while self._waiting and self._waiting[0][1] != self._waiting[0][2].stamp:
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None
