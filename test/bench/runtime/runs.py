"""Runs contenders against the server, in turns."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.runtime.contender import TOO_SLOW, Outcome, post
from bench.runtime.plan import Measurement, turns

TESTS = Path(__file__).parents[2]
SPARE = 0.8
"""The share of the memory that is available which a contender may take."""


@dataclass
class Results:
    """Of one measurement: by contender the outcome of each repetition, or why there is none."""

    measurement: Measurement
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def run(measurement: Measurement, needs: Mapping[str, float], report: Callable[[str], None]) -> Results:
    """All repetitions. ``needs``: by contender the bytes for each object that it is known to take at its peak; who
    would take more than there is stays out."""
    results = Results(measurement)
    entered = []
    for contender in measurement.contenders:
        need = needs.get(contender, 0.0) * measurement.pods
        if need > available_bytes() * SPARE:
            results.left_out[contender] = f"it would take {need / 1e9:.0f} GB"
        else:
            entered.append(contender)
    with server(measurement.pods) as url:
        for repetition in range(measurement.repetitions):
            for contender in turns(entered, repetition):
                load = os.getloadavg()[0]
                post(f"{url}/bench/reset")
                try:
                    outcome = run_once(contender, measurement, url)
                except TimeoutError as error:
                    results.left_out[contender] = str(error)
                    entered.remove(contender)
                    report(f"{measurement.name} {contender}: {error}")
                    continue
                results.outcomes.setdefault(contender, []).append({**outcome, "load": load})
                report(f"{measurement.name} {repetition + 1}/{measurement.repetitions} {contender}: {outcome}")
    return results


def run_once(contender: str, measurement: Measurement, url: str) -> Outcome:
    """One contender in a process of its own. RuntimeError with what it wrote when it fails, TimeoutError with what it
    waited for when that takes too long."""
    command = [
        *(sys.executable, "-m", "bench.runtime.contender", "--contender", contender),
        *("--measurement", measurement.kind, "--url", url, "--pods", str(measurement.pods)),
        *("--events", str(measurement.events), "--rate", str(measurement.rate)),
        *("--patience", str(measurement.patience), "--settle", str(measurement.settle)),
        *("--started-ns", str(time.monotonic_ns())),
    ]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode == TOO_SLOW:
        raise TimeoutError(done.stderr.splitlines()[-1])
    if done.returncode:
        raise RuntimeError(f"{contender} has failed at {measurement.name}:\n{done.stdout}\n{done.stderr}")
    return last_line(done.stdout)


def run_module(module: str, *arguments: str) -> Outcome:
    """What a module of the benchmark measures in a process of its own."""
    command = [sys.executable, "-m", f"bench.runtime.{module}", *arguments]
    return last_line(subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True).stdout)


def last_line(output: str) -> Outcome:
    """Logs may come before it."""
    outcome: Outcome = json.loads(output.splitlines()[-1])
    return outcome


@contextmanager
def server(pods: int) -> Iterator[str]:
    """The URL of a server that runs as long as the block."""
    command: Sequence[str] = [sys.executable, "-m", "bench.runtime.server", "--pods", str(pods)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)}


def available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
