"""What people see of a job's progress."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from kdl_cli.description import Description, describe
from kdl_cli.jobs import job_view
from kdl_cli.reported import long_progress, short_progress
from kdl_cli.tables import render
from kdl_cli.views import view_for
from kdl_runtime.types import Resource

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 1, 31, 12, 1, tzinfo=UTC)
REPORTED = {"lastUpdateTime": "2026-01-31T12:00:57Z"}


@pytest.mark.parametrize(
    ("progress", "short", "long"),
    [
        ({}, "-", ""),
        ({"percentage": 0}, "0%", "0%"),
        ({"percentage": 42, "step": 21, "total": 50}, "42%", "42% (step 21/50)"),
        ({"step": 21}, "21", "(step 21)"),
        ({"step": 21, "total": 0, "estimatedRemainingSeconds": 300}, "21/0", "(step 21/0), 5m left"),
        (REPORTED, "-", "reported 3s ago"),
        ({"percentage": 1, **REPORTED}, "1%", "1%, reported 3s ago"),
    ],
)
def test_progress(progress: dict[str, Any], short: str, long: str) -> None:
    assert short_progress(progress) == short
    assert long_progress(progress, NOW) == long


def test_a_job_that_reports(job: Make, xgboost: Resource) -> None:
    metrics = [{"name": "loss", "value": "0.5"}, {"name": "epoch", "value": "3"}]
    obj = job(status={"progress": {"percentage": 42, "metrics": metrics}})
    lines = [click.unstyle(line) for line in describe(Description(job_view(xgboost, obj), [], [], NOW))]
    assert "Progress:    42%" in lines
    assert "Metrics:     loss=0.5 epoch=3" in lines
    view = view_for(xgboost)
    head, row = (click.unstyle(line) for line in render(view.heads, [view.row(xgboost, obj, NOW)]))
    assert row[head.index("PROGRESS") :].startswith("42%")


def test_what_another_program_has_written_is_no_error(job: Make, xgboost: Resource) -> None:
    obj = job(status={"progress": "half"})
    lines = [click.unstyle(line) for line in describe(Description(job_view(xgboost, obj), [], [], NOW))]
    assert not any(line.startswith("Progress") for line in lines)
