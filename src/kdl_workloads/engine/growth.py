"""What a job that goes on still lacks, and what it has too much of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from kdl_workloads.engine import avoidance, claims
from kdl_workloads.engine.children import owner_reference
from kdl_workloads.engine.cleanup import delete
from kdl_workloads.engine.dag import is_ready
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Delete
from kdl_workloads.engine.pods import desired_pod
from kdl_workloads.engine.replicas import Replicas, Slot, is_wanted, places
from kdl_workloads.engine.services import desired_service
from kdl_workloads.framework import Extra
from kdl_workloads.job import JobStatus


def missing_places(observed: Observed, status: JobStatus, replicas: Replicas) -> Iterator[Slot]:
    """Each place that gets a pod now: it has none, its replica has not succeeded, and its role may start. A pod that
    is still going keeps its place, and so does a claim."""
    workload, job = observed.workload, observed.job
    gate = workload.framework.closed_gate(job)
    held_up = claims.held_up(observed, status, replicas)
    for role, spec in job.roles.items():
        if gate is not None and role != gate.of:
            continue
        succeeded = status.replicas[role].succeeded_indexes
        indexes = [i for i in range(spec.replicas) if i not in succeeded and (role, i) not in replicas.wanted]
        if indexes and is_ready(workload, job, role, status, replicas):
            yield from ((role, index) for index in indexes if (role, index) not in held_up)


def missing_pods(observed: Observed, status: JobStatus, empty: Iterable[Slot]) -> Iterator[Mapping[str, Any]]:
    """The pods for places that have none."""
    avoided = avoidance.avoided(status, observed.now)
    for role, index in empty:
        yield avoidance.keep_off(desired_pod(observed.workload, observed.job, role, index), avoided)


EXTRAS_BEFORE_PODS = timedelta(minutes=1)
EXTRAS_WHILE_WAITING = timedelta(minutes=10)
EXTRAS_AGAIN = timedelta(hours=1)
"""How long ago the kind's further objects may have been seen to where pods are made, where a pod waits, and else. A pod
does not start without a ConfigMap that somebody has deleted. They are not watched: that needs the right to read every
such object of the cluster."""


def extras_due(observed: Observed, replicas: Replicas, *, making_pods: bool = False) -> datetime | None:
    """When the kind's further objects are to be seen to; None if that is now, and always for a kind without any."""
    if observed.extras_at is None:
        return None
    if making_pods:
        return observed.extras_at + EXTRAS_BEFORE_PODS
    waits = any(replica.pod.status.phase == "Pending" for replica in replicas.wanted.values())
    return observed.extras_at + (EXTRAS_WHILE_WAITING if waits else EXTRAS_AGAIN)


def extra_objects(observed: Observed, due: datetime | None) -> Iterator[Extra]:
    """What the kind wants beside pods and services, unless it has been seen to a short while ago."""
    if due is None or observed.now >= due:
        for extra in observed.workload.framework.objects(observed.job):
            labels = observed.workload.dialect.job_labels(observed.job)
            metadata = {
                **extra.body["metadata"],
                "namespace": observed.job.namespace,
                "labels": {**(extra.body["metadata"].get("labels") or {}), **labels},
                "ownerReferences": [owner_reference(observed.job)],
            }
            named = {"apiVersion": extra.resource.api_version, "kind": extra.resource.kind}
            yield replace(extra, body={**named, **extra.body, "metadata": metadata})


def missing_services(observed: Observed) -> Iterator[Mapping[str, Any]]:
    """Services of all roles at once, also of those that still wait for others: names come before those who ask."""
    workload, job = observed.workload, observed.job
    place_of = places(job, workload.framework)
    there = {place_of(service.metadata.name) for service in observed.services}
    for role, spec in job.roles.items():
        if workload.framework.has_service(job, role):
            for index in range(spec.replicas):
                if (role, index) not in there:
                    yield desired_service(workload, job, role, index)


def surplus_services(observed: Observed) -> tuple[Delete, ...]:
    """Services of replicas that the job no longer has."""
    place_of = places(observed.job, observed.workload.framework)

    def is_surplus(name: str) -> bool:
        place = place_of(name)
        return place is not None and not is_wanted(observed.job, place)

    return tuple(
        delete(service)
        for service in observed.services
        if service.metadata.deletion_timestamp is None and is_surplus(service.metadata.name)
    )
