from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from kdl_cli.jobs import job_view
from kdl_cli.tables import render
from kdl_cli.views import failure_text, pod_state, view_for
from kdl_runtime.types import Resource

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 1, 31, 12, 1, tzinfo=UTC)
PODS = Resource("", "v1", "Pod", "pods")


def cells(resource: Resource, obj: dict[str, Any], *, wide: bool = False) -> list[str]:
    view = view_for(resource)
    [line] = render(view.heads, [view.row(resource, obj, NOW)], wide=wide, header=False)
    return click.unstyle(line).split("   ")


def test_a_job_in_one_row(job: Make, held: Make, xgboost: Resource) -> None:
    status = {
        "conditions": [held("Running", 2)],
        "replicaStatuses": {"Master": {"active": 1}},
        "startTime": "2026-01-31T12:00:30Z",
    }
    obj = job(status=status)
    assert cells(xgboost, obj) == ["digits", "XGBoostJob", "Running", "Master 1/1, Worker 0/2", "-", "0", "30s", "60s"]
    assert cells(xgboost, obj, wide=True)[-2:] == ["training.kubedl.io", "-"]


def test_a_pod_in_one_row(pod: Make) -> None:
    obj = pod("worker", 0)
    obj["status"]["containerStatuses"] = [{"ready": True, "restartCount": 2}]
    assert cells(PODS, obj, wide=True) == ["digits-worker-0", "1/1", "Running", "2", "59s", "127.1.0.2", "local"]


def test_any_other_kind_has_a_name_and_an_age() -> None:
    assert cells(Resource("", "v1", "ConfigMap", "configmaps"), {"metadata": {"name": "a"}}) == ["a", "<unknown>"]


@pytest.mark.parametrize(
    ("status", "metadata", "state"),
    [
        ({}, {}, "Unknown"),
        ({"phase": "Running"}, {}, "Running"),
        ({"phase": "Running"}, {"deletionTimestamp": "2026-01-31T12:00:00Z"}, "Terminating"),
        ({"phase": "Failed", "reason": "Evicted"}, {}, "Evicted"),
        (
            {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            {},
            "CrashLoopBackOff",
        ),
    ],
)
def test_the_state_of_a_pod(status: dict[str, Any], metadata: dict[str, str], state: str) -> None:
    assert pod_state({"metadata": metadata, "status": status}) == state


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        ({"exitCode": 137, "signal": 9, "reason": "OOMKilled"}, ": exit code 137, signal 9 (OOMKilled)"),
        ({"exitCode": 1}, ": exit code 1"),
        ({"reason": "NodeLost"}, ": NodeLost"),
        ({}, ": failed"),
    ],
)
def test_the_first_failure_in_words(job: Make, xgboost: Resource, failure: dict[str, Any], text: str) -> None:
    first = {"pod": "digits-worker-1", "role": "Worker", "index": 1, "time": "2026-01-31T12:00:05Z", **failure}
    assert failure_text(job_view(xgboost, job(status={"firstFailure": first}))) == "pod digits-worker-1" + text
