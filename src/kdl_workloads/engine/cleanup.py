"""What goes when a job ends, and when the job itself goes."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from kdl_runtime.codec.meta import PartialObject
from kdl_workloads.engine import claims, limits, lost
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.outcome import Outcome
from kdl_workloads.engine.plan import Delete, Plan
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.replicas import Replica, Replicas, places
from kdl_workloads.engine.restart import replace_at
from kdl_workloads.job import CleanPodPolicy, ConditionType, JobStatus, RunPolicy


def after_finish(observed: Observed, status: JobStatus, replicas: Replicas) -> Plan:
    """Pods by the clean-pod policy, and those that a failed job does not let run on; every service by which pods are
    found, the finalizers of all pods; the job once its time to live is over. ``status`` is the one that says that the
    job has finished. Deletes of pods that are going already are not repeated, but for those whose node is lost."""
    policy = observed.job.run_policy
    stopped = stopping(policy, status, replicas)
    expiry = limits.expiry(policy, status)
    expired = expiry is not None and observed.now >= expiry
    times = (None if expired else expiry, lost.earliest_look(observed.pods, observed.now))
    return Plan(
        release=held(observed.pods),
        delete_pods=(
            *(
                delete(replica.pod)
                for replica in replicas.all()
                if not replica.pod.terminating and _is_cleaned(policy.clean_pod_policy, replica.pod)
            ),
            *(delete(pod) for pod in stopped if not pod.running),
            *deletes_by_force(observed, observed.pods),
        ),
        stop_pods=tuple(pod for pod in stopped if pod.running and not pod.stopped),
        delete_services=services(observed),
        delete_claims=claims.after_finish(observed.claims),
        delete_job=expired,
        requeue_at=min((time for time in times if time is not None), default=None),
    )


def after_suspend(observed: Observed, replicas: Replicas) -> Plan:
    """Every pod and service, whatever the clean-pod policy; the finalizers of pods whose end is known."""
    return _take_away(observed, replicas, replicas.all(), delete_services=services(observed))


def withdraw(observed: Observed, status: JobStatus, replicas: Replicas) -> Plan:
    """The pods that are to go while the job goes on: the surplus, those that are replaced now, and those whose node is
    lost. ``requeue_at`` is when the next failed pod is replaced."""
    times = {replica.pod.uid: _replace_at(observed, status, replica) for replica in replicas.replaced}
    now = [r for r in replicas.replaced if (at := times[r.pod.uid]) is None or at <= observed.now]
    later = [at for at in times.values() if at is not None and at > observed.now]
    plan = _take_away(observed, replicas, [*now, *replicas.surplus, *replicas.stale], delete_services=())
    return replace(plan, requeue_at=min(later, default=None))


def _replace_at(observed: Observed, status: JobStatus, replica: Replica) -> datetime | None:
    if replica.outcome is not Outcome.FAILED or replica.pod.terminating:
        return None
    restarts, replicas = status.replicas[replica.role].restarts, observed.job.roles[replica.role].replicas
    return replace_at(replica.pod, observed.workload.conventions.container, restarts, replicas)


def _take_away(
    observed: Observed, replicas: Replicas, going: Iterable[Replica], *, delete_services: tuple[Delete, ...]
) -> Plan:
    """Deletes the pods that go, by force those whose node is lost, and lets go of every pod whose end is known, or
    will never be."""
    present = replicas.all()
    forced = deletes_by_force(observed, (r.pod for r in present))
    lost_uids = {child.uid for child in forced}
    stale_uids = {replica.pod.uid for replica in replicas.stale}
    let_go = lost_uids | stale_uids
    return Plan(
        release=held(r.pod for r in present if r.outcome.known or r.pod.uid in let_go),
        delete_pods=(*(delete(r.pod) for r in going if not r.pod.terminating), *forced),
        delete_services=delete_services,
    )


def deletes_by_force(observed: Observed, pods: Iterable[Pod]) -> tuple[Delete, ...]:
    """Of the pods that are going already, those that would stay for ever."""
    going = (pod for pod in pods if pod.terminating)
    forced = (pod for pod in going if lost.is_forced(pod, observed.nodes, observed.now))
    return tuple(delete(pod, grace_period_seconds=0) for pod in forced)


def after_delete(observed: Observed) -> Plan:
    """The garbage collector deletes what the job owns. A foreground delete, or the next job of that name, would wait
    for ever for a pod on a lost node."""
    return Plan(
        release=held(observed.pods),
        delete_pods=deletes_by_force(observed, observed.pods),
        requeue_at=lost.earliest_look(observed.pods, observed.now),
    )


def held(pods: Iterable[Pod]) -> tuple[Pod, ...]:
    return tuple(pod for pod in pods if pod.held)


def services(observed: Observed) -> tuple[Delete, ...]:
    """All services of replicas that the job has, and the one that has the job's own name, but those that are going
    already."""
    place_of = places(observed.job, observed.workload.framework)

    def finds_pods(name: str) -> bool:
        return name == observed.job.name or place_of(name) is not None

    return tuple(
        delete(service)
        for service in observed.services
        if service.metadata.deletion_timestamp is None and finds_pods(service.metadata.name)
    )


def delete(child: PartialObject, *, grace_period_seconds: int | None = None) -> Delete:
    return Delete(child.metadata.name, child.metadata.uid, grace_period_seconds)


def stopping(policy: RunPolicy, status: JobStatus, replicas: Replicas) -> list[Pod]:
    """The pods that a failed job does not let run on: their peers are gone, so they would wait for ever. What has not
    started has no log worth keeping, and is deleted."""
    if not (policy.stop_on_failure and policy.clean_pod_policy is CleanPodPolicy.NONE):
        return []
    if not status.has(ConditionType.FAILED):
        return []
    return [replica.pod for replica in replicas.all() if not replica.pod.ended and not replica.pod.terminating]


def _is_cleaned(policy: CleanPodPolicy, pod: Pod) -> bool:
    return policy is CleanPodPolicy.ALL or (policy is CleanPodPolicy.RUNNING and not (pod.ended or pod.ending))
