"""The dialect of kubeflow.org/v1."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.kubeflow import Kubeflow
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.job import CleanPodPolicy, ConditionType, JobStatus, ReplicaStatus, RunPolicy, SchedulingPolicy

Objects = Callable[..., dict[str, Any]]
DIALECT = Kubeflow()
PREFIX = "training.kubeflow.org/"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "policy"),
    [
        (None, RunPolicy()),
        ({"cleanPodPolicy": ""}, RunPolicy()),
        (
            {"cleanPodPolicy": "Running", "ttlSecondsAfterFinished": 1, "activeDeadlineSeconds": 2, "backoffLimit": 3},
            RunPolicy(CleanPodPolicy.RUNNING, 1, 2, 3),
        ),
        ({"suspend": True, "managedBy": "kubeflow.org/training-operator"}, None),
        (
            {
                "schedulingPolicy": {
                    "minAvailable": 2,
                    "queue": "q",
                    "minResources": {"cpu": 3, "memory": "1Gi"},
                    "priorityClass": "p",
                    "scheduleTimeoutSeconds": 60,
                }
            },
            RunPolicy(scheduling=SchedulingPolicy(2, "q", None, "p", {"cpu": "3", "memory": "1Gi"}, 60)),
        ),
    ],
)
def test_run_policy(kubeflow_pytorch: Objects, values: dict[str, Any] | None, policy: RunPolicy | None) -> None:
    found = DIALECT.decode(kubeflow_pytorch(runPolicy=values), PyTorch()).run_policy
    if policy is None:
        assert (found.suspend, found.managed_by) == (True, "kubeflow.org/training-operator")
    else:
        assert found == policy


def test_an_outline_keeps_whose_job_it_is(kubeflow_pytorch: Objects) -> None:
    obj = kubeflow_pytorch(runPolicy={"managedBy": "kueue.x-k8s.io/multikueue"}, pytorchReplicaSpecs={"Nobody": {}})
    with pytest.raises(SpecError):
        DIALECT.decode(obj, PyTorch())
    assert not DIALECT.manages(DIALECT.outline(obj, PyTorch()))


def test_inline_limits_are_none_of_this_group(kubeflow_pytorch: Objects) -> None:
    job = DIALECT.decode(kubeflow_pytorch(cleanPodPolicy="All"), PyTorch())
    assert job.run_policy.clean_pod_policy is CleanPodPolicy.NONE


def test_a_limit_that_makes_no_sense(kubeflow_pytorch: Objects) -> None:
    with pytest.raises(SpecError, match=r"spec\.runPolicy\.cleanPodPolicy: is 'Some'"):
        DIALECT.decode(kubeflow_pytorch(runPolicy={"cleanPodPolicy": "Some"}), PyTorch())


def test_options_are_what_is_left(kubeflow_pytorch: Objects) -> None:
    job = DIALECT.decode(kubeflow_pytorch(runPolicy={}, nprocPerNode="2", elasticPolicy={"minReplicas": 1}), PyTorch())
    assert job.options == {"nprocPerNode": "2", "elasticPolicy": {"minReplicas": 1}}


def test_labels(kubeflow_pytorch: Objects) -> None:
    job = DIALECT.decode(kubeflow_pytorch(), PyTorch())
    worker = {
        f"{PREFIX}operator-name": "pytorchjob-controller",
        f"{PREFIX}job-name": "bert",
        f"{PREFIX}replica-type": "worker",
        f"{PREFIX}replica-index": "0",
    }
    assert DIALECT.labels(job, "Worker", 0, master=False) == worker
    assert DIALECT.labels(job, "Worker", 0, master=True) == {**worker, f"{PREFIX}job-role": "master"}
    assert DIALECT.job_labels(job).items() <= worker.items()
    assert DIALECT.job_selector() == f"{PREFIX}job-name"


@pytest.mark.parametrize(
    ("code", "retryable"), [(0, False), (1, False), (127, False), (128, True), (137, True), (255, True)]
)
def test_exit_codes(code: int, retryable: bool) -> None:
    assert DIALECT.retryable(code) is retryable


@pytest.mark.parametrize("type_", list(ConditionType))
def test_reasons_begin_with_the_kind(type_: ConditionType) -> None:
    assert DIALECT.reason("PyTorchJob", type_) == f"PyTorchJob{type_.value}"


def test_texts_with_a_master(kubeflow_pytorch: Objects) -> None:
    obj = kubeflow_pytorch()
    obj["spec"]["pytorchReplicaSpecs"]["Worker"]["restartPolicy"] = "ExitCode"
    job = DIALECT.decode(obj, PyTorch())
    texts = DIALECT.texts
    found = [
        texts.created(job),
        texts.running(job),
        texts.succeeded(job),
        texts.failed(job, "Master", 1),
        texts.failed(job, "Worker", 2),
        texts.restarting(job, "Worker", 2),
        texts.backoff_limit(job),
        texts.deadline(job),
        texts.suspended(job),
        texts.resumed(job),
        texts.invalid(job, "spec.x: is wrong"),
    ]
    assert [(text.reason, text.message) for text in found] == [
        ("PyTorchJobCreated", "PyTorchJob bert is created."),
        ("PyTorchJobRunning", "PyTorchJob bert is running."),
        ("PyTorchJobSucceeded", "PyTorchJob bert is successfully completed."),
        ("PyTorchJobFailed", "PyTorchJob bert is failed because 1 Master replica(s) failed."),
        ("PyTorchJobFailed", 'job "bert" is failing because "Worker" replica(s) failed.'),
        ("PyTorchJobRestarting", "PyTorchJob bert is restarting because 2 Worker replica(s) failed."),
        ("PyTorchJobFailed", "Job bert has failed because it has reached the specified backoff limit"),
        ("PyTorchJobFailed", "Job bert has failed because it was active longer than specified deadline"),
        ("PyTorchJobSuspended", "PyTorchJob bert is suspended."),
        ("PyTorchJobResumed", "PyTorchJob bert is resumed."),
        ("PyTorchJobFailedValidation", "PyTorchJob bert failed validation because spec.x: is wrong"),
    ]


def test_texts_without_a_master(kubeflow_pytorch: Objects) -> None:
    obj = kubeflow_pytorch()
    del obj["spec"]["pytorchReplicaSpecs"]["Master"]
    job = DIALECT.decode(obj, PyTorch())
    assert DIALECT.texts.running(job).message == "PyTorchJob team/bert is running."
    assert DIALECT.texts.succeeded(job).message == "PyTorchJob team/bert successfully completed."


@pytest.mark.parametrize(
    ("managed_by", "manages"),
    [(None, True), ("", True), ("kubeflow.org/training-operator", True), ("kueue.x-k8s.io/multikueue", False)],
)
def test_managed_by(kubeflow_pytorch: Objects, managed_by: str | None, manages: bool) -> None:
    job = DIALECT.decode(kubeflow_pytorch(runPolicy={"managedBy": managed_by}), PyTorch())
    assert DIALECT.manages(job) is manages


def test_the_status_gives_autoscalers_a_selector(kubeflow_pytorch: Objects) -> None:
    job = DIALECT.decode(kubeflow_pytorch(), PyTorch())
    status = DIALECT.encode_status(job, JobStatus(replicas={"Worker": ReplicaStatus(active=2)}, start_time=NOW))
    selector = f"{PREFIX}job-name=bert,{PREFIX}operator-name=pytorchjob-controller,{PREFIX}replica-type=worker"
    assert status["replicaStatuses"] == {"Worker": {"active": 2, "selector": selector}}


def test_dialects_by_api_version() -> None:
    assert dialect_for("kubeflow.org/v1").name == "kubeflow"
    assert dialect_for("training.kubedl.io/v1alpha1").name == "kubedl"
    with pytest.raises(KeyError, match=r"known are training\.kubedl\.io/v1alpha1, kubeflow\.org/v1"):
        dialect_for("apps/v1")
