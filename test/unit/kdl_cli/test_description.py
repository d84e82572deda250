from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from kdl_cli.description import Description, describe
from kdl_cli.jobs import job_view
from kdl_runtime.types import Resource

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 1, 31, 12, 1, tzinfo=UTC)


def told(of: Description) -> list[str]:
    return [click.unstyle(line) for line in describe(of)]


def test_a_job_of_which_nothing_is_known_yet(job: Make, xgboost: Resource) -> None:
    assert told(Description(job_view(xgboost, job()), [], [], NOW)) == [
        "Name:        digits",
        "Namespace:   default",
        "Kind:        XGBoostJob (training.kubedl.io/v1alpha1)",
        "State:       Pending",
        "Created:     2026-01-31T12:00:00Z (60s ago)",
        "Restarts:    0",
        "Conditions:",
        "  none yet",
        "Replicas:",
        "  ROLE     WANTED   ACTIVE   SUCCEEDED   FAILED   RESTARTS",
        "  Master   1        0        0           0        0",
        "  Worker   2        0        0           0        0",
        "Pods:",
        "  none",
        "Events:",
        "  none",
    ]


@pytest.mark.parametrize(
    ("event", "row"),
    [
        (
            {"eventTime": "2026-01-31T12:00:30.000000Z", "reason": "SuccessfulCreatePod", "note": "Created pod: x"},
            "30s Normal SuccessfulCreatePod 1 Created pod: x",
        ),
        (
            {
                "eventTime": "2026-01-31T12:00:00.000000Z",
                "series": {"count": 4, "lastObservedTime": "2026-01-31T12:00:50.000000Z"},
                "type": "Warning",
                "reason": "PodFailed",
                "note": "no",
            },
            "10s Warning PodFailed 4 no",
        ),
        (
            {"deprecatedLastTimestamp": "2026-01-31T12:00:59Z", "deprecatedCount": 2, "reason": "Old", "note": "form"},
            "1s Normal Old 2 form",
        ),
    ],
)
def test_events_of_every_form_are_read(job: Make, xgboost: Resource, event: dict[str, Any], row: str) -> None:
    event = {"metadata": {"creationTimestamp": "2026-01-31T12:00:00Z"}, "type": "Normal", **event}
    assert " ".join(told(Description(job_view(xgboost, job()), [], [event], NOW))[-1].split()) == row


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        ({"state": {"terminated": {"exitCode": 3}}, "restartCount": 1}, "3"),
        ({"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 137}}, "restartCount": 1}, "137"),
        ({"state": {"running": {}}, "restartCount": 1}, "-"),
    ],
)
def test_a_pod_shows_how_it_last_ended(
    job: Make, pod: Make, xgboost: Resource, status: dict[str, Any], exit_code: str
) -> None:
    shown = pod("worker", 0)
    shown["status"]["containerStatuses"] = [status]
    lines = told(Description(job_view(xgboost, job()), [shown], [], NOW))
    [row] = [line.split() for line in lines if "digits-worker-0" in line]
    assert row == ["digits-worker-0", "Running", "1", exit_code, "local", "59s"]


def test_the_first_failure_has_its_own_paragraph(job: Make, xgboost: Resource) -> None:
    failure = {
        "pod": "digits-worker-1",
        "role": "Worker",
        "index": 1,
        "time": "2026-01-31T12:00:05Z",
        "node": "local",
        "exitCode": 1,
        "message": "first line\nlast line\n",
    }
    lines = "\n".join(told(Description(job_view(xgboost, job(status={"firstFailure": failure})), [], [], NOW)))
    assert "What:      pod digits-worker-1: exit code 1" in lines
    assert "When:      2026-01-31T12:00:05Z (+5s)" in lines
    assert "Replica:   Worker 1" in lines
    assert "Node:      local" in lines
    assert "first line\n" in lines
    assert lines.index("last line") > lines.index("first line")
