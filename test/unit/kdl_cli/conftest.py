"""Objects that the tests of the command line look at."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_runtime.types import Resource

KUBEDL_XGBOOST = Resource("training.kubedl.io", "v1alpha1", "XGBoostJob", "xgboostjobs")


def condition(type_: str, second: int, *, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    moment = f"2026-01-31T12:00:{second:02d}Z"
    return {
        "type": type_,
        "status": status,
        "reason": reason or f"Job{type_}",
        "message": message or f"the job is {type_.lower()}",
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }


def make_job(name: str = "digits", status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": KUBEDL_XGBOOST.api_version,
        "kind": "XGBoostJob",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-31T12:00:00Z",
        },
        "spec": {"xgbReplicaSpecs": {"Master": {"replicas": 1}, "Worker": {"replicas": 2}}},
        "status": status or {},
    }


def make_pod(role: str, index: int, phase: str = "Running", job: str = "digits") -> dict[str, Any]:
    labels = {
        "group-name": "training.kubedl.io",
        "job-name": job,
        "replica-type": role,
        "replica-index": str(index),
    }
    if role == "master":
        labels["job-role"] = "master"
    return {
        "metadata": {
            "name": f"{job}-{role}-{index}",
            "namespace": "default",
            "uid": f"uid-{role}-{index}",
            "creationTimestamp": "2026-01-31T12:00:01Z",
            "labels": labels,
        },
        "spec": {"containers": [{"name": "xgboostjob"}], "nodeName": "local"},
        "status": {"phase": phase, "podIP": "127.1.0.2"},
    }


@pytest.fixture
def xgboost() -> Resource:
    return KUBEDL_XGBOOST


@pytest.fixture
def job() -> Callable[..., dict[str, Any]]:
    return make_job


@pytest.fixture
def pod() -> Callable[..., dict[str, Any]]:
    return make_pod


@pytest.fixture
def held() -> Callable[..., dict[str, str]]:
    """A condition that came that many seconds after the job was made."""
    return condition
