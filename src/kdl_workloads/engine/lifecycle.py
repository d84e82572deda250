"""The conditions that a job goes through, and the times and counts that change with them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kdl_workloads.dialects.base import Text
from kdl_workloads.engine.conditions import explain as explain_condition
from kdl_workloads.engine.conditions import set_condition
from kdl_workloads.engine.observed import Observed
from kdl_workloads.framework import Verdict
from kdl_workloads.job import CleanPodPolicy, ConditionType, JobStatus, ReplicaStatus

_STATES_THAT_SUSPENSION_ENDS = (ConditionType.RUNNING, ConditionType.RESTARTING)


def create(observed: Observed, status: JobStatus) -> JobStatus:
    """The job is known: condition Created, and a count of zero for every role."""
    text = observed.texts.created(observed.job)
    roles = {role: ReplicaStatus() for role in observed.job.roles}
    return replace(_with(status, observed, ConditionType.CREATED, text), replicas={**roles, **status.replicas})


def start(observed: Observed, status: JobStatus) -> JobStatus:
    """The job may have pods: its active time begins, at once for a new job and anew for one that was suspended."""
    if status.has(ConditionType.SUSPENDED):
        text = observed.texts.resumed(observed.job)
        status = _with(status, observed, ConditionType.SUSPENDED, text, status_value=False)
        return replace(status, start_time=observed.stamp)
    return status if status.start_time is not None else replace(status, start_time=observed.stamp)


def suspend(observed: Observed, status: JobStatus) -> JobStatus:
    """Nothing of the job is to run: Suspended, and no longer Running or Restarting. The start time stays until the job
    is resumed."""
    text = observed.texts.suspended(observed.job)
    for state in _STATES_THAT_SUSPENSION_ENDS:
        if status.has(state):
            status = _with(status, observed, state, text, status_value=False)
    status = _with(status, observed, ConditionType.SUSPENDED, text)
    return replace(status, replicas={role: replace(of, active=0, failed=0) for role, of in status.replicas.items()})


def advance(observed: Observed, status: JobStatus, verdict: Verdict) -> JobStatus:
    """Running or Restarting, as the counts say."""
    texts, job = observed.texts, observed.job
    if verdict.type is ConditionType.RUNNING:
        return _with(status, observed, verdict.type, texts.running(job))
    if verdict.type is ConditionType.RESTARTING:
        return _with(status, observed, verdict.type, texts.restarting(job, verdict.role, verdict.count))
    return status


def explain(observed: Observed, status: JobStatus, claims: Iterable[str] = ()) -> JobStatus:
    """While the API server refuses the job's pods or services, or roles wait for a sign, or replicas until ``claims``
    are gone, the message of Created says what for."""
    text, block = observed.texts.created(observed.job), observed.block
    gate = observed.workload.framework.closed_gate(observed.job)
    claim = next(iter(claims), "")
    waits = f"It waits until the PersistentVolumeClaim {claim} of an earlier job or pod is gone." if claim else ""
    if block is not None or gate is not None:
        waits = f"It waits: {block.message}" if block is not None else f"It waits {gate}."
    message = f"{text.message} {waits}".rstrip()
    return replace(
        status, conditions=explain_condition(status.conditions, ConditionType.CREATED, message, observed.stamp)
    )


def with_own_fields(observed: Observed, status: JobStatus) -> JobStatus:
    """The fields of the status that the kind itself fills."""
    fields = observed.workload.framework.status_fields(observed.job)
    if not fields:
        return status
    return replace(status, extra={k: v for k, v in {**status.extra, **fields}.items() if v is not None})


def succeed(observed: Observed, status: JobStatus) -> JobStatus:
    """What still runs has done its part (parameter servers, workers of a master that is through) and counts as
    succeeded."""
    text = observed.texts.succeeded(observed.job)
    replicas = {role: replace(of, active=0, succeeded=of.succeeded + of.active) for role, of in status.replicas.items()}
    return _finish(observed, replace(status, replicas=replicas), ConditionType.SUCCEEDED, text)


def fail(observed: Observed, status: JobStatus, text: Text) -> JobStatus:
    """Pods that still run stay in the count only if they may run on."""
    replicas: Mapping[str, ReplicaStatus] = status.replicas
    policy = observed.job.run_policy
    if policy.clean_pod_policy is not CleanPodPolicy.NONE or policy.stop_on_failure:
        replicas = {role: replace(of, active=0) for role, of in replicas.items()}
    return _finish(observed, replace(status, replicas=replicas), ConditionType.FAILED, text)


def _finish(observed: Observed, status: JobStatus, type_: ConditionType, text: Text) -> JobStatus:
    return replace(_with(status, observed, type_, text), completion_time=observed.stamp)


def _with(
    status: JobStatus, observed: Observed, type_: ConditionType, text: Text, *, status_value: bool = True
) -> JobStatus:
    conditions = set_condition(status.conditions, type_, text, observed.stamp, status=status_value)
    return replace(status, conditions=conditions)
