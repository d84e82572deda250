"""Exponential back-off with jitter and a reset after a quiet time."""

import random
from dataclasses import dataclass, field

from kdl_runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """Shape of a back-off; the defaults are those of client-go's reflector.

    ``base`` and ``cap`` in seconds. ``jitter`` 1.0 spreads a delay over [d, 2d), so that clients that failed together
    do not return together; 0 makes delays exact. After ``reset_after`` seconds without a failure the next delay is
    ``base`` again.
    """

    base: float = 0.8
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 1.0
    reset_after: float = 120.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row (from 1), without jitter."""
        exponent = min(max(failures, 1) - 1, 64)
        return min(self.base * self.factor**exponent, self.cap)


@dataclass(slots=True)
class Backoff:
    """Counts failures of one activity and says how long to wait after each."""

    policy: BackoffPolicy
    clock: Clock
    rng: random.Random
    failures: int = 0
    _last: float = field(default=float("-inf"))

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        now = self.clock.monotonic()
        if now - self._last > self.policy.reset_after:
            self.failures = 0
        self.failures += 1
        delay = self.policy.delay(self.failures)
        delay += delay * self.policy.jitter * self.rng.random()
        self._last = now + delay
        return delay

    def reset(self) -> None:
        self.failures = 0
