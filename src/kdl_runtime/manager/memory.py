"""The garbage collector's part in a large cache. Process-wide settings: for a process that runs one manager."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 100)
"""Allocations before a young collection, and how many of each generation before the next. The defaults (700, 10, 10)
make decoding a large list three times slower; what a cache holds has no cycles by construction."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Build large structures that will stay: no collection during, and none of them looked at ever after.

    Measured on 10,000 pods: decoding costs a third, and a full collection afterwards takes no time instead of 220 ms.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        if was_enabled:
            gc.enable()
