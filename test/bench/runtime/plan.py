"""What is measured, and of whom."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

EVERYBODY = ("kdl", "lightkube", "kubernetes", "kopf")


@dataclass(frozen=True)
class Measurement:
    """``kind`` is that of the contender's process. ``rate`` in events per second, 0 for as fast as they are taken.
    ``patience``: seconds for each phase of one run. ``settle``: seconds from the end of the list until memory is
    measured: kopf keeps a worker for each object for five."""

    name: str
    kind: str
    contenders: Sequence[str]
    pods: int
    repetitions: int
    events: int = 0
    rate: float = 0.0
    patience: float = 300.0
    settle: float = 7.0


FULL = (
    Measurement("events", "events", ("kdl", "kdl-whole", *EVERYBODY[1:]), pods=2_000, repetitions=5, events=20_000),
    Measurement("latency-idle", "events", EVERYBODY, pods=1_000, repetitions=5, events=400, rate=25),
    Measurement("latency-500", "events", EVERYBODY, pods=1_000, repetitions=5, events=5_000, rate=500),
    Measurement("latency-5000", "events", EVERYBODY, pods=1_000, repetitions=3, events=50_000, rate=5_000),
    Measurement("start", "start", EVERYBODY, pods=10_000, repetitions=5),
    Measurement(
        "memory-10000",
        "memory",
        ("kdl", "kdl-projected", "lightkube", "kubernetes", "kopf", "kopf-keeping"),
        pods=10_000,
        repetitions=3,
    ),
    Measurement(
        "memory-100000",
        "memory",
        ("kdl", "kdl-projected", "lightkube", "kubernetes", "kopf", "kopf-keeping"),
        pods=100_000,
        repetitions=1,
        patience=600,
    ),
)
"""Half an hour on two CPUs."""


def quick(plan: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """A look at all of it, of less worth: a tenth of the objects and events, each once."""
    return tuple(replace(one, pods=one.pods // 10, events=one.events // 10, repetitions=1) for one in plan)


def turns(contenders: Sequence[str], repetition: int) -> tuple[str, ...]:
    """The order of one repetition. Somebody else is first in each, so that what the machine does besides hits all."""
    first = repetition % max(len(contenders), 1)
    return (*contenders[first:], *contenders[:first])
