"""From a scenario that fails to a smallest one that does."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from kdl_testing.sim.scenario import Parted

S = TypeVar("S", bound=Parted)

MOST_RUNS = 400
"""Runs that the search may cost."""


def shrink(scenario: S, fails: Callable[[S], bool], most_runs: int = MOST_RUNS) -> S:
    """Leaves out what can be left out while ``fails`` holds: all of one subject, then halves, quarters and so on, then
    single parts, again and again until no single part can go. ``scenario`` must fail.
    """
    runs = 0
    while True:
        for attempt in _smaller(scenario):
            if runs == most_runs:
                return scenario
            runs += 1
            if fails(attempt):
                scenario = attempt
                break
        else:
            return scenario


def _smaller(scenario: S) -> Iterator[S]:
    """The boldest first."""
    kept = scenario.kept
    subjects = sorted({scenario.subject(number) for number in kept} - {""})
    for subject in subjects:
        rest = [number for number in kept if scenario.subject(number) != subject]
        if len(kept) - len(rest) > 1:
            yield scenario.keep(rest)
    size = len(kept) // 2
    while size > 0:
        for start in range(0, len(kept), size):
            yield scenario.keep([*kept[:start], *kept[start + size :]])
        size //= 2
