"""Plays many seeds, and makes of each that fails the smallest scenario that does."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from kdl_testing.sim.experiment import Experiment, experiment_of, replay_command
from kdl_testing.sim.scenario import Parted
from kdl_testing.sim.shrink import MOST_RUNS, shrink
from kdl_testing.sim.simulation import Simulation

BATCH = 25
"""Seeds that one worker process plays in a row."""
_SHOWN = 5


@dataclass(frozen=True)
class Failure:
    """A seed that fails. ``scenario``: the parts of the smallest scenario, a line each. ``violations``: those of the
    smallest, ``first`` what the whole seed showed. ``command`` plays the smallest again, ``original`` the whole.
    """

    seed: int
    kept: tuple[int, ...]
    scenario: tuple[str, ...]
    violations: tuple[str, ...]
    first: tuple[str, ...]
    command: str
    original: str

    def __str__(self) -> str:
        parts = "".join(f"    {line}\n" for line in self.scenario) or "    nothing but the start\n"
        found = "".join(f"  {text}\n" for text in self.violations[:_SHOWN])
        return f"{found}  the smallest scenario:\n{parts}  replay it: {self.command}\n  replay all: {self.original}"


@dataclass
class Report:
    """``cpu_seconds`` of all runs, without those of shrinking."""

    played: int = 0
    cpu_seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def cpu_per_run(self) -> float:
        """Seconds."""
        return self.cpu_seconds / self.played if self.played else 0.0


def explore(
    subject: "Experiment[Any] | type[Simulation]",
    seeds: Iterable[int],
    *,
    workers: int = 1,
    most_failures: int = 3,
    on_progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Plays ``seeds`` until ``most_failures`` have failed. More than one worker are processes of their own, which need
    to be able to import what is played. ``on_progress`` is called now and then."""
    experiment, report = experiment_of(subject), Report()
    with _batches(experiment, seeds, workers) as results:
        for played, cpu, failed in results:
            report.played += played
            report.cpu_seconds += cpu
            for seed, found in islice(failed.items(), most_failures - len(report.failures)):
                report.failures.append(_failure(experiment, seed, found))
            on_progress(report)
            if len(report.failures) >= most_failures:
                break
    return report


def check(subject: "Experiment[Any] | type[Simulation]", seeds: Iterable[int]) -> None:
    """For a test: AssertionError with the smallest scenario of the first seed that fails, and the line that replays
    it."""
    report = explore(subject, seeds, most_failures=1)
    if report.failures:
        raise AssertionError(f"a simulation has failed:\n{report.failures[0]}")


def smallest(subject: "Experiment[Any] | type[Simulation]", seed: int, most_runs: int = MOST_RUNS) -> Failure:
    """Shrinks a seed that fails. ValueError if it does not."""
    experiment = experiment_of(subject)
    whole: Parted = experiment.scenario(seed)
    first = experiment.play(whole).violations
    if not first:
        raise ValueError(f"seed {seed} of {experiment.name} does not fail")
    small = shrink(whole, lambda scenario: bool(experiment.play(scenario).violations), most_runs)
    return Failure(
        seed,
        tuple(small.kept),
        tuple(small.describe()),
        experiment.play(small).violations,
        first,
        replay_command(experiment, small, whole.kept),
        replay_command(experiment, whole, whole.kept),
    )


Violations = tuple[str, ...]
Batch = tuple[int, float, dict[int, Violations]]
"""How many were played, the CPU seconds that took, and the seeds that failed with what was found."""


def _failure(experiment: "Experiment[Any]", seed: int, found: Violations) -> Failure:
    try:
        return smallest(experiment, seed)
    except ValueError:
        whole: Parted = experiment.scenario(seed)
        text = "it does not fail when it is played again: something in it is not decided by the seed"
        command = replay_command(experiment, whole, whole.kept)
        violations = (*found, text)
        return Failure(seed, tuple(whole.kept), tuple(whole.describe()), violations, found, command, command)


def _play_batch(experiment: "Experiment[Any]", seeds: list[int]) -> Batch:
    begin = time.process_time()
    found = {seed: experiment.play(experiment.scenario(seed)).violations for seed in seeds}
    failed = {seed: violations for seed, violations in found.items() if violations}
    return len(seeds), time.process_time() - begin, failed


@contextmanager
def _batches(experiment: "Experiment[Any]", seeds: Iterable[int], workers: int) -> Iterator[Iterator[Batch]]:
    remaining = iter(seeds)
    batches = iter(lambda: list(islice(remaining, BATCH)), [])
    if workers <= 1:
        yield (_play_batch(experiment, batch) for batch in batches)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield _ahead(pool, experiment, batches, workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
    pool: ProcessPoolExecutor, experiment: "Experiment[Any]", batches: Iterator[list[int]], workers: int
) -> Iterator[Batch]:
    """In the order of the seeds; no more batches are handed out than the workers need."""
    waiting = [pool.submit(_play_batch, experiment, batch) for batch in islice(batches, 2 * workers)]
    while waiting:
        result = waiting.pop(0).result()
        waiting += [pool.submit(_play_batch, experiment, batch) for batch in islice(batches, 1)]
        yield result
