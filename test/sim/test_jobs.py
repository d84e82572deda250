"""Whatever goes wrong, each job ends as it should, no replica runs twice, and nothing is left behind.

``PYTHONPATH=test python -m kdl_testing.sim sim.experiment:JOBS`` plays more seeds than these, and shows one of them
step by step.
"""

import pytest

from kdl_testing.sim import check, replay
from sim.experiment import JOBS

SEEDS = 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_job_ends_as_it_should(seed: int) -> None:
    check(JOBS, [seed])


def test_a_seed_replays_exactly() -> None:
    assert replay(JOBS, 7) == replay(JOBS, 7)
    assert replay(JOBS, 7).moments


def test_a_scenario_can_do_without_any_of_its_parts() -> None:
    whole = JOBS.scenario(3)
    assert len(whole.kept) > 4
    assert {len(whole.keep(set(whole.kept) - {number}).kept) for number in whole.kept} == {len(whole.kept) - 1}
    assert JOBS.play(whole.keep(())).violations == ()
