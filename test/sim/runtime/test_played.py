"""Every fault is not only drawn: it meets what it is meant for, and nothing is lost, doubled or left because of it."""

from dataclasses import replace

import pytest

from kdl_testing.sim import FaultKind, Simulation
from kdl_testing.sim.incidents import VERSIONS_GO_BACK
from kdl_testing.sim.play import FORMER_LEADER_WRITES, LONG_PAUSE, SKEWED_LEADER, UNDECODABLE, play, scenario_of
from sim.runtime.simulations import Sets

SEEDS = 300
"""Within so many seeds of faults of one kind one has met something."""
OTHERS = {
    "reconciler-raise": None,
    "reconciler-hang": None,
    "reconciler-block": None,
    UNDECODABLE: None,
    SKEWED_LEADER: None,
    VERSIONS_GO_BACK: FaultKind.RESTORE,
    LONG_PAUSE: FaultKind.PAUSE,
    FORMER_LEADER_WRITES: FaultKind.OVERLAP,
}
"""What is counted besides the faults, and the fault that leads to it."""


def only(simulation: type[Simulation], kind: FaultKind | None) -> type[Simulation]:
    """The same with faults of one kind, or none, and two processes."""
    kinds = frozenset() if kind is None else frozenset({kind})
    dice = replace(simulation.settings.dice, kinds=kinds, replicas=1.0)
    return type("Only", (simulation,), {"settings": replace(simulation.settings, dice=dice)})


@pytest.mark.parametrize(("effect", "kind"), [*((kind.value, kind) for kind in FaultKind), *OTHERS.items()], ids=str)
def test_it_meets_something_and_breaks_nothing(effect: str, kind: FaultKind | None) -> None:
    played = only(Sets, kind)
    met = 0
    for seed in range(SEEDS):
        run = play(played, scenario_of(played, seed))
        assert run.violations == ()
        met += run.effects.get(effect, 0)
        if met:
            break
    assert met > 0
