"""How soon a job is looked at again, and which statuses wait."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_runtime.types import Request
from kdl_workloads.engine.pacing import AGAIN, COUNT_PATIENCE, MAX_PASS, PATIENCE, Pacing, patience
from kdl_workloads.engine.plan import Delete, Note, Plan
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import Condition, ConditionType, JobStatus, ReplicaStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Request("ns", "job")


def condition(type_: ConditionType, *, status: bool = True) -> Condition:
    return Condition(type_, status, "r", "m", NOW, NOW)


CREATED = JobStatus((condition(ConditionType.CREATED),), {"Worker": ReplicaStatus()})
RUNNING = replace(CREATED, conditions=(*CREATED.conditions, condition(ConditionType.RUNNING)))
RESTARTING = replace(CREATED, conditions=(*CREATED.conditions, condition(ConditionType.RESTARTING)))
SUSPENDED = replace(CREATED, conditions=(*CREATED.conditions, condition(ConditionType.SUSPENDED)))
SUCCEEDED = replace(CREATED, conditions=(*CREATED.conditions, condition(ConditionType.SUCCEEDED)))


def counting(status: JobStatus, **counts: Any) -> JobStatus:
    return replace(status, replicas={"Worker": ReplicaStatus(**counts)})


ONE_DONE = counting(RUNNING, succeeded=1, succeeded_indexes=frozenset({0}))


@pytest.mark.parametrize(
    ("before", "plan", "seconds"),
    [
        (CREATED, Plan(), 0),
        (CREATED, Plan(release=(Pod(),)), 0),
        (RUNNING, Plan(counting(RUNNING, active=2)), COUNT_PATIENCE),
        (CREATED, Plan(counting(RUNNING, active=1)), PATIENCE),
        (RESTARTING, Plan(counting(RUNNING, active=1)), PATIENCE),
        (RUNNING, Plan(ONE_DONE, release=(Pod(),)), PATIENCE),
        (RUNNING, Plan(ONE_DONE), PATIENCE),
        (JobStatus(), Plan(CREATED), 0),
        (RUNNING, Plan(SUSPENDED), 0),
        (RUNNING, Plan(SUCCEEDED), 0),
        (RUNNING, Plan(RESTARTING), 0),
        (RUNNING, Plan(counting(RUNNING, failed=1)), 0),
        (RUNNING, Plan(counting(RUNNING, restarts=1)), 0),
        (RUNNING, Plan(replace(RUNNING, attempts=1)), 0),
        (RUNNING, Plan(counting(RUNNING, active=1), notes=(Note("Normal", "r", "m"),)), 0),
        (RUNNING, Plan(counting(RUNNING, active=1), create_pods=({},)), 0),
        (RUNNING, Plan(counting(RUNNING, active=1), delete_services=(Delete("a", "u"),)), 0),
        (RUNNING, Plan(counting(RUNNING, active=1), delete_job=True), 0),
    ],
)
def test_only_counts_wait(before: JobStatus, plan: Plan, seconds: float) -> None:
    assert patience(before, plan) == seconds


class ManualClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_a_status_waits_once_and_not_for_ever() -> None:
    clock = ManualClock()
    pacing = Pacing(clock)
    some, more = Plan(counting(RUNNING, active=1)), Plan(counting(RUNNING, active=2))
    assert pacing.hold_back(KEY, RUNNING, some) == COUNT_PATIENCE
    clock.seconds += 0.75
    assert pacing.hold_back(KEY, RUNNING, more) == pytest.approx(COUNT_PATIENCE - 0.75)
    assert pacing.hold_back(KEY, RUNNING, Plan(replace(RUNNING, attempts=1))) == 0, "a failure takes it along"
    assert pacing.hold_back(KEY, RUNNING, more) == COUNT_PATIENCE
    clock.seconds += COUNT_PATIENCE
    assert pacing.hold_back(KEY, RUNNING, more) == 0
    assert pacing.hold_back(KEY, RUNNING, Plan()) == 0


@pytest.mark.parametrize(("pods", "seconds"), [(0, 0), (3, 0.003), (200, 0.2), (1_000, MAX_PASS), (10_000, MAX_PASS)])
def test_large_jobs_are_looked_at_less_often(pods: int, seconds: float) -> None:
    clock = ManualClock()
    pacing = Pacing(clock)
    assert pacing.delay(KEY) == 0, "the first change is looked at at once"
    pacing.begin(KEY, pods)
    assert pacing.delay(KEY) == pytest.approx(seconds)
    assert pacing.delay(Request("ns", "other")) == 0
    clock.seconds += seconds
    assert pacing.delay(KEY) == 0
    pacing.begin(KEY, pods)
    pacing.forget(KEY)
    assert pacing.delay(KEY) == 0


def test_services_that_are_taken_away_again_and_again_are_made_ever_more_slowly() -> None:
    clock = ManualClock()
    pacing = Pacing(clock)
    assert pacing.make_again(KEY, []) == 0
    assert pacing.make_again(KEY, ["a"]) == 0
    assert pacing.make_again(KEY, ["b"]) == 0
    waits = []
    for _ in range(11):
        wait = pacing.make_again(KEY, ["b"])
        waits.append(round(wait, 3))
        clock.seconds += wait + 0.001
        assert pacing.make_again(KEY, ["b"]) == 0
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    clock.seconds += AGAIN.reset_after + 1
    assert pacing.make_again(KEY, ["b"]) == 0
    assert pacing.make_again(KEY, ["b"]) == pytest.approx(0.1)
    pacing.forget(KEY)
    assert pacing.make_again(KEY, ["b"]) == 0
