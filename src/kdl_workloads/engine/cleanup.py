"""What goes when a job ends, and when the job itself goes."""

from collections.abc import Iterable
from dataclasses import replace

from kdl_runtime.codec.meta import PartialObject
from kdl_workloads.engine import limits, lost
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Delete, Plan
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.replicas import Replicas, slot
from kdl_workloads.job import CleanPodPolicy, JobStatus


def after_finish(observed: Observed, status: JobStatus, replicas: Replicas) -> Plan:
    """Pods by the clean-pod policy, every service of a replica, the finalizers of all pods; the job once its time to
    live is over. ``status`` is the one that says that the job has finished. Deletes of pods that are going already are
    not repeated."""
    policy = observed.job.run_policy
    expiry = limits.expiry(policy, status)
    expired = expiry is not None and observed.now >= expiry
    return Plan(
        release=held(observed.pods),
        delete_pods=tuple(
            delete(replica.pod)
            for replica in replicas.all()
            if not replica.pod.terminating and _is_cleaned(policy.clean_pod_policy, replica.pod)
        ),
        delete_services=services(observed),
        delete_job=expired,
        requeue_at=None if expired else expiry,
    )


def after_suspend(observed: Observed, replicas: Replicas) -> Plan:
    """Every pod and service, whatever the clean-pod policy; finalizers of pods whose end is known."""
    plan = withdraw(observed, replicas)
    running = [r.pod for r in replicas.all() if not r.pod.terminating]
    deletes = {d.uid: d for d in (*plan.delete_pods, *map(delete, running))}
    return replace(plan, delete_pods=tuple(deletes.values()), delete_services=services(observed))


def withdraw(observed: Observed, replicas: Replicas) -> Plan:
    """The pods that are to go while the job goes on: those that are replaced, the surplus, and those whose node is
    lost. Pods whose end is known, or does not matter, are let go."""
    surplus = {replica.pod.uid for replica in replicas.surplus}
    going = [r.pod for r in replicas.all() if (r.replaced or r.pod.uid in surplus) and not r.pod.terminating]
    forced = [r.pod for r in replicas.all() if lost.is_forced(r.pod, observed.nodes, observed.now)]
    settled = [r.pod for r in replicas.all() if r.outcome.known or r.pod.uid in surplus or r.pod in forced]
    return Plan(
        release=held(settled),
        delete_pods=(*map(delete, going), *(delete(pod, grace_period_seconds=0) for pod in forced)),
    )


def held(pods: Iterable[Pod]) -> tuple[Pod, ...]:
    return tuple(pod for pod in pods if pod.held)


def services(observed: Observed) -> tuple[Delete, ...]:
    """All services of replicas that the job has, but those that are going already."""
    return tuple(
        delete(service)
        for service in observed.services
        if service.metadata.deletion_timestamp is None
        and slot(observed.job, observed.workload.framework, service.metadata.name) is not None
    )


def delete(child: PartialObject, *, grace_period_seconds: int | None = None) -> Delete:
    return Delete(child.metadata.name, child.metadata.uid, grace_period_seconds)


def _is_cleaned(policy: CleanPodPolicy, pod: Pod) -> bool:
    return policy is CleanPodPolicy.ALL or (policy is CleanPodPolicy.RUNNING and not pod.ended)
