"""Bugs that are planted in the runtime and in operators are found, shrunk to little, and replayed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kdl_runtime.cache import informer, watcher
from kdl_runtime.cache.transitions import State, Transition
from kdl_runtime.cache.watchdog import Watchdog
from kdl_runtime.client.options import Patch, PatchType, WriteOptions
from kdl_runtime.codec.times import parse_time
from kdl_runtime.controller import finalizers
from kdl_runtime.controller.finalizers import FinalizerStep
from kdl_runtime.leader.elector import LeaderElector
from kdl_runtime.queue.priority import PriorityQueue
from kdl_runtime.queue.schedule import Schedule
from kdl_testing.sim import FaultKind, Simulation, explore, replay
from sim.runtime.kinds import SETS
from sim.runtime.sets import SetReconciler
from sim.runtime.simulations import Batches, Buckets, Sets


class Restores(Sets):
    """Nothing goes wrong but that the store is set back."""

    settings = replace(Sets.settings, dice=replace(Sets.dice, kinds=frozenset({FaultKind.RESTORE})))


SEEDS = 80
"""Within so many every bug is found."""


def no_retry(planted: pytest.MonkeyPatch) -> None:
    """What fails is not tried again."""
    add = PriorityQueue.add

    def forgetful(self: Any, key: Any, priority: int = 0, after: Any = None, *, rate_limited: bool = False) -> None:
        if not rate_limited:
            add(self, key, priority, after)

    planted.setattr(PriorityQueue, "add", forgetful)


def lost_while_working(planted: pytest.MonkeyPatch) -> None:
    """What happens to an object while it is reconciled is forgotten."""
    done = Schedule.done

    def forgetful(self: Any, key: Any, now: float) -> float:
        self._parked.pop(key, None)
        self._entries.pop(key, None)
        return done(self, key, now)

    planted.setattr(Schedule, "done", forgetful)


def two_workers(planted: pytest.MonkeyPatch) -> None:
    """A key is handed out although somebody works on it."""
    pop = Schedule.pop

    def careless(self: Any, now: float) -> Any:
        item = pop(self, now)
        self._held.clear()
        return item

    planted.setattr(Schedule, "pop", careless)


def never_lists_again(planted: pytest.MonkeyPatch) -> None:
    """A watch whose version has expired is tried again and again."""
    planted.setattr(watcher, "after_watch_failure", lambda *_: Transition(State.WATCH, back_off=True))


def trusts_silence(planted: pytest.MonkeyPatch) -> None:
    """A watch that says nothing any more is believed for ever."""
    planted.setattr(Watchdog, "_look", lambda self: None)


def own_writes_always_win(planted: pytest.MonkeyPatch) -> None:
    """The answer to a write goes into the cache, however old it is by then."""
    planted.setattr(informer, "write_wins", lambda *_: True)


def applies_first(planted: pytest.MonkeyPatch) -> None:
    """A finalizer is put on after what it stands for was done."""
    next_step = finalizers.next_step

    def hasty(metadata: Any, finalizer: str) -> FinalizerStep:
        step = next_step(metadata, finalizer)
        return FinalizerStep.APPLY if step is FinalizerStep.ADD else step

    planted.setattr(finalizers, "next_step", hasty)


def leads_for_ever(planted: pytest.MonkeyPatch) -> None:
    """A leader does not notice that it has lost the lease."""

    async def renew(self: Any) -> None:
        while True:
            await self._clock.sleep(self.options.retry_period)
            await self._attempt()

    planted.setattr(LeaderElector, "renew", renew)


def trusts_clocks(planted: pytest.MonkeyPatch) -> None:
    """A candidate compares the time that is written in the lease with its own."""
    see = LeaderElector._see

    def trustful(self: Any, lease: Any) -> None:
        see(self, lease)
        if renewed := self._observed.record.renew_time:
            age = (self._clock.now() - parse_time(renewed)).total_seconds()
            self._observed = replace(self._observed, since=self._clock.monotonic() - age)

    planted.setattr(LeaderElector, "_see", trustful)


def never_goes_back(planted: pytest.MonkeyPatch) -> None:
    """A list that is older than what was known is refused for ever, also by a server that has been set back."""
    for name in ("after_list_failure", "after_stream_list_failure"):
        after = getattr(watcher, name)
        planted.setattr(watcher, name, lambda error, after=after: replace(after(error), latest=False))


def writes_what_is_so(planted: pytest.MonkeyPatch) -> None:
    """An operator writes a status that has not changed."""
    report = SetReconciler._report

    async def eager(self: Any, owner: Any, ready: int) -> None:
        await report(self, owner, ready)
        body = Patch(PatchType.MERGE, {"status": {"ready": ready}})
        await self._client.patch(SETS, owner.metadata.key, body, WriteOptions(subresource="status"))

    planted.setattr(SetReconciler, "_report", eager)


def keeps_surplus(planted: pytest.MonkeyPatch) -> None:
    """An operator does not delete the children that are too many."""

    async def nothing(self: Any, child: Any) -> None: ...

    planted.setattr(SetReconciler, "_delete", nothing)


BUGS: list[tuple[Callable[[pytest.MonkeyPatch], None], type[Simulation], str]] = [
    (no_retry, Sets, "at the end"),
    (lost_while_working, Buckets, "has not looked at"),
    (two_workers, Sets, "at the same time"),
    (never_lists_again, Sets, "at the end"),
    (trusts_silence, Batches, "at the end"),
    (own_writes_always_win, Sets, "goes back"),
    (applies_first, Buckets, "its bucket is still there"),
    (leads_for_ever, Sets, "lead"),
    (trusts_clocks, Sets, "lead"),
    (never_goes_back, Restores, "at the end"),
    (writes_what_is_so, Sets, "changes nothing"),
    (keeps_surplus, Sets, "has {"),
]


@pytest.mark.parametrize(("plant", "simulation", "words"), BUGS, ids=[plant.__name__ for plant, _, _ in BUGS])
def test_a_planted_bug_is_found_shrunk_and_replayed(
    plant: Callable[[pytest.MonkeyPatch], None],
    simulation: type[Simulation],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    report = explore(simulation, range(SEEDS), most_failures=1)
    assert report.failures, f"not found within {SEEDS} seeds"
    failure = report.failures[0]
    assert any(words in text for text in failure.violations), failure
    assert len(failure.scenario) <= 5, failure
    assert replay(simulation, failure.seed, failure.kept).violations == failure.violations
    monkeypatch.undo()
    assert replay(simulation, failure.seed, failure.kept).violations == ()
