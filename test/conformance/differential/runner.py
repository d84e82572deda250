"""Runs sequences on both servers and says where they differ."""

import asyncio
import itertools
import random
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from conformance.differential.accepted import Accepted, explanation
from conformance.differential.compare import Difference, differences
from conformance.differential.exchange import Exchange
from conformance.differential.normal import normalise
from conformance.differential.side import Session, Side
from conformance.differential.steps import Step

QUIET = 0.08
"""Seconds without a further event after which all events of a watch are taken to be there."""
PATIENCE = 8.0

_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Finding:
    """The differences of one request."""

    index: int
    exchange: Exchange
    unexplained: tuple[Difference, ...]
    explained: tuple[Accepted, ...]


@dataclass
class Outcome:
    """Of one sequence: the first request with an unexplained difference, if any, and what was explained before it.

    ``cut``: an accepted difference has put the servers into different states, and the rest was not compared.
    """

    steps: Sequence[Step]
    explained: Counter[str] = field(default_factory=Counter)
    finding: Finding | None = None
    compared: int = 0
    cut: bool = False
    exchanges: list[Exchange | None] = field(default_factory=list)


class Runner:
    """``real`` is what ``local`` is held to, ``patience`` seconds that a watch with less than the other one
    gets to bring the rest. Names of a runner's sequences are not those of another one's."""

    def __init__(self, real: Side, local: Side, patience: float = PATIENCE) -> None:
        self.real = real
        self.local = local
        self._patience = patience
        self._run = "".join(random.SystemRandom().choices(_ALPHABET, k=4))
        self._numbers = itertools.count()

    async def run(self, steps: Sequence[Step]) -> Outcome:
        token = f"{self._run}{next(self._numbers):05d}"
        real, local = self.real.session(token), self.local.session(token)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(real.run(steps))
                group.create_task(local.run(steps))
            await _settle(real, local, self._patience)
        finally:
            await asyncio.gather(real.close(), local.close())
        return _judge(steps, real, local)


async def differs(runner: Runner, item: Accepted) -> bool:
    """Whether the example of an accepted difference still shows it, and nothing that is not accepted."""
    outcome = await runner.run(item.example)
    return item.id in outcome.explained and outcome.finding is None


async def _settle(real: Session, local: Session, patience: float) -> None:
    """Waits until both have brought as many events, and none has come for a while."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    before = None
    if not real.events and not local.events:
        return
    while loop.time() < end:
        now = (real.events, local.events)
        if now == before and (now[0] == now[1]):
            return
        before = now
        await asyncio.sleep(QUIET)


def _judge(steps: Sequence[Step], real: Session, local: Session) -> Outcome:
    outcome = Outcome(steps)
    pairs = zip(steps, normalise(steps, real.answers), normalise(steps, local.answers), strict=True)
    outcome.exchanges = [Exchange(step, one, other) if one and other else None for step, one, other in pairs]
    # Events tell what earlier requests did: a watch is judged after them.
    order = sorted(range(len(steps)), key=lambda index: (steps[index].watch, index))
    for index in order:
        exchange = outcome.exchanges[index]
        if exchange is None:
            continue
        outcome.compared += 1
        found = [
            (difference, explanation(exchange, difference)) for difference in differences(exchange.real, exchange.local)
        ]
        unexplained = tuple(difference for difference, accepted in found if accepted is None)
        explained = tuple(accepted for _, accepted in found if accepted is not None)
        outcome.explained.update({item.id for item in explained})
        if unexplained:
            outcome.finding = Finding(index, exchange, unexplained, explained)
            return outcome
        if any(item.diverges for item in explained):
            outcome.cut = True
            return outcome
    return outcome
