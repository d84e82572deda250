"""Refusals of the API server that are remembered from one pass to the next.

They are kept in memory only: after a restart the first try tells again.
"""

from dataclasses import dataclass
from datetime import timedelta

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import Clock
from kdl_runtime.types import ObjectKey
from kdl_workloads.engine.apply import Refusal
from kdl_workloads.engine.observed import Block
from kdl_workloads.job import Job

POLICY = BackoffPolicy(base=5.0, cap=300.0, jitter=0.0)
"""How long nothing is created after a refusal: quota and names become free without an event on the job."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    uid: str
    generation: int
    count: int
    block: Block


class Blocks:
    """The refusals of the jobs of one kind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._remembered: dict[ObjectKey, _Remembered] = {}

    def of(self, job: Job) -> Block | None:
        """What the job waits for. A change of its spec makes it worth trying at once."""
        found = self._find(job)
        return found.block if found is not None else None

    def add(self, job: Job, refusal: Refusal) -> None:
        """Remember one more refusal; each in a row doubles the wait."""
        before = self._find(job)
        count = before.count + 1 if before is not None else 1
        until = self._clock.now() + timedelta(seconds=POLICY.delay(count))
        block = Block(refusal.message, until, refusal.fatal)
        self._remembered[job.key] = _Remembered(job.uid, job.generation, count, block)

    def clear(self, key: ObjectKey) -> None:
        """Something could be created, or the job has finished, or is gone."""
        self._remembered.pop(key, None)

    def _find(self, job: Job) -> _Remembered | None:
        found = self._remembered.get(job.key)
        if found is None or (found.uid, found.generation) != (job.uid, job.generation):
            return None
        return found
