"""Signs of life of something that takes long."""

from collections.abc import Callable

from kdl_testing.envtest.sources import Report

PULSE_SECONDS = 10.0


class Pulse:
    """Reports at most one line each ``PULSE_SECONDS``, the first one after that time."""

    def __init__(self, clock: Callable[[], float], report: Report) -> None:
        self._clock = clock
        self._report = report
        self._last = clock()

    def beat(self, line: Callable[[], str]) -> None:
        """``line`` is only made if it is time for it."""
        now = self._clock()
        if now - self._last >= PULSE_SECONDS:
            self._last = now
            self._report(line())
