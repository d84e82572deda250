"""The differential fuzzer from the command line: ``python -m conformance.differential --seeds 0:2000``."""

import argparse
import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.differential.accepted import ACCEPTED
from conformance.differential.report import script, transcript
from conformance.differential.runner import Finding, Outcome, Runner, differs
from conformance.differential.sequences import sequence
from conformance.differential.servers import local_server, real_server
from conformance.differential.shrink import shrink
from conformance.differential.steps import Step

_FIELD = re.compile(r"[a-z]\w*(?:\.\w+)+(?=[\[:])")
REPEATS = 3
"""How often a sequence that differs is run again before its difference is taken for one that depends on time."""
SHRINKING = 60.0
"""Seconds for each sequence."""


@dataclass
class Totals:
    sequences: int = 0
    compared: int = 0
    cut: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, Outcome]] = field(default_factory=list)

    def add(self, seed: int, outcome: Outcome) -> None:
        self.sequences += 1
        self.compared += outcome.compared
        self.cut += outcome.cut
        self.explained.update(outcome.explained)
        if outcome.finding is not None:
            self.failures.append((seed, outcome))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    return asyncio.run(_run(options))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.differential", description=__doc__)
    parser.add_argument("--seeds", default="0:200", help="from and to, the latter not included (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="one sequence alone")
    parser.add_argument("--seconds", type=float, default=0, help="stop to begin sequences after this time")
    parser.add_argument("--verbose", action="store_true", help="print requests and both answers")
    parser.add_argument("--parallel", type=int, default=6, help="sequences at a time (default: %(default)s)")
    parser.add_argument("--findings", type=int, default=3, help="stop after so many (default: %(default)s)")
    parser.add_argument("--no-shrink", action="store_true", help="print what differs and not how to show it briefly")
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> int:
    seeds = [options.seed] if options.seed is not None else range(*map(int, options.seeds.split(":")))
    totals = Totals()
    async with real_server() as real, local_server() as local:
        runner = Runner(real, local)
        begin = time.monotonic()
        end = begin + options.seconds if options.seconds else float("inf")
        waiting: Iterator[int] = iter(seeds)

        async def work() -> None:
            for seed in waiting:
                if time.monotonic() > end or len(totals.failures) >= options.findings:
                    return
                outcome = await runner.run(sequence(seed))
                totals.add(seed, outcome)
                if outcome.finding is not None:
                    print(f"seed {seed} differs: {outcome.finding.unexplained[0]}", flush=True)
                if options.verbose:
                    print(transcript(outcome))

        await asyncio.gather(*(work() for _ in range(options.parallel)))
        took = time.monotonic() - begin
        requests = real.requests + local.requests
        for seed, outcome in totals.failures:
            await _show(runner, seed, outcome, shrinking=not options.no_shrink)
        vanished = [item.id for item in ACCEPTED if item.example and not await differs(runner, item)]
    _summary(totals, requests, took)
    for name in vanished:
        print(f"accepted difference {name}: its example shows it no more, or something else: see accepted.py")
    return 1 if totals.failures or vanished else 0


async def _show(runner: Runner, seed: int, outcome: Outcome, *, shrinking: bool) -> None:
    finding = outcome.finding
    assert finding is not None
    steps: Sequence[Step] = outcome.steps
    print(f"\n=== seed {seed}, request {finding.index} differs ===")
    wanted = _signature(finding)

    end = time.monotonic() + SHRINKING

    async def shows(candidate: Sequence[Step]) -> bool:
        if time.monotonic() > end:
            return False
        found = (await runner.run(candidate)).finding
        return found is not None and _signature(found) == wanted

    if not shrinking:
        print(finding.exchange.step)
    elif any([await shows(steps) for _ in range(REPEATS)]):
        steps = await shrink(steps if finding.exchange.step.watch else steps[: finding.index + 1], shows)
        finding = (await runner.run(steps)).finding or finding
        print(script(steps))
    else:
        print(f"{script(steps)}\n    {REPEATS} more runs of these requests did not show it")
    for difference in finding.unexplained:
        print(f"    {difference}")
    print(f"    again: PYTHONPATH=test {Path(sys.executable).name} -m conformance.differential --seed {seed} --verbose")
    sys.stdout.flush()


def _signature(finding: Finding) -> tuple[object, ...]:
    """What makes a shorter sequence show the same difference: the place, and the codes with the first field named."""
    exchange, first = finding.exchange, finding.unexplained[0]
    fields = [_FIELD.findall(str(text))[:1] for text in (first.real, first.local)] if first.place == "code" else ()
    return first.place, exchange.real.code, exchange.local.code, *fields


def _summary(totals: Totals, requests: int, took: float) -> None:
    print(f"\n{totals.sequences} sequences, {requests} requests in {took:.1f} s ({requests / max(took, 0.001):.0f}/s)")
    print(f"{totals.compared} pairs of answers compared; {totals.cut} sequences cut short by an accepted difference")
    for item in ACCEPTED:
        print(f"  explained, {item.id}: {totals.explained[item.id]}")
    print(f"{len(totals.failures)} sequences with unexplained differences")


if __name__ == "__main__":
    sys.exit(main())
