"""Whatever goes wrong, each job ends as it should, no replica runs twice, and nothing is left behind."""

import pytest

from kdl_testing import virtual_time
from sim.scenario import scenario
from sim.world import World

SEEDS = 40
LIMIT = 6 * 3600.0
"""Virtual seconds after which a job that has not ended is one that hangs."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_job_ends_as_it_should(seed: int) -> None:
    async def main() -> World:
        world = World(scenario(seed))
        await world.run(LIMIT)
        return world

    world = virtual_time.run(main())
    assert world.invariants.violations == []
    expected = {job.name: job.expected for job in world.scenario.jobs}
    assert {name for name in expected if name not in world.outcomes} == set(), "jobs that never ended"
    assert {n: o for n, o in world.outcomes.items() if o not in expected[n]} == {}


def test_a_seed_replays_exactly() -> None:
    async def main() -> tuple[int, dict[str, str], float]:
        world = World(scenario(7))
        await world.run(LIMIT)
        return world.server.store.revision, world.outcomes, world.clock.monotonic()

    assert virtual_time.run(main()) == virtual_time.run(main())
