"""One contender and one measurement in a process of its own. The contender has the main thread; the measurement waits
in another one, prints what it has found as JSON, and ends the process without more ado.

    python -m bench.runtime.contender --contender kdl --measurement events --url http://… --pods 100 --events 1000
"""

import argparse
import gc
import importlib
import json
import os
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.runtime.probe import Probe
from bench.runtime.summary import quantile
from bench.runtime.usage import cpu_seconds, peak_bytes, resident_bytes

Outcome = Mapping[str, float]
Run = Callable[[str, Probe], None]

CONTENDERS: Mapping[str, tuple[str, str]] = {
    "kdl": ("kdl", "run"),
    "kdl-projected": ("kdl", "run_projected"),
    "kdl-whole": ("kdl", "run_whole"),
    "kopf": ("kopf_operator", "run"),
    "kopf-keeping": ("kopf_operator", "run_keeping"),
    "lightkube": ("lightkube_loop", "run"),
    "kubernetes": ("official_informer", "run"),
}
"""By name: the module and its function. Imported only in the process that runs it."""

QUIET = 1.0
"""Seconds between the end of the list and the first event, so that the one is over when the other begins."""


@dataclass(frozen=True)
class Task:
    """``rate``: events per second, 0 for as fast as they are taken. ``started_ns``: when this process was asked for, on
    the monotonic clock. ``patience``: seconds for each phase. ``settle``: seconds from the list to the measurement of
    memory."""

    measurement: str
    url: str
    pods: int
    events: int
    rate: float
    started_ns: int
    patience: float
    settle: float


TOO_SLOW = 3
"""Exit code of a process whose contender has not got through in time."""


def load(contender: str) -> Run:
    module, function = CONTENDERS[contender]
    run: Run = getattr(importlib.import_module(f"bench.runtime.contenders.{module}"), function)
    return run


def replay(task: Task) -> None:
    """Let the events happen."""
    post(f"{task.url}/bench/replay?events={task.events}&rate={task.rate}")


def post(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60) as answer:
        answer.read()


def wait(event: threading.Event, what: str, task: Task) -> None:
    if not event.wait(task.patience):
        raise TimeoutError(f"it has not seen {what} after {task.patience:g} s")


def measure_start(probe: Probe, task: Task) -> Outcome:
    """From the start of the process to the first reconciliation, and to that of the last object."""
    wait(probe.listed, f"all of {task.pods} pods", task)
    return {
        "first_seconds": (probe.first_call_ns - task.started_ns) / 1e9,
        "all_seconds": (probe.listed_ns - task.started_ns) / 1e9,
        "cpu_seconds": cpu_seconds(),
    }


def measure_events(probe: Probe, task: Task) -> Outcome:
    """CPU time from the first event to the last reconciliation; with a rate also how late the reconciler is."""
    wait(probe.listed, f"all of {task.pods} pods", task)
    time.sleep(QUIET)
    calls, cpu, clock = probe.calls, cpu_seconds(), time.monotonic()
    replay(task)
    wait(probe.finished, f"the last of {task.events} events", task)
    cpu, clock = cpu_seconds() - cpu, time.monotonic() - clock
    outcome = {
        "cpu_seconds": cpu,
        "seconds": clock,
        "events_per_cpu_second": task.events / cpu,
        "states": float(probe.states),
        "calls": float(probe.calls - calls),
    }
    if task.rate:
        late = sorted(probe.latencies_ns)
        outcome |= {f"p{share}_ms": quantile(late, share / 100) / 1e6 for share in (50, 99)}
        outcome["max_ms"] = late[-1] / 1e6
    return outcome


def measure_memory(probe: Probe, task: Task, before: int) -> Outcome:
    """Resident memory with the cache filled, less that of the process with everything imported."""
    wait(probe.listed, f"all of {task.pods} pods", task)
    time.sleep(task.settle)
    gc.collect()
    return {
        "bytes_per_object": (resident_bytes() - before) / task.pods,
        "peak_bytes_per_object": (peak_bytes() - before) / task.pods,
        "process_megabytes": resident_bytes() / 1e6,
    }


def measure(probe: Probe, task: Task, before: int) -> Outcome:
    if task.measurement == "start":
        return measure_start(probe, task)
    if task.measurement == "memory":
        return measure_memory(probe, task, before)
    return measure_events(probe, task)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", choices=list(CONTENDERS), required=True)
    parser.add_argument("--measurement", choices=["events", "memory", "start"], required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--pods", type=int, required=True)
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--started-ns", type=int, default=time.monotonic_ns())
    parser.add_argument("--patience", type=float, default=300.0)
    parser.add_argument("--settle", type=float, default=0.0)
    arguments = vars(parser.parse_args())
    run = load(arguments.pop("contender"))
    task = Task(**arguments)
    probe = Probe(task.pods, task.events)
    before = resident_bytes()

    def direct() -> None:
        code = 1
        try:
            print(json.dumps(measure(probe, task, before)), flush=True)
            code = 0
        except TimeoutError as error:
            print(error, file=sys.stderr)
            code = TOO_SLOW
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    threading.Thread(target=direct, daemon=True).start()
    run(task.url, probe)


if __name__ == "__main__":
    main()
