"""What is kept of a job."""

from typing import Any

import pytest

from kdl_runtime.codec.json import decoder, encode
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.limits import expiry
from kdl_workloads.engine.view import JobView, remains
from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.job import CleanPodPolicy
from unit.kdl_workloads.engine.world import after

CREATED = {"type": "Created", "status": "True", "lastTransitionTime": "2026-01-01T12:00:00Z"}
RUNNING = {"type": "Running", "status": "False", "lastTransitionTime": "2026-01-01T12:00:00Z"}
SUCCEEDED = {"type": "Succeeded", "status": "True", "lastTransitionTime": "2026-01-01T12:01:40Z"}


def view(api_version: str, spec: dict[str, Any], *conditions: dict[str, str]) -> JobView:
    metadata = {"name": "job", "namespace": "ns", "uid": "u", "annotations": {"last-applied": "x" * 5000}}
    status = {"conditions": conditions, "completionTime": "2026-01-01T12:01:40Z"}
    obj = {"apiVersion": api_version, "kind": "PyTorchJob", "metadata": metadata, "spec": spec, "status": status}
    return decoder(JobView)(encode(obj))


def test_a_job_that_goes_on_is_kept_whole() -> None:
    assert remains(view(KUBEFLOW, {}, CREATED, RUNNING)) is None
    assert remains(view(KUBEFLOW, {}, CREATED, {**SUCCEEDED, "status": "False"})) is None


@pytest.mark.parametrize(
    ("api_version", "spec"),
    [
        (KUBEFLOW, {"runPolicy": {"cleanPodPolicy": "All", "ttlSecondsAfterFinished": 60, "backoffLimit": 3}}),
        (KUBEDL, {"cleanPodPolicy": "All", "ttlSecondsAfterFinished": 60}),
        (KUBEDL, {"runPolicy": {"cleanPodPolicy": "All"}, "ttlSecondsAfterFinished": 60}),
        (KUBEDL, {"RunPolicy": {"cleanPodPolicy": "All", "ttlSecondsAfterFinished": 60}}),
    ],
)
def test_what_remains_of_a_finished_job_tells_all_that_is_left_to_do(api_version: str, spec: dict[str, Any]) -> None:
    rest = remains(view(api_version, spec, CREATED, RUNNING, SUCCEEDED))
    assert rest is not None
    assert rest.finished
    assert not rest.pending
    job = dialect_for(api_version).outline(rest.as_object(), PyTorch())
    assert (job.namespace, job.name, job.uid, job.status.finished) == ("ns", "job", "u", True)
    assert job.run_policy.clean_pod_policy is CleanPodPolicy.ALL
    assert expiry(job.run_policy, job.status) == after(160)
    assert len(encode(rest)) < 600


def test_a_policy_that_is_none_does_not_hide_the_job() -> None:
    rest = remains(view(KUBEFLOW, {"runPolicy": 5, "cleanPodPolicy": []}, SUCCEEDED))
    assert rest is not None
    assert dialect_for(KUBEFLOW).outline(rest.as_object(), PyTorch()).status.finished
