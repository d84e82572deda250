from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kdl_cli.jobs import Replica, is_master, job_view, replica_of, sort_replicas, wanted_replicas
from kdl_runtime.types import Resource

Make = Callable[..., dict[str, Any]]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], ("Pending", None)),
        ([("Created", "True")], ("Created", None)),
        ([("Created", "True"), ("Running", "True")], ("Running", None)),
        ([("Created", "True"), ("Running", "False"), ("Succeeded", "True")], ("Succeeded", "Succeeded")),
        ([("Running", "False"), ("Failed", "True")], ("Failed", "Failed")),
        ([("Failed", "False"), ("Restarting", "True")], ("Restarting", None)),
    ],
)
def test_the_last_condition_that_holds_is_the_state(
    job: Make, held: Make, xgboost: Resource, conditions: list[tuple[str, str]], expected: tuple[str, str | None]
) -> None:
    status = {"conditions": [held(type_, 1, status=status) for type_, status in conditions]}
    view = job_view(xgboost, job(status=status))
    assert (view.state, view.outcome.type if view.outcome else None) == expected


def test_progress_counts_what_runs_or_has_succeeded(job: Make, xgboost: Resource) -> None:
    status = {"replicaStatuses": {"Worker": {"active": 1, "succeeded": 1, "failed": 3, "restarts": 3}}}
    view = job_view(xgboost, job(status=status))
    assert view.progress() == "Master 0/1, Worker 2/2"
    assert (view.total, view.restarts) == (3, 3)
    assert view.selector() == "group-name=training.kubedl.io,job-name=digits"


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ({}, None),
        ({"startTime": "2026-01-31T12:00:10Z"}, 50),
        ({"startTime": "2026-01-31T12:00:10Z", "completionTime": "2026-01-31T12:00:30Z"}, 20),
    ],
)
def test_duration(job: Make, xgboost: Resource, status: dict[str, str], seconds: int | None) -> None:
    length = job_view(xgboost, job(status=status)).duration(NOON + timedelta(minutes=1))
    assert length == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {}),
        (
            {"runPolicy": {}, "pytorchReplicaSpecs": {"Master": {}, "Worker": {"replicas": 0}}},
            {"Master": 1, "Worker": 0},
        ),
        ({"xgbReplicaSpecs": None}, {}),
    ],
)
def test_wanted_replicas(spec: dict[str, Any], expected: dict[str, int]) -> None:
    assert wanted_replicas(spec) == expected


def test_the_labels_of_both_dialects_name_the_replica(pod: Make) -> None:
    kubeflow = {
        "metadata": {
            "name": "x",
            "labels": {
                "training.kubeflow.org/replica-type": "worker",
                "training.kubeflow.org/replica-index": "3",
                "training.kubeflow.org/job-role": "master",
            },
        }
    }
    assert replica_of(kubeflow) == Replica("worker", 3)
    assert is_master(kubeflow)
    assert replica_of(pod("worker", 1)) == Replica("worker", 1)
    assert replica_of({"metadata": {"name": "x"}}) is None


def test_the_master_comes_first_and_strangers_last(pod: Make) -> None:
    stranger = {"metadata": {"name": "a"}}
    pods = [stranger, pod("worker", 10), pod("worker", 2), pod("aaa", 0), pod("master", 0)]
    assert [p["metadata"]["name"] for p in sort_replicas(pods)] == [
        "digits-master-0",
        "digits-aaa-0",
        "digits-worker-2",
        "digits-worker-10",
        "a",
    ]
