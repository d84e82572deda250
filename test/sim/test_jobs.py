"""Whatever goes wrong, each job ends as it should, no replica runs twice, and nothing is left behind.

``explore.py`` plays more seeds than these, and shows one of them step by step.
"""

import pytest

from sim.explore import play

SEEDS = 50


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_job_ends_as_it_should(seed: int) -> None:
    assert play(seed).violations == ()


def test_a_seed_replays_exactly() -> None:
    assert play(7, keep_timeline=True).moments == play(7, keep_timeline=True).moments
