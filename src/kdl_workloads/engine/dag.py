"""Roles that wait for others: a role's pods are created once every pod of its upstream roles has come far enough."""

from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.replicas import Replica, Replicas
from kdl_workloads.framework import Phase
from kdl_workloads.job import Job, JobStatus, ReplicaStatus


def is_ready(workload: Workload, job: Job, role: str, status: JobStatus, replicas: Replicas) -> bool:
    """Whether the role may have pods. Looked at again for every pod that is created: a worker that has to be replaced
    also waits while its parameter server is away."""
    waits_for = workload.framework.waits_for(job, role)
    return all(_all_at(job, upstream, phase, status, replicas) for upstream, phase in waits_for.items())


def _all_at(job: Job, role: str, phase: Phase, status: JobStatus, replicas: Replicas) -> bool:
    succeeded = status.replicas.get(role, ReplicaStatus()).succeeded_indexes
    return all(
        index in succeeded or _is_at(phase, replicas.wanted.get((role, index)))
        for index in range(job.roles[role].replicas)
    )


def _is_at(phase: Phase, replica: Replica | None) -> bool:
    if replica is None or phase is Phase.SUCCEEDED or not replica.pod.active:
        return False
    return phase is Phase.RUNNING or replica.pod.ready
