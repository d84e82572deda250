"""How long a key that fails again and again has to wait."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kdl_runtime.backoff import BackoffPolicy

K = TypeVar("K", bound=Hashable)

DEFAULT_POLICY = BackoffPolicy(base=0.005, factor=2.0, cap=1000.0, jitter=0.0)
"""5 ms, doubled with each failure, up to 1000 s: client-go's default for one item."""


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class ItemBackoff(Generic[K]):
    """Counts the failures of each key.

    A key that has not failed for twice the cap is forgotten by itself, so keys that end with a ``TerminalError`` or
    whose object is gone do not pile up.
    """

    def __init__(self, policy: BackoffPolicy = DEFAULT_POLICY) -> None:
        self._policy = policy
        self._failures: OrderedDict[K, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def fail(self, key: K, now: float) -> float:
        """Count one more failure; seconds to wait before the next try."""
        self._expire(now)
        failures = self._failures.setdefault(key, _Failures(0, now))
        failures.count += 1
        failures.last = now
        self._failures.move_to_end(key)
        return self._policy.delay(failures.count)

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)

    def count(self, key: K) -> int:
        failures = self._failures.get(key)
        return failures.count if failures else 0

    def _expire(self, now: float) -> None:
        horizon = now - 2 * self._policy.cap
        while self._failures:
            key, oldest = next(iter(self._failures.items()))
            if oldest.last >= horizon:
                return
            del self._failures[key]
