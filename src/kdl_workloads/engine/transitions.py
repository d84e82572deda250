"""Which changes of a job are counted, derived from what is stored.

A change counts once it is in the stored status and all that goes with it has been done: pods and services of a new job
made, the pods of an ended one let go. An operator that dies in between leaves something behind by which the next one
sees that the change is not counted yet (``half_done``), so it is counted by whoever carries it out to the end.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from kdl_workloads.engine.observed import Observed
from kdl_workloads.job import ConditionType, Job, JobStatus


class Transition(StrEnum):
    """Under the names that both KubeDL's and Kubeflow's metrics have for them."""

    CREATED = "created"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    RESTARTED = "restarted"
    DELETED = "deleted"


_ENTERED = {
    ConditionType.CREATED: Transition.CREATED,
    ConditionType.SUCCEEDED: Transition.SUCCESSFUL,
    ConditionType.FAILED: Transition.FAILED,
    ConditionType.RESTARTING: Transition.RESTARTED,
}
_ENDS = (ConditionType.SUCCEEDED, ConditionType.FAILED)


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a job is, as far as it is counted. ``state`` is type and reason of the last condition that holds.
    ``launched``: it runs, or has run. ``complete``: all its replicas have run at once before any was replaced.
    ``restarting_since``: None while it is not restarting."""

    holding: frozenset[ConditionType] = frozenset()
    state: tuple[str, str] = ("", "")
    launched: bool = False
    complete: bool = False
    restarting_since: datetime | None = None

    @property
    def finished(self) -> bool:
        return not self.holding.isdisjoint(_ENDS)


def stage(job: Job, status: JobStatus) -> Stage:
    """The stage of the job if ``status`` is stored."""
    holding = [condition for condition in status.conditions if condition.status]
    restarting = next((condition for condition in holding if condition.type is ConditionType.RESTARTING), None)
    starts = (status.condition(ConditionType.RUNNING), status.condition(ConditionType.RESTARTING))
    return Stage(
        holding=frozenset(condition.type for condition in holding),
        state=(holding[-1].type.value, holding[-1].reason) if holding else ("", ""),
        launched=any(start is not None for start in starts),
        complete=_is_complete(job, status),
        restarting_since=None if restarting is None else restarting.last_transition_time,
    )


def follows(before: Stage, after: Stage) -> Stage:
    """``after``, knowing what was before it."""
    return replace(after, complete=before.complete or after.complete)


def transitions(before: Stage, after: Stage) -> list[Transition]:
    """What has happened between two stages of a job."""
    entered = after.holding - before.holding
    return [transition for type_, transition in _ENTERED.items() if type_ in entered]


def counted(observed: Observed) -> Stage:
    """The stage of a job that this process sees for the first time, less what no operator has counted yet."""
    status = observed.job.status
    new = half_done(observed)
    left = tuple(condition for condition in status.conditions if condition.type is not new)
    return stage(observed.job, replace(status, conditions=left))


def half_done(observed: Observed) -> ConditionType | None:
    """The condition that was stored by a pass that has not come to its end; None if all is done."""
    status = observed.job.status
    for end in _ENDS:
        if status.has(end):
            # A job that has ended lets go of all its pods, also of those that are yet to be cleaned up.
            return end if any(pod.held for pod in observed.pods) else None
    if status.has(ConditionType.RESTARTING):
        waits = any(pod.held and pod.uid in status.uncounted for pod in observed.pods)
        return ConditionType.RESTARTING if waits else None
    only_created = [condition.type for condition in status.conditions] == [ConditionType.CREATED]
    if only_created and not (observed.pods or observed.services or observed.job.run_policy.suspend):
        return ConditionType.CREATED
    return None


def _is_complete(job: Job, status: JobStatus) -> bool:
    untouched = all(replica.restarts == 0 for replica in status.replicas.values())
    there = sum(replica.active + replica.succeeded for replica in status.replicas.values())
    return untouched and 0 < job.total_replicas <= there
