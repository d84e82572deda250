"""The pod of one replica, as it is sent to the API server."""

from typing import Any

from kdl_workloads.engine.children import owner_reference
from kdl_workloads.engine.claims import with_claims
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.pod import ATTEMPT, OUTCOME_FINALIZER
from kdl_workloads.engine.restart import pod_restart_policy
from kdl_workloads.job import Job

_METADATA_KEPT = ("annotations", "finalizers", "labels")


def desired_pod(workload: Workload, job: Job, role: str, index: int) -> dict[str, Any]:
    """The template of the replica as the kind completes it, with the operator's labels over the template's, the restart
    policy of the role, volumes for its claims, what it knows of its peers, the attempt that it belongs to, the owner
    and the outcome finalizer."""
    spec = job.roles[role]
    master = workload.framework.is_master(job, role, index)
    template = workload.framework.pod_template(job.as_seen_by(role, index), role, index)
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if key in _METADATA_KEPT}
    labels = workload.dialect.labels(job, role, index, master=master)
    world = workload.framework.world(job)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **world, ATTEMPT: str(job.status.restarts)}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **metadata,
            "name": workload.framework.child_name(job, role, index),
            "namespace": job.namespace,
            "labels": {**(metadata.get("labels") or {}), **labels},
            "finalizers": [OUTCOME_FINALIZER, *(metadata.get("finalizers") or ())],
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {**template["spec"], "restartPolicy": pod_restart_policy(spec.restart_policy, job.run_policy)},
    }
    return with_claims(workload, job, role, index, pod)


def overwritten_restart_policies(job: Job) -> list[str]:
    """Roles whose template sets a restart policy other than the one that its pods get."""
    limits = job.run_policy
    return [
        role
        for role, spec in job.roles.items()
        if spec.template["spec"].get("restartPolicy") not in (None, pod_restart_policy(spec.restart_policy, limits))
    ]
