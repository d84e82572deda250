"""Measures how late the event loop wakes up: the sign of work that hogs it."""

from prometheus_client import Histogram

from kdl_runtime.clock import Clock


class LoopLag:
    """Sleeps again and again and observes by how much the sleep was too long. ``interval`` in seconds."""

    name = "event loop lag"

    def __init__(self, clock: Clock, histogram: Histogram, interval: float = 1.0) -> None:
        self._clock = clock
        self._histogram = histogram
        self._interval = interval

    async def run(self) -> None:
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(self._interval)
            self._histogram.observe(max(self._clock.monotonic() - before - self._interval, 0.0))
