"""Random states through ``decide``: ``PYTHONPATH=test python -m decisions --count 1000000 --workers 2``."""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from decisions.laws import violations
from decisions.states import observed

BLOCK = 2000
SHOWN = 5


def failing(seeds: range) -> list[tuple[int, list[str]]]:
    return [(seed, found) for seed in seeds if (found := violations(observed(seed)))]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m decisions", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="how many states (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    given = parser.parse_args(arguments)
    begin, last = time.monotonic(), given.first + given.count
    blocks = [range(first, min(first + BLOCK, last)) for first in range(given.first, last, BLOCK)]
    failed: list[tuple[int, list[str]]] = []
    with ProcessPoolExecutor(given.workers) as pool:
        for found in pool.map(failing, blocks):
            for seed, texts in found[: SHOWN - len(failed)]:
                print(f"seed {seed}: {'; '.join(texts)}", flush=True)
            failed += found
    seconds = time.monotonic() - begin
    print(f"{given.count} decisions in {seconds:.0f} s ({given.count / seconds:.0f}/s), {len(failed)} break a law")
    return min(len(failed), 1)


if __name__ == "__main__":
    sys.exit(main())
