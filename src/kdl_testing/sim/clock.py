"""The clock of one simulated process: it may be wrong, and it notices a process that never rests."""

from collections.abc import Callable
from datetime import datetime, timedelta

from kdl_runtime.clock import Clock
from kdl_runtime.errors import KdlError

MOST_LOOKS = 100_000
"""Looks at the clock in one simulation, ten times those of a busy process."""


class SpinningError(KdlError):
    """A process does something again and again without a pause."""


class ProcessClock:
    """The clock of the simulation, with another time of day by ``skew`` seconds.

    ``on_spin`` is called, and SpinningError raised, once it was looked at more often than only a busy loop does.
    """

    def __init__(self, clock: Clock, skew: float, on_spin: Callable[[], None]) -> None:
        self._clock = clock
        self._skew = timedelta(seconds=skew)
        self._on_spin = on_spin
        self._looks = 0

    def now(self) -> datetime:
        self._look()
        return self._clock.now() + self._skew

    def monotonic(self) -> float:
        self._look()
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def _look(self) -> None:
        self._looks += 1
        if self._looks > MOST_LOOKS:
            self._on_spin()
            raise SpinningError("the process never rests")
