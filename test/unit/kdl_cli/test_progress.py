from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from kdl_cli.demo.report import Report
from kdl_cli.jobs import JobView, job_view
from kdl_cli.progress import JobProgress, job_progress, status_line
from kdl_runtime.clock import SystemClock
from kdl_runtime.types import Resource

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def running(job: Make, held: Make, xgboost: Resource) -> JobView:
    status = {
        "conditions": [held("Created", 0), held("Running", 2)],
        "replicaStatuses": {"Master": {"active": 1, "restarts": 2}, "Worker": {"active": 1}},
    }
    return job_view(xgboost, job(status=status))


def test_the_living_line(running: JobView) -> None:
    assert status_line(None, NOW) == "waiting for the job"
    assert status_line(running, NOW) == "digits  Running  Master 1/1, Worker 1/2  2 restarts  30s"


def test_conditions_go_to_standard_error_once(running: JobView, capsys: pytest.CaptureFixture[str]) -> None:
    with job_progress(SystemClock(), live=True) as progress:
        progress.show(running)
        progress.show(running)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split()[1] for line in click.unstyle(captured.err).splitlines()] == ["Created", "Running"]
    assert isinstance(progress, JobProgress)


def test_the_demo_tells_steps_conditions_and_lines(running: JobView, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(SystemClock())
    report.step("operator", "pid 7")
    report.expect(running)
    report.conditions(running)
    report.line("worker-1", "[10] loss:0.1")
    report.end([("accuracy", "0.97")])
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert lines[0].split()[1:] == ["operator", "pid", "7"]
    assert lines[2].split()[1:3] == ["Running", "JobRunning:"]
    assert lines[2].endswith("(Master 1/1, Worker 1/2)")
    assert lines[3].strip() == "[worker-1] [10] loss:0.1"
    assert lines[5] == "accuracy:   0.97"
    assert report.last_lines == {"worker-1": "[10] loss:0.1"}
