"""What can be explored: anything that a seed decides, and that can be played again with less of it."""

import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kdl_testing.sim.play import play, scenario_of
from kdl_testing.sim.scenario import Parted
from kdl_testing.sim.simulation import Simulation
from kdl_testing.sim.timeline import Moment

S = TypeVar("S", bound=Parted)


class Result(Protocol):
    """What a run has shown."""

    @property
    def violations(self) -> tuple[str, ...]:
        """Empty if all is well."""
        ...

    @property
    def moments(self) -> tuple[Moment, ...]: ...


class Experiment(Protocol[S]):
    """Made of a ``Simulation`` by ``experiment_of``, or written for a world of one's own, as a module's constant."""

    @property
    def name(self) -> str:
        """``module:constant``, where others find it."""
        ...

    def scenario(self, seed: int) -> S: ...

    def play(self, scenario: S, *, keep_timeline: bool = False) -> Result: ...


@dataclass(frozen=True)
class _OfSimulation:
    kind: type[Simulation]

    @property
    def name(self) -> str:
        return f"{self.kind.__module__}:{self.kind.__qualname__}"

    def scenario(self, seed: int) -> Any:
        return scenario_of(self.kind, seed)

    def play(self, scenario: Any, *, keep_timeline: bool = False) -> Result:
        return play(self.kind, scenario, keep_timeline=keep_timeline)


def experiment_of(subject: "Experiment[Any] | type[Simulation]") -> "Experiment[Any]":
    """A simulation as an experiment; an experiment as it is."""
    return _OfSimulation(subject) if isinstance(subject, type) else subject


@dataclass(frozen=True)
class Played:
    """One seed, played in full or in part."""

    seed: int
    kept: tuple[int, ...]
    violations: tuple[str, ...]
    moments: tuple[Moment, ...]


def replay(subject: "Experiment[Any] | type[Simulation]", seed: int, kept: Collection[int] | None = None) -> Played:
    """Plays one seed with its timeline; ``kept``: only these parts of its scenario."""
    experiment = experiment_of(subject)
    scenario = experiment.scenario(seed)
    if kept is not None:
        scenario = scenario.keep(kept)
    result = experiment.play(scenario, keep_timeline=True)
    return Played(seed, tuple(scenario.kept), result.violations, result.moments)


def replay_command(experiment: "Experiment[Any]", scenario: Parted, total: Sequence[int]) -> str:
    """The line for a shell that plays exactly this again."""
    kept = scenario.kept
    left = "" if tuple(kept) == tuple(total) else f" --keep {','.join(map(str, kept)) or 'none'}"
    return f"{_python_path(experiment)}python -m kdl_testing.sim {experiment.name} --seed {scenario.seed}{left}"


def _python_path(experiment: "Experiment[Any]") -> str:
    """Where the module of the experiment is imported from, if Python would not look there by itself."""
    module = experiment.name.partition(":")[0]
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file:
        return ""
    root = Path(file).resolve().parents[module.count(".")]
    if root == Path.cwd() or "site-packages" in root.parts or root == Path(__file__).resolve().parents[2]:
        return ""
    return f"PYTHONPATH={os.path.relpath(root)} "
