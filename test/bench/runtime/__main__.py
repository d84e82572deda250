"""kdl_runtime beside kopf, lightkube and the official client, on the same stream of events.

``make bench-runtime`` runs all of it, prints tables, and writes them into docs/runtime/benchmark.md. Nothing is
asserted: figures of two machines do not compare, those of one run do.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench.runtime.plan import FULL, quick
from bench.runtime.report import conditions, tables, write
from bench.runtime.runs import Results, run, run_module
from bench.runtime.summary import spread

PAGE = Path(__file__).parents[3] / "docs" / "runtime" / "benchmark.md"
QUEUE_REPETITIONS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.runtime", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, once; not written to the page")
    names = [*(one.name for one in FULL), "queue"]
    parser.add_argument("--only", nargs="*", choices=names, metavar="MEASUREMENT", help=f"of {', '.join(names)}")
    parser.add_argument("--json", type=Path, help="a file for the outcome of every run")
    arguments = parser.parse_args()
    wanted = arguments.only or names
    console = Console()
    results: dict[str, Results] = {}
    for measurement in quick(FULL) if arguments.quick else FULL:
        if measurement.name in wanted:
            console.rule(measurement.name)
            results[measurement.name] = run(measurement, _needs(results), lambda line: console.print(line, style="dim"))
    queues = [run_module("queues") for _ in range(QUEUE_REPETITIONS)] if "queue" in wanted else []
    found = tables(results, queues)
    for table in found:
        table.show(console)
    text = conditions(results)
    console.print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps({"runs": [asdict(one) for one in results.values()], "queues": queues}))
    if not arguments.quick and wanted == names:
        write(PAGE, found, text)


def _needs(results: dict[str, Results]) -> dict[str, float]:
    """Bytes for each object at the peak, of whom that has been measured."""
    return {
        contender: spread([outcome["peak_bytes_per_object"] for outcome in outcomes]).high
        for result in results.values()
        if result.measurement.kind == "memory"
        for contender, outcomes in result.outcomes.items()
    }


if __name__ == "__main__":
    main()
