"""Whatever goes wrong, caches end as the server is, every change is looked at, and nothing is lost, doubled or left.

``PYTHONPATH=test python -m kdl_testing.sim sim.runtime.simulations:Sets --seeds 0:100000 --workers 2`` plays more.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdl_testing.sim import ALL_FAULTS, Fault, Simulation, check
from kdl_testing.sim.play import scenario_of
from sim.runtime.simulations import SIMULATIONS, Sets

SEEDS = int(os.environ.get("KDL_SIM_SEEDS", "1500"))
"""Of all simulations together."""
BLOCK = 50
"""Seeds of one simulation in one test."""
BLOCKS = range(0, SEEDS // len(SIMULATIONS), BLOCK)
DIGEST = """
import hashlib
from kdl_testing.sim import replay
from sim.runtime.simulations import SIMULATIONS
played = [replay(simulation, seed) for simulation in SIMULATIONS for seed in range(8)]
print(hashlib.sha256(repr(played).encode()).hexdigest(), sum(len(run.moments) for run in played))
"""


@pytest.mark.parametrize("first", BLOCKS)
@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.__name__)
def test_nothing_is_lost_doubled_or_left(simulation: type[Simulation], first: int) -> None:
    check(simulation, range(first, first + BLOCK))


def test_every_fault_is_played() -> None:
    faults = (part for seed in range(200) for part in scenario_of(Sets, seed).drawn if isinstance(part, Fault))
    assert {fault.kind for fault in faults} == ALL_FAULTS


def test_a_seed_is_the_same_in_every_process() -> None:
    """Whatever the addresses of objects and the hashes of texts are."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    commands = [sys.executable, "-c", DIGEST]
    running = [
        subprocess.Popen(
            commands, env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True
        )
        for seed in ("1", "2")
    ]
    first, second = (process.communicate(timeout=100)[0] for process in running)
    assert first == second
    assert int(first.split()[1]) > 500
