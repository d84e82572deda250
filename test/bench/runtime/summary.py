"""Of several repetitions, the median and how far they lie apart."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Of one figure over all repetitions."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def spreads(outcomes: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Of each figure that the outcomes have."""
    return {name: spread([outcome[name] for outcome in outcomes]) for name in outcomes[0]}


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed (nearest rank)."""
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]
