"""What a seed decides: the parts of one run, each of which can be left out."""

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from kdl_testing.sim.faults import LEADERSHIP_FAULTS, Fault, FaultKind, draw_fault


class Parted(Protocol):
    """A scenario that can be made smaller: by what is left of its parts."""

    @property
    def seed(self) -> int: ...

    @property
    def kept(self) -> tuple[int, ...]:
        """The numbers of the parts that are there, in order."""
        ...

    def keep(self, numbers: Collection[int]) -> Self:
        """The same with no more than these parts."""
        ...

    def subject(self, number: int) -> str:
        """What a part is about; parts of one subject are left out together first. Empty for none."""
        ...

    def describe(self) -> Sequence[str]:
        """A line for each part that is there."""
        ...


@dataclass(frozen=True, slots=True)
class Action:
    """What a user does ``at`` a virtual time: ``kind`` and ``value`` are the simulation's, ``subject`` names the object
    that it is done to."""

    at: float
    kind: str
    subject: str = ""
    value: Any = None

    def __str__(self) -> str:
        value = "" if self.value is None else f" {self.value}"
        return f"t={self.at:.1f} {self.kind} {self.subject}{value}"


@dataclass(frozen=True, slots=True)
class Replica:
    """One more process, whose time of day is wrong by ``skew`` seconds. Without any there is one process, and no
    leader election."""

    skew: float

    def __str__(self) -> str:
        return f"one more process, whose clock is {self.skew:+.0f} s off"

    @property
    def subject(self) -> str:
        return "leader election"


@dataclass(frozen=True, slots=True)
class Pages:
    """Lists come in pages of ``size`` objects, and are not streamed."""

    size: int

    def __str__(self) -> str:
        return f"lists in pages of {self.size}"

    @property
    def subject(self) -> str:
        return ""


Part = Action | Fault | Replica | Pages


@dataclass(frozen=True)
class Scenario:
    """``drawn``: everything that the seed has decided. ``chosen``: the numbers of what is played of it."""

    seed: int
    drawn: tuple[Part, ...]
    chosen: tuple[int, ...]

    @classmethod
    def of(cls, seed: int, drawn: Sequence[Part]) -> "Scenario":
        return cls(seed, tuple(drawn), tuple(range(len(drawn))))

    @property
    def kept(self) -> tuple[int, ...]:
        return self.chosen

    def keep(self, numbers: Collection[int]) -> "Scenario":
        return replace(self, chosen=tuple(number for number in self.chosen if number in numbers))

    def subject(self, number: int) -> str:
        part = self.drawn[number]
        return "leader election" if isinstance(part, Fault) and part.kind in LEADERSHIP_FAULTS else part.subject

    def describe(self) -> list[str]:
        return [str(self.drawn[number]) for number in self.chosen]

    @property
    def actions(self) -> Iterator[Action]:
        return (part for number in self.chosen if isinstance(part := self.drawn[number], Action))

    @property
    def faults(self) -> Iterator[tuple[int, Fault]]:
        """With the number of each."""
        return ((number, part) for number in self.chosen if isinstance(part := self.drawn[number], Fault))

    @property
    def replicas(self) -> Iterator[Replica]:
        return (part for number in self.chosen if isinstance(part := self.drawn[number], Replica))

    @property
    def page_size(self) -> int | None:
        """None: lists are streamed."""
        return next((part.size for n in self.chosen if isinstance(part := self.drawn[n], Pages)), None)


@dataclass(frozen=True, slots=True)
class Dice:
    """How scenarios are drawn. ``duration`` in virtual seconds: within it all actions and faults happen."""

    duration: float = 60.0
    kinds: frozenset[FaultKind] = frozenset(FaultKind)
    most_faults: int = 4
    replicas: float = 0.5
    """How often there is a second process, from 0 to 1."""
    pages: float = 0.3


def draw(seed: int, dice: Dice, actions: Callable[[random.Random], Sequence[Action]]) -> Scenario:
    rng = random.Random(seed)
    parts: list[Part] = []
    if rng.random() < dice.replicas:
        parts.append(Replica(rng.choice((0.0, 3.0, -40.0, 3600.0))))
    if rng.random() < dice.pages:
        parts.append(Pages(rng.choice((1, 2))))
    kinds = sorted(dice.kinds if parts and isinstance(parts[0], Replica) else dice.kinds - LEADERSHIP_FAULTS)
    count = rng.randint(0, dice.most_faults) if kinds else 0
    faults = [draw_fault(rng, kinds, dice.duration) for _ in range(count)]
    faults.sort(key=lambda fault: fault.at)
    paged = any(isinstance(part, Pages) for part in parts)
    if not paged and any(fault.kind is FaultKind.EXPIRED_PAGES for fault in faults):
        parts.append(Pages(1))
    return Scenario.of(seed, [*parts, *faults, *sorted(actions(rng), key=lambda action: action.at)])
