"""One look at one job: from what was observed to what is to be done. Pure, and the whole state machine: docs/engine.md
has it as one table, in the order of this file."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from kdl_workloads.engine import (
    attempts,
    avoidance,
    claims,
    cleanup,
    conditions,
    growth,
    lifecycle,
    limits,
    lost,
    node_memory,
    whole_restart,
)
from kdl_workloads.engine.cause import with_cause
from kdl_workloads.engine.notes import notes
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Plan
from kdl_workloads.engine.replicas import Replicas, assign, count, replica_statuses
from kdl_workloads.framework import RoleState, Verdict
from kdl_workloads.job import ConditionType, JobStatus


def decide(observed: Observed) -> Plan:
    """The plan for the job. Deciding again on the same observation with the plan's status stored gives no further
    change of the status."""
    job = observed.job
    if not observed.workload.dialect.manages(job):
        return Plan()
    if job.deleting:
        return cleanup.after_delete(observed)
    replicas = assign(observed, job.status.restarts)
    if job.status.finished:
        return cleanup.after_finish(observed, job.status, replicas)
    if observed.problem:
        return _refuse(observed)
    status = lifecycle.create(observed, job.status)
    status = attempts.settle(status, replicas, observed.workload.conventions.container, observed.now)
    status = avoidance.remember(observed, status, replicas)
    status = node_memory.remember(observed, status, replicas)
    if job.run_policy.suspend:
        return _suspend(observed, status, replicas)
    return _run(observed, lifecycle.start(observed, status), replicas)


def _run(observed: Observed, status: JobStatus, replicas: Replicas) -> Plan:
    job = observed.job
    states = count(job, status, replicas)
    status = lifecycle.with_own_fields(observed, replace(status, replicas=replica_statuses(job, status, states)))
    verdict = _verdict(observed, states, replicas)
    ended = _end(observed, status, verdict, attempts.total(status, replicas))
    if ended is not None:
        plan = cleanup.after_finish(observed, ended, replicas)
        return _with_status(observed, plan, ended, replicas)
    cause = whole_restart.cause(replicas)
    if cause is not None:
        status, verdict = whole_restart.restart(observed, status, cause), Verdict()
        replicas = assign(observed, status.restarts)
    held_up = claims.held_up(observed, status, replicas)
    status = lifecycle.explain(observed, lifecycle.advance(observed, status, verdict), held_up.values())
    return _with_status(observed, _go_on(observed, status, replicas), status, replicas)


def _verdict(observed: Observed, states: Mapping[str, RoleState], replicas: Replicas) -> Verdict:
    """What the kind's rules say. A failure rule ends the job also for a role whose failures the kind tolerates."""
    verdict = observed.workload.framework.evaluate(observed.job, states)
    if verdict.type is ConditionType.SUCCEEDED or verdict.type is ConditionType.FAILED:
        return verdict
    role = next((replica.role for replica in replicas.wanted.values() if replica.fails_job_by_rule), None)
    return verdict if role is None else Verdict(ConditionType.FAILED, role, states[role].failed)


def _end(observed: Observed, status: JobStatus, verdict: Verdict, used: int) -> JobStatus | None:
    """The final status, if the job has come to an end. A result comes before every limit."""
    job, texts, policy = observed.job, observed.texts, observed.job.run_policy
    if verdict.type is ConditionType.SUCCEEDED:
        return lifecycle.succeed(observed, status)
    if verdict.type is ConditionType.FAILED:
        text = texts.failed(job, verdict.role, verdict.count)
        return lifecycle.fail(observed, status, with_cause(text, status.first_failure))
    if limits.past_backoff_limit(policy, used):
        return lifecycle.fail(observed, status, with_cause(texts.backoff_limit(job), status.first_failure))
    if limits.past_deadline(policy, status, observed.now):
        return lifecycle.fail(observed, status, texts.deadline(job))
    if observed.block is not None and observed.block.fatal:
        return lifecycle.fail(observed, status, texts.invalid(job, observed.block.message))
    return None


def _go_on(observed: Observed, status: JobStatus, replicas: Replicas) -> Plan:
    """Pods and services to create, and those to take away; nothing is created while the API server refuses it."""
    plan = cleanup.withdraw(observed, status, replicas)
    times = [plan.requeue_at, limits.deadline(observed.job.run_policy, status), *_going(observed)]
    block, resumes_at = observed.block, whole_restart.resumes_at(status, replicas, observed.now)
    if block is not None and observed.now < block.until:
        return replace(plan, requeue_at=_earliest([block.until, *times]))
    if replicas.stale or resumes_at is not None or whole_restart.all_going(observed, replicas):
        return replace(plan, requeue_at=_earliest([resumes_at, *times]))
    empty = list(growth.missing_places(observed, status, replicas))
    due = growth.extras_due(observed, replicas, making_pods=bool(empty))
    extras = tuple(growth.extra_objects(observed, due))
    seen_to = replace(observed, extras_at=observed.now) if extras else observed
    times.append(growth.extras_due(seen_to, replicas))
    return replace(
        plan,
        extras=extras,
        create_services=tuple(growth.missing_services(observed)),
        create_claims=tuple(claims.missing_claims(observed, empty)),
        create_pods=tuple(growth.missing_pods(observed, status, empty)),
        delete_services=growth.surplus_services(observed),
        requeue_at=_earliest(times),
    )


def _suspend(observed: Observed, status: JobStatus, replicas: Replicas) -> Plan:
    plan = replace(cleanup.after_suspend(observed, replicas), requeue_at=_earliest(_going(observed)))
    states = count(observed.job, status, replicas)
    status = replace(status, replicas=replica_statuses(observed.job, status, states))
    return _with_status(observed, plan, lifecycle.suspend(observed, status), replicas)


def _refuse(observed: Observed) -> Plan:
    """A spec that cannot be carried out fails a job that has nothing yet. One that already runs is left as it is, with
    an explanation, until the spec is mended: a slip in an edit is no reason to throw away a training."""
    job, status = observed.job, observed.job.status
    text = observed.texts.invalid(job, observed.problem)
    if observed.pods:
        explained = conditions.explain(status.conditions, ConditionType.CREATED, text.message, observed.stamp)
        return _with_status(observed, Plan(), replace(status, conditions=explained), Replicas({}))
    status = lifecycle.fail(observed, lifecycle.create(observed, status), text)
    return _with_status(observed, cleanup.after_finish(observed, status, Replicas({})), status, Replicas({}))


def _with_status(observed: Observed, plan: Plan, status: JobStatus, replicas: Replicas) -> Plan:
    before = observed.job.status
    if _is_same(before, status):
        return plan
    return replace(plan, status=status, notes=notes(observed, status, replicas))


def _is_same(before: JobStatus, after: JobStatus) -> bool:
    # Forgetting a pod that is gone can wait until there is something else to write.
    if after.uncounted < before.uncounted:
        after = replace(after, uncounted=before.uncounted)
    if after.judged_nodes.items() < before.judged_nodes.items():
        after = replace(after, judged_nodes=before.judged_nodes)
    return before == after


def _going(observed: Observed) -> list[datetime | None]:
    return [lost.look_again_at(pod, observed.now) for pod in observed.pods if pod.terminating]


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
