"""What pods and services of a job have in common: who owns them."""

from typing import Any

from kdl_workloads.job import Job


def owner_reference(job: Job) -> dict[str, Any]:
    """Controller reference: the job is deleted with its children, and in the foreground only after them."""
    return {
        "apiVersion": job.api_version,
        "kind": job.kind,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
