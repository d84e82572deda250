"""What happened in a simulation, in order, for a person to read."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Moment(NamedTuple):
    """``at``: virtual seconds from the start. ``actor``: whose doing it was."""

    at: float
    actor: str
    text: str


@dataclass
class Timeline:
    """``moments`` is filled only when ``keep`` is set; violations and effects are kept in any case.

    ``effects``: how often each fault has really changed what happened, by its name. One that nobody met is not in it.
    """

    seed: int
    now: Callable[[], float]
    keep: bool = False
    moments: list[Moment] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    effects: Counter[str] = field(default_factory=Counter)

    def add(self, actor: str, text: str) -> None:
        if self.keep:
            self.moments.append(Moment(self.now(), actor, text))

    def violated(self, subject: str, text: str) -> None:
        """A rule does not hold. Told once for each subject and text."""
        message = f"{subject}: {text}"
        if not any(known.endswith(f" {message}") for known in self.violations):
            self.violations.append(f"seed {self.seed}, t={self.now():.1f} s, {message}")
            self.add("VIOLATION", message)
