"""How many reports are listened to."""

from dataclasses import dataclass

from kdl_runtime.clock import Clock

PER_JOB, BURST = 2.0, 10.0
"""Reports a second of one job, and how many at once."""
ALTOGETHER = 500.0
"""Requests a second of all, and at once, whoever sends them."""
MAX_JOBS = 10_000
"""Jobs whose rates are kept at once; the one that was heard first is forgotten for another."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float

    def take(self, now: float, rate: float, burst: float) -> bool:
        self.left = min(self.left + (now - self.at) * rate, burst)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Rates:
    """A token bucket for each job, and one for all requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all = _Bucket(ALTOGETHER, clock.monotonic())
        self._jobs: dict[str, _Bucket] = {}

    def take_any(self) -> bool:
        return self._all.take(self._clock.monotonic(), ALTOGETHER, ALTOGETHER)

    def take(self, uid: str) -> bool:
        now = self._clock.monotonic()
        bucket = self._jobs.get(uid)
        if bucket is None:
            if len(self._jobs) >= MAX_JOBS:
                del self._jobs[next(iter(self._jobs))]
            bucket = self._jobs[uid] = _Bucket(BURST, now)
        return bucket.take(now, PER_JOB, BURST)
