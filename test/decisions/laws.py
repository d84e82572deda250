"""What holds for every decision, whatever it was made on."""

from collections.abc import Iterator
from dataclasses import replace

from decisions.aftermath import carried_out
from kdl_workloads.engine.claims import claim_owner, is_going
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
ENDS = frozenset({ConditionType.SUCCEEDED, ConditionType.FAILED})


MOVES: dict[ConditionType | None, frozenset[ConditionType]] = {
    None: STATES,
    ConditionType.RUNNING: STATES,
    ConditionType.RESTARTING: STATES,
    ConditionType.SUSPENDED: STATES,
    ConditionType.SUCCEEDED: frozenset({ConditionType.SUCCEEDED}),
    ConditionType.FAILED: frozenset({ConditionType.FAILED}),
}
"""From each state to which. None is a job that is no more than created: only a new one, and one that was resumed."""
MAY_BE_CREATED_ONLY = frozenset({None, ConditionType.SUSPENDED})


def holding(status: JobStatus) -> list[ConditionType]:
    return [condition.type for condition in status.conditions if condition.status and condition.type in STATES]


def is_well_formed(status: JobStatus) -> bool:
    return len({condition.type for condition in status.conditions}) == len(status.conditions)


def violations(observed: Observed) -> list[str]:
    """What is wrong with the decision; empty if nothing is."""
    try:
        plan = decide(observed)
        found = [*_of_status(observed, plan), *_of_moves(observed, plan), *_of_children(observed, plan)]
        found += _of_claims(observed, plan)
        if plan.status is not None:
            found += _of_second_look(observed, plan.status)
        found += _of_aftermath(observed, plan)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return found


def _of_status(observed: Observed, plan: Plan) -> Iterator[str]:
    before, after = observed.job.status, plan.status or observed.job.status
    if len(holding(after)) > 1 and len(holding(before)) <= 1 and is_well_formed(before):
        yield f"{', '.join(holding(after))} hold at the same time"
    if is_well_formed(before) and not is_well_formed(after):
        yield "a condition is there twice"
    if before.finished and [c for c in after.conditions if c.status] != [c for c in before.conditions if c.status]:
        yield "the end of a job has changed"
    if plan.status is not None and after.finished and not before.finished:
        end = next(c for c in after.conditions if c.status and c.type in ENDS)
        if not (end.reason and end.message and after.completion_time):
            yield "the end has no reason, no message or no time"
    for role, replicas in before.replicas.items():
        kept = role in after.replicas and after.restarts == before.restarts
        if kept and not replicas.succeeded_indexes <= after.replicas[role].succeeded_indexes:
            yield f"success of {role} is forgotten"
    if after.attempts < before.attempts:
        yield "failures are forgotten"
    yield from _of_limits(observed, after)


def _of_moves(observed: Observed, plan: Plan) -> Iterator[str]:
    """The documented machine: which state follows which, and what the list of conditions then looks like."""
    before, after = observed.job.status, plan.status
    states = holding(before)
    if after is None or len(states) > 1 or not is_well_formed(before):
        return
    was = states[0] if states else None
    now = next(iter(holding(after)), None)
    if now is None and was not in MAY_BE_CREATED_ONLY:
        yield f"{was} is followed by nothing"
    if now is not None and now not in MOVES[was]:
        yield f"{was} is followed by {now}"
    if not after.has(ConditionType.CREATED) and not (before.finished or observed.problem):
        yield "it is not Created"
    if now is not None and now is not was and after.conditions[-1].type is not now:
        yield f"{now} is new, and not the last condition"
    if now is ConditionType.SUSPENDED and not (observed.job.run_policy.suspend or observed.problem):
        yield "it is suspended, and nobody has asked for that"
    for condition in after.conditions:
        known = before.condition(condition.type)
        moved = known is not None and known.last_transition_time != condition.last_transition_time
        if known is not None and moved and known.status == condition.status:
            yield f"the transition time of {condition.type} changes without its status"
    resumed = before.has(ConditionType.SUSPENDED) and not after.has(ConditionType.SUSPENDED)
    if before.start_time not in (None, after.start_time) and not resumed:
        yield "its start time changes"
    if after.completion_time is not None and not after.finished and before.completion_time is None:
        yield "it goes on with a completion time"


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


def _of_claims(observed: Observed, plan: Plan) -> Iterator[str]:
    there = {claim.metadata.name: claim for claim in observed.claims}
    made = [claim["metadata"]["name"] for claim in plan.create_claims]
    if len(set(made)) < len(made) or {*made} & {*there}:
        yield f"a claim would be made twice: {made}"
    for pod in plan.create_pods:
        for volume in pod["spec"].get("volumes") or ():
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if name is not None and name not in made and (name not in there or is_going(there[name], observed.job)):
                yield f"{pod['metadata']['name']} is made, and its claim {name} is not there to stay"
    deleted = {delete.uid for delete in plan.delete_claims}
    if deleted and not (plan.status or observed.job.status).finished:
        yield "claims of a job that goes on are deleted"
    if not deleted <= {claim.metadata.uid for claim in observed.claims if claim_owner(claim) is not None}:
        yield "a claim is deleted that was not seen, or that somebody else has made"


def _of_second_look(observed: Observed, status: JobStatus) -> Iterator[str]:
    dialect = observed.workload.dialect
    stored = dialect.decode_status(dialect.encode_status(observed.job, status))
    again = decide(replace(observed, job=replace(observed.job, status=stored)))
    if again.status is not None:
        yield f"a second look changes the status: {status} to {again.status}"
    if again.notes:
        yield f"a second look tells: {again.notes}"


def _of_aftermath(observed: Observed, plan: Plan) -> Iterator[str]:
    """Once a plan is carried out, and nothing else has happened, nothing is left to do but to wait."""
    again = decide(carried_out(observed, plan))
    # The end of a pod that no kubelet runs is known as soon as it is deleted.
    deleted = {delete.uid for delete in plan.delete_pods}
    again = replace(again, release=tuple(pod for pod in again.release if pod.uid not in deleted))
    if again.creates_or_deletes or again.release:
        done = {field: value for field in _DEEDS if (value := getattr(again, field))}
        yield f"what was done is done again: {done}"
    if again.notes:
        yield f"what was told is told again: {again.notes}"


_DEEDS = (
    "extras",
    "create_services",
    "create_claims",
    "create_pods",
    "release",
    "delete_pods",
    "stop_pods",
    "delete_services",
    "delete_claims",
    "delete_job",
)
