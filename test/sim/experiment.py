"""The jobs of the operator as an experiment: ``PYTHONPATH=test python -m kdl_testing.sim sim.experiment:JOBS``."""

from dataclasses import dataclass

from kdl_testing import virtual_time
from kdl_testing.sim import Moment
from sim.scenario import Scenario, scenario
from sim.world import JobWorld

LIMIT = 3 * 3600.0
"""Virtual seconds after which what has not ended is taken to hang."""


@dataclass(frozen=True)
class Played:
    """What one scenario has shown."""

    seed: int
    violations: tuple[str, ...]
    moments: tuple[Moment, ...] = ()


class Jobs:
    """Plays ``Scenario``s."""

    name = "sim.experiment:JOBS"

    def scenario(self, seed: int) -> Scenario:
        return scenario(seed)

    def play(self, scenario: Scenario, *, keep_timeline: bool = False) -> Played:
        world: JobWorld | None = None

        async def main() -> None:
            nonlocal world
            world = JobWorld(scenario, keep_timeline=keep_timeline)
            await world.run(LIMIT)

        found: tuple[str, ...] = ()
        try:
            virtual_time.run(main())
        except Exception as error:
            # A fault of the simulation, or one that took it down: as bad as a violation, and to be shown like one.
            found = (f"seed {scenario.seed}: {error!r}",)
        if world is None:
            return Played(scenario.seed, found)
        timeline = world.timeline
        return Played(scenario.seed, (*timeline.violations, *found), tuple(timeline.moments))


JOBS = Jobs()
