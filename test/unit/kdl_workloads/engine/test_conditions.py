"""The list of conditions: entries, order and times."""

from datetime import datetime

import pytest

from kdl_workloads.dialects.base import Text
from kdl_workloads.engine.conditions import Conditions, explain, set_condition
from kdl_workloads.job import Condition, ConditionType
from unit.kdl_workloads.engine.world import START, after

CREATED, RUNNING, RESTARTING = ConditionType.CREATED, ConditionType.RUNNING, ConditionType.RESTARTING
SUSPENDED, SUCCEEDED, FAILED = ConditionType.SUSPENDED, ConditionType.SUCCEEDED, ConditionType.FAILED


def put(conditions: Conditions, *steps: str, now: datetime = START) -> Conditions:
    """``steps``: a type, or a type with a minus for False."""
    for step in steps:
        type_ = ConditionType(step.removeprefix("-"))
        text = Text(f"Job{step}", f"It is {step}.")
        conditions = set_condition(conditions, type_, text, now, status=not step.startswith("-"))
    return conditions


def shown(conditions: Conditions) -> list[str]:
    return [f"{'' if condition.status else '-'}{condition.type}" for condition in conditions]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([CREATED], [CREATED]),
        ([CREATED, RUNNING], [CREATED, RUNNING]),
        ([CREATED, RUNNING, RESTARTING], [CREATED, RESTARTING]),
        ([CREATED, RUNNING, RESTARTING, RUNNING], [CREATED, RUNNING]),
        ([CREATED, RUNNING, SUCCEEDED], [CREATED, "-Running", SUCCEEDED]),
        ([CREATED, RUNNING, FAILED], [CREATED, "-Running", FAILED]),
        ([CREATED, RESTARTING, FAILED], [CREATED, "-Restarting", FAILED]),
        ([CREATED, FAILED, RUNNING], [CREATED, FAILED]),
        ([CREATED, SUCCEEDED, FAILED], [CREATED, SUCCEEDED]),
        ([CREATED, SUSPENDED, "-Suspended"], [CREATED, "-Suspended"]),
        ([CREATED, "-Running", SUSPENDED], [CREATED, "-Running", SUSPENDED]),
        ([CREATED, "-Running", SUSPENDED, "-Suspended", RUNNING], [CREATED, "-Suspended", RUNNING]),
        ([CREATED, RUNNING, CREATED], [CREATED, RUNNING]),
    ],
)
def test_order_and_entries(steps: list[str], expected: list[str]) -> None:
    assert shown(put((), *steps)) == expected


def test_the_same_status_and_reason_is_no_change_whatever_the_message() -> None:
    before = put((), CREATED, RUNNING)
    assert set_condition(before, RUNNING, Text("JobRunning", "another"), after(9)) is before


def test_another_reason_keeps_the_time_of_the_transition() -> None:
    before = put((), CREATED, RUNNING)
    condition = set_condition(before, RUNNING, Text("Other", "m"), after(9))[-1]
    assert (condition.last_transition_time, condition.last_update_time) == (START, after(9))


def test_another_status_is_a_transition() -> None:
    condition = put(put((), SUSPENDED), "-Suspended", now=after(9))[-1]
    assert (condition.last_transition_time, condition.last_update_time) == (after(9), after(9))


def test_running_keeps_reason_message_and_times_when_the_job_ends() -> None:
    before = put((), RUNNING)
    assert put(before, FAILED, now=after(9))[0] == Condition(
        RUNNING, False, before[0].reason, before[0].message, START, START
    )


def test_an_explanation_changes_the_message_where_it_stands() -> None:
    before = put((), CREATED, RUNNING)
    changed = explain(before, CREATED, "why", after(9))
    assert [condition.message for condition in changed] == ["why", before[1].message]
    assert changed[0].last_transition_time == START
    assert explain(changed, CREATED, "why", after(20)) == changed
