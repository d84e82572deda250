"""Options of a controller, and how they come about: its own, else the manager's, else the built-in ones."""

from dataclasses import dataclass, fields

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.queue.priority import LOW_PRIORITY
from kdl_runtime.queue.ratelimit import DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """All times in seconds; None inherits from ``ManagerOptions.controllers``, and there from the default named here.

    ``max_concurrent_reconciles`` (1): workers; one key is never with two of them. The manager may also say it per kind.
    ``reconcile_timeout`` (0): after it a reconciler is cancelled and tried again; 0 lets it run.
    ``cache_sync_timeout`` (120): how long the start may wait for the first list of what is watched, except of watches
    that are not required; 0 waits without limit.
    ``backoff`` (5 ms, doubled up to 1000 s): of a key that fails.
    ``initial_priority`` (-100): of the objects of the first list, lower than that of events (0), so that what happens
    now does not wait for them.
    ``age_after`` (30): when a key that waits gets its turn whatever its priority.
    ``leader_election`` (True): runs only while this process leads; False runs it in every process.
    ``warmup`` (False): fills the queue before this process leads, so that a new leader begins at once. Its queue
    metrics then show keys that a follower does not work on.
    """

    max_concurrent_reconciles: int | None = None
    reconcile_timeout: float | None = None
    cache_sync_timeout: float | None = None
    backoff: BackoffPolicy | None = None
    initial_priority: int | None = None
    age_after: float | None = None
    leader_election: bool | None = None
    warmup: bool | None = None

    def __post_init__(self) -> None:
        if self.max_concurrent_reconciles is not None:
            check_concurrency("max_concurrent_reconciles", self.max_concurrent_reconciles)
        for name in ("reconcile_timeout", "cache_sync_timeout", "age_after"):
            seconds = getattr(self, name)
            if seconds is not None and seconds < 0:
                raise ValueError(f"{name} is {seconds:g} s: it cannot be negative")


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What holds for one controller: ``ControllerOptions`` with nothing left open."""

    max_concurrent_reconciles: int = 1
    reconcile_timeout: float = 0.0
    cache_sync_timeout: float = 120.0
    backoff: BackoffPolicy = DEFAULT_POLICY
    initial_priority: int = LOW_PRIORITY
    age_after: float = 30.0
    leader_election: bool = True
    warmup: bool = False


def resolve(*options: ControllerOptions) -> ControllerSettings:
    """Each setting from the first that says it, else the default."""
    chosen = {}
    for field in fields(ControllerSettings):
        said = (getattr(one, field.name) for one in options)
        value = next((value for value in said if value is not None), None)
        if value is not None:
            chosen[field.name] = value
    return ControllerSettings(**chosen)


def check_concurrency(name: str, number: int) -> None:
    """ValueError for less than one worker."""
    if number < 1:
        raise ValueError(f"{name} is {number}: it must be at least 1")
