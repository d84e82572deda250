from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from kdl_cli.jobs import job_view
from kdl_cli.timeline import Timeline, table
from kdl_runtime.types import Resource

Make = Callable[..., dict[str, Any]]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_history_is_in_the_order_of_time(job: Make, held: Make, xgboost: Resource) -> None:
    status = {"conditions": [held("Succeeded", 9), held("Created", 0), held("Running", 2, status="False")]}
    lines = [click.unstyle(line) for line in table(job_view(xgboost, job(status=status)).status.conditions, NOON)]
    assert [line.split()[:3] for line in lines] == [
        ["AFTER", "STATE", "REASON"],
        ["+0s", "Created", "JobCreated"],
        ["+2s", "Running", "JobRunning"],
        ["+9s", "Succeeded", "JobSucceeded"],
    ]
    assert table([], NOON) == ["none yet"]


def test_each_condition_is_told_once_and_again_when_it_comes_back(job: Make, held: Make, xgboost: Resource) -> None:
    timeline = Timeline(NOON)

    def told(*conditions: dict[str, str]) -> list[str]:
        seen = job_view(xgboost, job(status={"conditions": list(conditions)})).status.conditions
        return [click.unstyle(timeline.line(condition)) for condition in timeline.news(seen)]

    created, running = held("Created", 0), held("Running", 2)
    assert told(created) == ["+0s    Created     JobCreated: the job is created"]
    assert told(created, running) == ["+2s    Running     JobRunning: the job is running"]
    assert told(created, running) == []
    assert told(created, held("Restarting", 4)) == ["+4s    Restarting  JobRestarting: the job is restarting"]
    assert told(created, held("Running", 6)) == ["+6s    Running     JobRunning: the job is running"]
    assert told(created, held("Running", 6, status="False")) == []
