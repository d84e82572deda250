"""Deadline, back-off limit, time to live, and the pauses between tries."""

from datetime import datetime

import pytest

from kdl_workloads.engine.limits import expiry, past_backoff_limit, past_deadline
from kdl_workloads.engine.restart import replace_at
from kdl_workloads.job import Condition, ConditionType, JobStatus, RunPolicy
from unit.kdl_workloads.engine.world import START, after, make_pod

SUCCEEDED = (Condition(ConditionType.SUCCEEDED, True, "r", "m", after(5), after(5)),)


@pytest.mark.parametrize(
    ("limit", "attempts", "past"),
    [(None, 10**6, False), (0, 0, False), (0, 1, True), (3, 3, False), (3, 4, True)],
)
def test_backoff_limit(limit: int | None, attempts: int, past: bool) -> None:
    assert past_backoff_limit(RunPolicy(backoff_limit=limit), attempts) is past


@pytest.mark.parametrize(
    ("seconds", "start", "now", "past"),
    [
        (None, START, 10**6, False),
        (10, None, 10**6, False),
        (10, START, 9.9, False),
        (10, START, 10, True),
        (0, START, 0, True),
    ],
)
def test_deadline(seconds: int | None, start: datetime | None, now: float, past: bool) -> None:
    policy = RunPolicy(active_deadline_seconds=seconds)
    assert past_deadline(policy, JobStatus(start_time=start), after(now)) is past


@pytest.mark.parametrize(
    ("ttl", "status", "expected"),
    [
        (None, JobStatus(SUCCEEDED, completion_time=after(7)), None),
        (10, JobStatus(), None),
        (10, JobStatus(SUCCEEDED, completion_time=after(7)), after(17)),
        (0, JobStatus(SUCCEEDED, completion_time=after(7)), after(7)),
        (10, JobStatus(SUCCEEDED), after(15)),
    ],
)
def test_expiry(ttl: int | None, status: JobStatus, expected: datetime | None) -> None:
    assert expiry(RunPolicy(ttl_seconds_after_finished=ttl), status) == expected


@pytest.mark.parametrize(
    ("restarts", "replicas", "pause"),
    [
        (1, 1, None),
        (2, 1, 10),
        (3, 1, 20),
        (4, 1, 40),
        (9, 1, 300),
        (100, 1, 300),
        (4, 4, None),
        (5, 4, 10),
        (9, 4, 20),
    ],
)
def test_a_program_that_always_fails_is_tried_less_and_less_often(
    restarts: int, replicas: int, pause: float | None
) -> None:
    pod = make_pod(phase="Failed", exit_code=1, finished=after(50))
    expected = None if pause is None else after(50 + pause)
    assert replace_at(pod, "pytorch", restarts, replicas) == expected


def test_a_pod_that_was_healthy_for_long_is_replaced_at_once() -> None:
    assert replace_at(make_pod(phase="Failed", exit_code=1, finished=after(600)), "pytorch", 50, 1) is None
