"""The results as tables and as a part of the documentation."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.runtime.contender import Outcome
from bench.runtime.runs import Results
from bench.runtime.summary import spread, spreads
from bench.runtime.tables import Column, Comparison, Table, compare

BEGIN = "<!-- made by make bench-runtime: do not edit from here -->"
END = "<!-- made by make bench-runtime: to here -->"
KIB = 1024.0
PACKAGES = ("aiohttp", "kopf", "kubernetes", "lightkube", "msgspec", "prometheus-client")

_RATE = Column("events per CPU second", "events_per_cpu_second")
_LATENCY = (Column("p50 ms", "p50_ms", 1, 1), Column("p99 ms", "p99_ms", 1, 1), Column("CPU s", "cpu_seconds", 1, 1))
_MEMORY = (
    Column("KiB for each object", "bytes_per_object", KIB, 1),
    Column("at the peak", "peak_bytes_per_object", KIB, 1),
)
_START = (
    Column("first reconciliation, s", "first_seconds", 1, 2),
    Column("all reconciled, s", "all_seconds", 1, 2),
    Column("CPU s", "cpu_seconds", 1, 2),
)

_BY_P99 = Comparison("p99_ms")
_BY_MEMORY = Comparison("bytes_per_object")
COMPARISONS: Mapping[str, tuple[str, Sequence[Column], Comparison]] = {
    "events": (
        "Throughput",
        (_RATE, Column("states that reached the reconciler", "states")),
        Comparison("events_per_cpu_second", more_is_better=True),
    ),
    "latency-idle": ("From event to reconciliation, idle", _LATENCY, _BY_P99),
    "latency-500": ("From event to reconciliation, 500 events per second", _LATENCY, _BY_P99),
    "latency-5000": ("From event to reconciliation, 5,000 events per second", _LATENCY, _BY_P99),
    "start": ("Start with 10,000 objects", _START, Comparison("first_seconds")),
    "memory-10000": ("Memory, 10,000 objects", _MEMORY, _BY_MEMORY),
    "memory-100000": ("Memory, 100,000 objects", _MEMORY, _BY_MEMORY),
}
QUEUES = {
    "through": "kdl_runtime: add, get, done",
    "again": "kdl_runtime: add of a key that is queued",
    "later": "kdl_runtime: add with a delay",
    "asyncio": "asyncio.Queue: put, get, done",
    "threads": "queue.SimpleQueue: put, get",
}


def tables(results: Mapping[str, Results], queues: Sequence[Outcome]) -> list[Table]:
    found = [compare(results[name], *how) for name, how in COMPARISONS.items() if name in results]
    if queues:
        operations = spreads(queues)
        rows = [[title, Column("", name).cell(operations[name])] for name, title in QUEUES.items()]
        found.append(Table("Queue", ["", "operations per CPU second"], rows))
    return [*targets(results), *found]


def targets(results: Mapping[str, Results]) -> list[Table]:
    """What was set as a goal, and what came out; nothing if it was not measured."""
    rows = []

    def row(goal: str, value: str, met: bool) -> None:
        rows.append([goal, value, "yes" if met else "no"])

    if "events" in results:
        ratio = _median(results, "events", "kdl", "events_per_cpu_second") / _median(
            results, "events", "kopf", "events_per_cpu_second"
        )
        row("at least 5 times kopf's events per CPU second", f"{ratio:.1f} times", ratio >= 5)
    for name, objects in (("memory-10000", "10,000"), ("memory-100000", "100,000")):
        if name in results:
            for contender, what, limit in (("kdl", "with JSON", 7), ("kdl-projected", "projected", 4)):
                size = _median(results, name, contender, "bytes_per_object") / KIB
                row(f"at most {limit} KiB for each of {objects} pods, {what}", f"{size:.1f} KiB", size <= limit)
    if "latency-idle" in results:
        late = _median(results, "latency-idle", "kdl", "p99_ms")
        row("at most 20 ms from event to reconciliation, p99, idle", f"{late:.1f} ms", late <= 20)
    return [Table("Goals", ["goal", "measured", "met"], rows)] if rows else []


def _median(results: Mapping[str, Results], name: str, contender: str, figure: str) -> float:
    return spread([outcome[figure] for outcome in results[name].outcomes[contender]]).median


def conditions(results: Mapping[str, Results]) -> str:
    """On what it was measured."""
    runs = [outcome for result in results.values() for outcomes in result.outcomes.values() for outcome in outcomes]
    loads = spread([outcome["load"] for outcome in runs]) if runs else None
    busy = f", load average before the runs {loads.low:.1f} to {loads.high:.1f}" if loads else ""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = f"{os.cpu_count()} CPUs ({platform.machine()}){busy}"
    return f"{platform.python_implementation()} {platform.python_version()}, {machine}. {packages}."


def write(page: Path, found: Sequence[Table], text: str) -> None:
    """Put the tables between the marks of the page. ValueError if it has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks the marks between which results belong: {BEGIN} and {END}")
    made = "\n\n".join([text, *(table.markdown() for table in found)])
    page.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")
