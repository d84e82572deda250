"""How often a job is looked at while its pods change, how soon a status is written that tells nothing but counts, and
how soon a service is made again that somebody takes away.

Pods of one job start and end together. Without this each of them costs a pass over all of them, and a status.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import Clock
from kdl_runtime.types import Request
from kdl_workloads.engine.plan import Plan
from kdl_workloads.job import ConditionType, JobStatus

PASS_PER_POD = 0.001
MAX_PASS = 1.0
"""Seconds from one pass to the next that pods ask for: as many milliseconds as the job has pods, at most this. A job of
ten pods notices nothing, one of 1,000 is looked at once a second. Changes of the job itself never wait."""

PATIENCE = 0.1
"""Seconds after the first pod of a job runs or has succeeded in which others come into the same status."""
COUNT_PATIENCE = 1.0
"""Seconds for which a status waits whose only news is how many pods run."""

AGAIN = BackoffPolicy(base=0.1, cap=30.0, jitter=0.0, reset_after=60.0)
"""Before a service is made that was made a moment ago. The garbage collector takes away what belongs to a job that is
gone, and a cache whose watch is broken shows that job until it is mended: the two would work against each other."""


@dataclass(frozen=True, slots=True)
class _Made:
    names: frozenset[str]
    at: float
    times: int


class Pacing:
    """The paces of the jobs of one kind. In memory only: after a restart every job is looked at once anyway."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_pass: dict[Request, float] = {}
        self._held_since: dict[Request, float] = {}
        self._made: dict[Request, _Made] = {}

    def delay(self, request: Request) -> float:
        """Seconds for which a change of one of the job's pods waits for further ones."""
        return max(self._next_pass.get(request, 0.0) - self._clock.monotonic(), 0.0)

    def begin(self, request: Request, pods: int) -> None:
        """A pass over so many pods has begun."""
        self._next_pass[request] = self._clock.monotonic() + min(pods * PASS_PER_POD, MAX_PASS)

    def hold_back(self, request: Request, before: JobStatus, plan: Plan) -> float:
        """Seconds for which the plan is not carried out yet, because more of the same will come; 0 for now."""
        wait = patience(before, plan)
        if wait:
            now = self._clock.monotonic()
            left = self._held_since.setdefault(request, now) + wait - now
            if left > 0:
                return left
        self._held_since.pop(request, None)
        return 0.0

    def make_again(self, request: Request, services: Iterable[str]) -> float:
        """Seconds until these services may be made, growing while the same are made again and again; 0 means that they
        are made now."""
        names = frozenset(services)
        if not names:
            return 0.0
        now = self._clock.monotonic()
        last = self._made.get(request)
        if last is None or names.isdisjoint(last.names) or now - last.at > AGAIN.reset_after:
            self._made[request] = _Made(names, now, 1)
            return 0.0
        left = last.at + AGAIN.delay(last.times) - now
        if left > 0:
            return left
        self._made[request] = _Made(names | last.names, now, last.times + 1)
        return 0.0

    def forget(self, request: Request) -> None:
        """The job has finished, or is gone."""
        self._made.pop(request, None)
        self._next_pass.pop(request, None)
        self._held_since.pop(request, None)


def patience(before: JobStatus, plan: Plan) -> float:
    """How many seconds the plan may wait: none if it creates or deletes anything, or if its status tells of more than
    of replicas that run or have succeeded (a failure, an end of the job, a suspension)."""
    after = plan.status
    if after is None or plan.creates_or_deletes or plan.notes:
        return 0.0
    if not plan.release and _rest(before, _ACTIVE) == _rest(after, _ACTIVE):
        return COUNT_PATIENCE
    coming_up = _COMING_UP if after.has(ConditionType.RUNNING) else ()
    return PATIENCE if _rest(before, _DONE, coming_up) == _rest(after, _DONE, coming_up) else 0.0


_COMING_UP = (ConditionType.RUNNING, ConditionType.RESTARTING)
_ACTIVE: dict[str, Any] = {"active": 0}
_DONE: dict[str, Any] = {"active": 0, "succeeded": 0, "succeeded_indexes": frozenset()}


def _rest(status: JobStatus, counts: Mapping[str, Any], conditions: Collection[ConditionType] = ()) -> JobStatus:
    """What a status tells apart from these counts and conditions."""
    return replace(
        status,
        conditions=tuple(condition for condition in status.conditions if condition.type not in conditions),
        replicas={role: replace(of, **counts) for role, of in status.replicas.items()},
    )
