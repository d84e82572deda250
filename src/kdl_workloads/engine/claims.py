"""PersistentVolumeClaims of single replicas: what a replica has written is there again for its next pod.

They are made before the pod and named after the template and the pod, as a StatefulSet does it. A claim of that name
that is there already is used as it is, whoever has made it; only what this operator has made is ever deleted by it. A
claim keeps the retention that it was made with: an owner reference to the job where it goes with the job, an annotation
where it goes when the job has finished.
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kdl_runtime.codec.meta import PartialObject
from kdl_workloads.engine.children import owner_reference
from kdl_workloads.engine.observed import Observed, Workload
from kdl_workloads.engine.plan import Delete
from kdl_workloads.engine.replicas import Replicas, Slot
from kdl_workloads.job import Job, JobStatus

JOB = "kdl.io/job"
"""Annotation of a claim: kind and name of the job that it was made for. Claims that outlive their job have no owner."""
WHEN_FINISHED = "kdl.io/when-finished"
"""Annotation of a claim that is deleted when its job has finished; its value is ``DELETE``."""
DELETE = "Delete"


def claim_name(template: Mapping[str, Any], pod: str) -> str:
    return f"{template['metadata']['name']}-{pod}"


def claim_owner(claim: PartialObject) -> tuple[str, str] | None:
    """Kind and name of the job that the claim was made for; None for a claim that this operator has not made."""
    kind, slash, name = claim.metadata.annotations.get(JOB, "").partition("/")
    return (kind, name) if slash else None


def missing_claims(observed: Observed, places: Iterable[Slot]) -> Iterator[Mapping[str, Any]]:
    """The claims that the pods of these places need and do not have."""
    there = {claim.metadata.name for claim in observed.claims}
    for role, index in places:
        for claim in _desired(observed.workload, observed.job, role, index):
            if claim["metadata"]["name"] not in there:
                yield claim


def with_claims(workload: Workload, job: Job, role: str, index: int, pod: dict[str, Any]) -> dict[str, Any]:
    """The pod with a volume for each claim, in the place of one of the same name."""
    templates = job.roles[role].claims
    if not templates:
        return pod
    name = workload.framework.child_name(job, role, index)
    claimed = {
        str(template["metadata"]["name"]): {"persistentVolumeClaim": {"claimName": claim_name(template, name)}}
        for template in templates
    }
    others = [volume for volume in pod["spec"].get("volumes") or () if volume.get("name") not in claimed]
    volumes = [*others, *({"name": name, **source} for name, source in claimed.items())]
    return {**pod, "spec": {**pod["spec"], "volumes": volumes}}


def is_going(claim: PartialObject, job: Job) -> bool:
    """Whether nothing can be put into the claim any more: it is being deleted, or will be with the earlier job that
    owns it."""
    owner = claim.metadata.controller
    return claim.metadata.deletion_timestamp is not None or (owner is not None and owner.uid != job.uid)


def held_up(observed: Observed, status: JobStatus, replicas: Replicas) -> dict[Slot, str]:
    """Places without a pod that get none before a claim is gone, and its name."""
    going = {claim.metadata.name for claim in observed.claims if is_going(claim, observed.job)}
    if not going:
        return {}
    framework, job = observed.workload.framework, observed.job
    return {
        (role, index): name
        for role, spec in job.roles.items()
        for index in range(spec.replicas)
        if (role, index) not in replicas.wanted and index not in status.replicas[role].succeeded_indexes
        for name in (claim_name(template, framework.child_name(job, role, index)) for template in spec.claims)
        if name in going
    }


def after_finish(claims: Sequence[PartialObject]) -> tuple[Delete, ...]:
    """The claims that go because the job has finished. Kubernetes keeps each until its pod is deleted, also a pod that
    has ended."""
    return tuple(
        Delete(claim.metadata.name, claim.metadata.uid)
        for claim in claims
        if claim.metadata.annotations.get(WHEN_FINISHED) == DELETE and claim.metadata.deletion_timestamp is None
    )


def _desired(workload: Workload, job: Job, role: str, index: int) -> Iterator[Mapping[str, Any]]:
    spec = job.roles[role]
    pod = workload.framework.child_name(job, role, index) if spec.claims else ""
    retention = spec.claim_retention
    for template in spec.claims:
        given = template["metadata"]
        when = {WHEN_FINISHED: DELETE} if retention.delete_when_finished else {}
        metadata = {
            "name": claim_name(template, pod),
            "namespace": job.namespace,
            "labels": {**(given.get("labels") or {}), **workload.dialect.labels(job, role, index, master=False)},
            "annotations": {**(given.get("annotations") or {}), JOB: f"{job.kind}/{job.name}", **when},
            **({"ownerReferences": [owner_reference(job)]} if retention.delete_when_deleted else {}),
        }
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": template["spec"],
        }
