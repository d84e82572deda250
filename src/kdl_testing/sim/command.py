"""The command line: many seeds, or one of them step by step.

``python -m kdl_testing.sim MODULE:NAME... --seeds 0:2000 --workers 2`` and
``python -m kdl_testing.sim MODULE:NAME --seed 7 --keep 0,3``.
"""

import argparse
import importlib
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kdl_testing.sim.experiment import Experiment, experiment_of, replay
from kdl_testing.sim.explore import Report, explore, smallest

_STYLES = {"VIOLATION": "bold red", "incident": "yellow", "user": "magenta", "log": "dim"}


def find(target: str) -> "Experiment[Any]":
    """The experiment or simulation that ``module:name`` names. ValueError if there is none."""
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{target!r} is not MODULE:NAME of a simulation: {error}") from error
    return experiment_of(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if no run fails, 1 if some do."""
    parser = argparse.ArgumentParser(prog="python -m kdl_testing.sim", description=__doc__)
    parser.add_argument(
        "targets", type=find, nargs="+", metavar="MODULE:NAME", help="Simulations or Experiments, one after the other"
    )
    parser.add_argument("--seeds", type=_seeds, default=range(200), help="FIRST:LAST, LAST not included")
    parser.add_argument("--seed", type=int, help="play this one only, and print all that happens")
    parser.add_argument("--keep", type=_numbers, help="with --seed: only these parts of it, or none")
    parser.add_argument("--shrink", action="store_true", help="with --seed: look for the smallest that fails")
    parser.add_argument("--workers", type=int, default=1, help="processes that play seeds at the same time")
    given = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if given.seed is None:
        reports = [_explore(target, given.seeds, given.workers, console) for target in given.targets]
        failed = sum(len(report.failures) for report in reports)
        if len(reports) > 1:
            console.print(f"{sum(report.played for report in reports)} played, {failed} failed")
        return min(failed, 1)
    if len(given.targets) > 1:
        parser.error("--seed plays one simulation: name one")
    [target] = given.targets
    if given.shrink:
        console.print(str(smallest(target, given.seed)))
        return 1
    return _show(target, given.seed, given.keep, console)


def _explore(experiment: "Experiment[Any]", seeds: range, workers: int, console: Console) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("0 failed", total=len(seeds))
        told = 0

        def tell(report: Report) -> None:
            nonlocal told
            for failure in report.failures[told:]:
                console.print(str(failure), style="red")
            told = len(report.failures)
            progress.update(task, completed=report.played, description=f"{told} failed")

        report = explore(experiment, seeds, workers=workers, most_failures=10, on_progress=tell)
    milliseconds = report.cpu_per_run * 1000
    counts = f"{report.played} played, {len(report.failures)} failed, {milliseconds:.1f} ms of CPU for each"
    console.print(f"{experiment.name}: {counts}")
    return report


def _show(experiment: "Experiment[Any]", seed: int, kept: "tuple[int, ...] | None", console: Console) -> int:
    scenario = experiment.scenario(seed)
    for number, line in zip(scenario.kept, scenario.describe(), strict=True):
        left_out = kept is not None and number not in kept
        console.print(f"{number:3} {line}", style="dim" if left_out else "")
    played = replay(experiment, seed, kept)
    for moment in played.moments:
        console.print(f"{moment.at:9.3f}  {moment.actor:12}  {moment.text}", style=_STYLES.get(moment.actor, ""))
    for text in played.violations:
        console.print(text, style="bold red")
    return min(len(played.violations), 1)


def _seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last or int(first) + 1))


def _numbers(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(map(int, text.split(",")))
