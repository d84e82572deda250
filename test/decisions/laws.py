"""What holds for every decision, whatever it was made on."""

from collections.abc import Iterator
from dataclasses import replace

from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Plan
from kdl_workloads.engine.replicas import places
from kdl_workloads.job import ConditionType, JobStatus

STATES = frozenset(
    {
        ConditionType.RUNNING,
        ConditionType.RESTARTING,
        ConditionType.SUSPENDED,
        ConditionType.SUCCEEDED,
        ConditionType.FAILED,
    }
)
"""Of these one at most holds."""


def violations(observed: Observed) -> list[str]:
    """What is wrong with the decision; empty if nothing is."""
    try:
        plan = decide(observed)
        found = [*_of_status(observed, plan), *_of_children(observed, plan)]
        if plan.status is not None:
            found += _of_second_look(observed, plan.status)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return found


def _of_status(observed: Observed, plan: Plan) -> Iterator[str]:
    before, after = observed.job.status, plan.status or observed.job.status
    holding = [condition.type for condition in after.conditions if condition.status and condition.type in STATES]
    if len(holding) > 1:
        yield f"{', '.join(holding)} hold at the same time"
    if len({condition.type for condition in after.conditions}) < len(after.conditions):
        yield "a condition is there twice"
    if before.finished and [c for c in after.conditions if c.status] != [c for c in before.conditions if c.status]:
        yield "the end of a job has changed"
    if plan.status is not None and after.finished and not before.finished:
        end = next(c for c in after.conditions if c.type in (ConditionType.SUCCEEDED, ConditionType.FAILED))
        if not (end.reason and end.message and after.completion_time):
            yield "the end has no reason, no message or no time"
    for role, replicas in before.replicas.items():
        kept = role in after.replicas and after.restarts == before.restarts
        if kept and not replicas.succeeded_indexes <= after.replicas[role].succeeded_indexes:
            yield f"success of {role} is forgotten"
    if after.attempts < before.attempts:
        yield "failures are forgotten"
    yield from _of_limits(observed, after)


def _of_limits(observed: Observed, after: JobStatus) -> Iterator[str]:
    policy, job = observed.job.run_policy, observed.job
    goes_on = not (after.finished or job.deleting or observed.problem or policy.suspend)
    if not goes_on or not observed.workload.dialect.manages(job):
        return
    if policy.backoff_limit is not None and after.attempts > policy.backoff_limit:
        yield f"{after.attempts} failures, {policy.backoff_limit} are allowed"
    deadline, start = policy.active_deadline_seconds, after.start_time
    if deadline is not None and start is not None and (observed.now - start).total_seconds() > deadline:
        yield "it goes on after its deadline"


def _of_children(observed: Observed, plan: Plan) -> Iterator[str]:
    job, after = observed.job, plan.status or observed.job.status
    names = [pod["metadata"]["name"] for pod in plan.create_pods]
    if len(set(names)) < len(names) or {*names} & {pod.name for pod in observed.pods}:
        yield f"a pod would be made twice: {names}"
    if names and (after.finished or job.deleting or job.run_policy.suspend or observed.problem):
        yield f"pods are made for a job that does not go on: {names}"
    place_of = places(job, observed.workload.framework)
    for name in names:
        place = place_of(name)
        if place is None or place[0] not in job.roles or place[1] >= job.roles[place[0]].replicas:
            yield f"{name} is made and not wanted"
        elif place[1] in after.replicas[place[0]].succeeded_indexes:
            yield f"{name} has succeeded and is made again"
    known = {pod.uid for pod in observed.pods}
    if not {delete.uid for delete in plan.delete_pods} <= known:
        yield "a pod that was not seen is deleted"
    if len({delete.uid for delete in plan.delete_pods}) < len(plan.delete_pods):
        yield "a pod is deleted twice"


def _of_second_look(observed: Observed, status: JobStatus) -> Iterator[str]:
    dialect = observed.workload.dialect
    stored = dialect.decode_status(dialect.encode_status(observed.job, status))
    again = decide(replace(observed, job=replace(observed.job, status=stored)))
    if again.status is not None:
        yield f"a second look changes the status: {status} to {again.status}"
    if again.notes:
        yield f"a second look tells: {again.notes}"
