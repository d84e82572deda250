"""What may differ: one list of differences, one of messages. docs/local-cluster.md says the same to users."""

from collections.abc import Callable
from dataclasses import dataclass

from conformance.differential.compare import Difference
from conformance.differential.normal import Normal
from conformance.differential.steps import Step


@dataclass(frozen=True)
class Exchange:
    """One request with both answers."""

    step: Step
    real: Normal
    local: Normal


@dataclass(frozen=True)
class Accepted:
    """``id`` and ``what`` are in the documentation; ``why`` is for whoever wonders. ``recognise`` tells whether a
    difference is this one. ``diverges``: the two servers are in different states afterwards, so that the rest of the
    sequence says nothing.
    """

    id: str
    what: str
    why: str
    recognise: Callable[[Exchange, Difference], bool]
    diverges: bool = False


ACCEPTED: tuple[Accepted, ...] = ()


def explanation(exchange: Exchange, difference: Difference) -> Accepted | None:
    return next((item for item in ACCEPTED if item.recognise(exchange, difference)), None)
