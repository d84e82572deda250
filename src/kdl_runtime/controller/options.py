"""Options of a controller."""

from dataclasses import dataclass

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.queue.priority import LOW_PRIORITY
from kdl_runtime.queue.ratelimit import DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """All times in seconds.

    ``max_concurrent_reconciles``: workers; one key is never with two of them. ``reconcile_timeout``: after it a
    reconciler is cancelled and tried again, None lets it run. ``cache_sync_timeout``: how long the start may wait for
    the first list of what is watched. ``backoff``: of a key that fails. ``initial_priority``: of the objects of the
    first list, lower than that of events (0), so that what happens now does not wait for them. ``age_after``: when a
    key that waits gets its turn whatever its priority.
    """

    max_concurrent_reconciles: int = 1
    reconcile_timeout: float | None = None
    cache_sync_timeout: float = 120.0
    backoff: BackoffPolicy = DEFAULT_POLICY
    initial_priority: int = LOW_PRIORITY
    age_after: float = 30.0

    def __post_init__(self) -> None:
        if self.max_concurrent_reconciles < 1:
            raise ValueError(f"max_concurrent_reconciles is {self.max_concurrent_reconciles}: it must be at least 1")
