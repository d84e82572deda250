"""The conditions of a job as a history: what came when, and what is new since the last look."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kdl_cli.durations import short_duration
from kdl_cli.tables import columns, render, state
from kdl_workloads.job import Condition

_HEADS = columns("AFTER", "STATE", "REASON", "MESSAGE")


def rows(conditions: Iterable[Condition], start: datetime) -> list[tuple[str, str, str, str]]:
    """In the order of time. A condition that holds no more (Running, after the end) is still part of the history."""
    ordered = sorted(conditions, key=lambda condition: condition.last_transition_time)
    return [
        (
            "+" + short_duration(condition.last_transition_time - start),
            state(condition.type.value),
            condition.reason,
            condition.message,
        )
        for condition in ordered
    ]


def table(conditions: Sequence[Condition], start: datetime) -> list[str]:
    return render(_HEADS, rows(conditions, start)) if conditions else ["none yet"]


@dataclass(slots=True)
class Timeline:
    """Tells each condition once, when it begins to hold. One that comes back (Running after Restarting) is told
    again, because its time or reason is another."""

    start: datetime
    _told: set[tuple[str, str, datetime]] = field(default_factory=set)

    def news(self, conditions: Sequence[Condition]) -> list[Condition]:
        fresh = []
        for condition in conditions:
            identity = (condition.type.value, condition.reason, condition.last_transition_time)
            if condition.status and identity not in self._told:
                self._told.add(identity)
                fresh.append(condition)
        return fresh

    def line(self, condition: Condition) -> str:
        after = "+" + short_duration(condition.last_transition_time - self.start)
        padding = " " * max(0, len("Restarting") - len(condition.type.value))
        return f"{after:<6} {state(condition.type.value)}{padding}  {condition.reason}: {condition.message}"
