"""Plays many seeds, or one of them step by step.

``python test/sim/explore.py --seeds 0:2000 --workers 2`` and ``python test/sim/explore.py --seed 7 --verbose``.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kdl_testing import virtual_time
from sim.scenario import scenario
from sim.timeline import Moment
from sim.world import World

LIMIT = 3 * 3600.0
"""Virtual seconds after which what has not ended is taken to hang."""
STYLES = {"VIOLATION": "bold red", "incident": "yellow", "user": "magenta", "operator": "cyan", "operator log": "dim"}


@dataclass(frozen=True)
class Played:
    """What one seed has shown."""

    seed: int
    violations: tuple[str, ...]
    moments: tuple[Moment, ...] = ()


def play(seed: int, *, keep_timeline: bool = False) -> Played:
    world: World | None = None

    async def main() -> World:
        nonlocal world
        world = World(scenario(seed), keep_timeline=keep_timeline)
        await world.run(LIMIT)
        return world

    try:
        timeline = virtual_time.run(main()).timeline
    except Exception as error:
        # A fault of the simulation, or one that took it down: as bad as a violation, and to be shown like one.
        known = tuple(world.timeline.violations) if world else ()
        return Played(seed, (*known, f"seed {seed}: {error!r}"), tuple(world.timeline.moments) if world else ())
    return Played(seed, tuple(timeline.violations), tuple(timeline.moments))


def explore(seeds: range, workers: int, console: Console) -> int:
    """The number of seeds that failed."""
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ProcessPoolExecutor(workers) as pool:
        task = progress.add_task("0 failed", total=len(seeds))
        for future in as_completed([pool.submit(play, seed) for seed in seeds]):
            played = future.result()
            failed += bool(played.violations)
            for text in played.violations[:5]:
                console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
            progress.update(task, advance=1, description=f"{failed} failed")
    return failed


def show(seed: int, console: Console) -> int:
    """Plays one seed and prints its timeline; the number of violations."""
    plan = scenario(seed)
    console.print(plan, soft_wrap=True)
    played = play(seed, keep_timeline=True)
    for moment in played.moments:
        line = f"{moment.at:9.3f}  {moment.actor:12}  {moment.text}"
        console.print(line, style=STYLES.get(moment.actor, ""), highlight=False, markup=False, soft_wrap=True)
    for text in played.violations:
        console.print(text, style="bold red", highlight=False, markup=False, soft_wrap=True)
    return len(played.violations)


def _seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last or int(first) + 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(200), help="FIRST:LAST, LAST not included")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("--verbose", action="store_true", help="with --seed: print all that happens")
    parser.add_argument("--workers", type=int, default=1, help="processes that play seeds at the same time")
    arguments = parser.parse_args()
    console = Console()
    if arguments.seed is not None and arguments.verbose:
        return min(show(arguments.seed, console), 1)
    seeds = arguments.seeds if arguments.seed is None else range(arguments.seed, arguments.seed + 1)
    return min(explore(seeds, arguments.workers, console), 1)


if __name__ == "__main__":
    sys.exit(main())
