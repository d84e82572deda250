"""The dialect of training.kubedl.io/v1alpha1."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.framework import KUBEDL
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.xgboost import XGBoost
from kdl_workloads.job import CleanPodPolicy, ConditionType, RunPolicy, SchedulingPolicy

Objects = Callable[..., dict[str, Any]]
DIALECT = KubeDL()


def test_identity(kubedl_xgboost: Objects) -> None:
    obj = kubedl_xgboost()
    obj["metadata"] |= {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    job = DIALECT.decode(obj, XGBoost())
    assert (job.api_version, job.kind, job.namespace, job.name) == (DIALECT.api_version, "XGBoostJob", "team", "digits")
    assert (job.uid, job.generation, job.labels, job.annotations) == ("u1", 3, {"a": "b"}, {"c": "d"})
    assert not job.deleting


def test_deleting(kubedl_xgboost: Objects) -> None:
    obj = kubedl_xgboost()
    obj["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    assert DIALECT.decode(obj, XGBoost()).deleting


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ({}, RunPolicy()),
        (
            {"cleanPodPolicy": "All", "ttlSecondsAfterFinished": 0, "activeDeadlineSeconds": 9, "backoffLimit": 0},
            RunPolicy(CleanPodPolicy.ALL, 0, 9, 0),
        ),
        ({"cleanPodPolicy": ""}, RunPolicy(CleanPodPolicy.ALL)),
        ({"runPolicy": {"cleanPodPolicy": "Running"}}, RunPolicy(CleanPodPolicy.RUNNING)),
        ({"RunPolicy": {"cleanPodPolicy": "Running"}}, RunPolicy(CleanPodPolicy.RUNNING)),
        (
            {"cleanPodPolicy": "All", "backoffLimit": 1, "runPolicy": {"backoffLimit": 2}},
            RunPolicy(CleanPodPolicy.ALL, backoff_limit=2),
        ),
        ({"suspend": True}, RunPolicy(suspend=True)),
        (
            {"schedulingPolicy": {"minAvailable": 2, "priority": 3, "priorityClassName": "p", "queue": "q"}},
            RunPolicy(scheduling=SchedulingPolicy(2, "q", 3, "p")),
        ),
    ],
)
def test_run_policy(kubedl_xgboost: Objects, spec: dict[str, Any], policy: RunPolicy) -> None:
    assert DIALECT.decode(kubedl_xgboost(**spec), XGBoost()).run_policy == policy


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"cleanPodPolicy": "Some"}, "spec.cleanPodPolicy"),
        ({"backoffLimit": -1}, "spec.backoffLimit"),
        ({"ttlSecondsAfterFinished": -5}, "spec.ttlSecondsAfterFinished"),
        ({"activeDeadlineSeconds": -5}, "spec.activeDeadlineSeconds"),
    ],
)
def test_a_limit_that_makes_no_sense(kubedl_xgboost: Objects, spec: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as error:
        DIALECT.decode(kubedl_xgboost(**spec), XGBoost())
    assert error.value.field == field


def test_options_are_what_is_left(kubeflow_pytorch: Objects) -> None:
    obj = kubeflow_pytorch(
        cleanPodPolicy="All",
        runPolicy={"backoffLimit": 1},
        cronPolicy={"schedule": "* * * * *"},
        modelVersion={"modelName": "m"},
        cacheBackend=None,
    )
    job = DIALECT.decode(obj | {"apiVersion": DIALECT.api_version}, PyTorch())
    assert job.options == {
        "cronPolicy": {"schedule": "* * * * *"},
        "modelVersion": {"modelName": "m"},
        "cacheBackend": None,
    }


def test_a_cron_policy_may_be_nested(kubedl_xgboost: Objects) -> None:
    job = DIALECT.decode(kubedl_xgboost(runPolicy={"cronPolicy": {"schedule": "@daily"}}), XGBoost())
    assert job.options == {"cronPolicy": {"schedule": "@daily"}}


def test_an_outline_needs_no_valid_spec(kubedl_xgboost: Objects) -> None:
    obj = kubedl_xgboost()
    obj["spec"] = {"xgbReplicaSpecs": 5}
    job = DIALECT.outline(obj)
    assert (job.name, job.roles, job.run_policy) == ("digits", {}, RunPolicy())


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ({"ttlSecondsAfterFinished": 5}, RunPolicy(ttl_seconds_after_finished=5)),
        ({"runPolicy": {"cleanPodPolicy": "Running"}}, RunPolicy(clean_pod_policy=CleanPodPolicy.RUNNING)),
        ({"cleanPodPolicy": ""}, RunPolicy(clean_pod_policy=CleanPodPolicy.ALL)),
        ({"runPolicy": 5, "cleanPodPolicy": "Nothing", "ttlSecondsAfterFinished": -1}, RunPolicy()),
    ],
)
def test_an_outline_keeps_what_becomes_of_the_job_at_its_end(
    kubedl_xgboost: Objects, spec: dict[str, Any], policy: RunPolicy
) -> None:
    obj = kubedl_xgboost()
    obj["spec"] = spec
    assert DIALECT.outline(obj).run_policy == policy
    defaults = XGBoost().conventions[KUBEDL]
    with_defaults = DIALECT.outline({**obj, "spec": {}}, XGBoost()).run_policy
    assert with_defaults.clean_pod_policy == defaults.clean_pod_policy
    assert with_defaults.ttl_seconds_after_finished == defaults.ttl_seconds_after_finished


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"runPolicy": 5}, "spec.runPolicy"),
        ({"schedulingPolicy": "x"}, "spec.schedulingPolicy"),
        ({"xgbReplicaSpecs": []}, "spec.xgbReplicaSpecs"),
        ({"xgbReplicaSpecs": {"Master": 1}}, "spec.xgbReplicaSpecs.Master"),
        ({"xgbReplicaSpecs": {"Master": {"template": 1}}}, "spec.xgbReplicaSpecs.Master.template"),
        ({"backoffLimit": True}, "spec.backoffLimit"),
    ],
)
def test_what_should_be_an_object_and_is_none_is_named(
    kubedl_xgboost: Objects, change: dict[str, Any], field: str
) -> None:
    obj = kubedl_xgboost()
    obj["spec"].update(change)
    with pytest.raises(SpecError) as raised:
        DIALECT.decode(obj, XGBoost())
    assert raised.value.field == field


def test_labels(kubedl_xgboost: Objects) -> None:
    job = DIALECT.decode(kubedl_xgboost(), XGBoost())
    worker = {
        "group-name": "training.kubedl.io",
        "job-name": "digits",
        "replica-type": "worker",
        "replica-index": "1",
    }
    assert DIALECT.labels(job, "Worker", 1, master=False) == worker
    assert DIALECT.labels(job, "Worker", 1, master=True) == {**worker, "job-role": "master"}
    assert DIALECT.job_labels(job).items() <= worker.items()
    assert DIALECT.job_selector() == "group-name=training.kubedl.io"


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        (0, False),
        *((code, False) for code in (1, 2, 126, 127, 128, 139, 255)),
        *((c, True) for c in (130, 137, 138, 143)),
    ],
)
def test_exit_codes(code: int, retryable: bool) -> None:
    assert DIALECT.retryable(code) is retryable


@pytest.mark.parametrize(
    ("reason", "retryable"),
    [
        *((reason, True) for reason in ("OOMKilled", "Killed", "Evicted", "UnexpectedAdmissionError")),
        *((reason, False) for reason in ("Error", "Unknown", "")),
    ],
)
def test_reasons_of_pods(reason: str, retryable: bool) -> None:
    assert DIALECT.retryable_reason(reason) is retryable


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        (ConditionType.CREATED, "JobCreated"),
        (ConditionType.QUEUING, "JobEnqueued"),
        (ConditionType.RUNNING, "JobRunning"),
        (ConditionType.RESTARTING, "JobRestarting"),
        (ConditionType.SUCCEEDED, "JobSucceeded"),
        (ConditionType.FAILED, "JobFailed"),
    ],
)
def test_reasons(type_: ConditionType, reason: str) -> None:
    assert DIALECT.reason("XGBoostJob", type_) == reason


def test_texts(kubedl_xgboost: Objects) -> None:
    job = DIALECT.decode(kubedl_xgboost(), XGBoost())
    texts = DIALECT.texts
    found = [
        texts.created(job),
        texts.enqueued(job),
        texts.dequeued(job),
        texts.running(job),
        texts.succeeded(job),
        texts.failed(job, "Worker", 2),
        texts.restarting(job, "Master", 1),
        texts.backoff_limit(job),
        texts.deadline(job),
        texts.suspended(job),
        texts.resumed(job),
        texts.invalid(job, "spec.x: is wrong"),
    ]
    assert [(text.reason, text.message) for text in found] == [
        ("JobCreated", "Job XGBoostJob/digits is created."),
        ("JobEnqueued", "Job XGBoostJob/team/digits is queuing and waiting for being scheduled."),
        ("JobDequeued", "Job XGBoostJob/team/digits is being dequeued and waiting for reconciling."),
        ("JobRunning", "XGBoostJob digits is running."),
        ("JobSucceeded", "XGBoostJob digits is successfully completed."),
        ("JobFailed", "XGBoostJob digits is failed because 2 Worker replica(s) failed."),
        ("JobRestarting", "XGBoostJob digits is restarting because 1 Master replica(s) failed."),
        ("JobFailed", "Job digits has failed because it has reached the specified backoff limit"),
        ("JobFailed", "Job digits has failed because it was active longer than specified deadline"),
        ("JobSuspended", "XGBoostJob digits is suspended."),
        ("JobResumed", "XGBoostJob digits is resumed."),
        ("JobFailedValidation", "XGBoostJob digits failed validation because spec.x: is wrong"),
    ]


def test_every_job_is_its_own(kubedl_xgboost: Objects) -> None:
    assert DIALECT.manages(DIALECT.decode(kubedl_xgboost(), XGBoost()))
