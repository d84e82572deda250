from collections.abc import Callable
from typing import Any

import pytest

from kdl_cli.goals import Answer, Goal, GoalKind, judge, parse_goal
from kdl_cli.jobs import JobView, job_view
from kdl_runtime.types import Resource
from kdl_workloads.job import ConditionType

Make = Callable[..., dict[str, Any]]
RUNNING = Goal(GoalKind.CONDITION, ConditionType.RUNNING)
SUCCEEDED, FINISHED, DELETED = Goal(GoalKind.SUCCEEDED), Goal(GoalKind.FINISHED), Goal(GoalKind.DELETED)


@pytest.fixture
def view(job: Make, held: Make, xgboost: Resource) -> Callable[[str], JobView]:
    """A job with one condition."""
    return lambda state: job_view(xgboost, job(status={"conditions": [held(state, 1)]}))


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("succeeded", SUCCEEDED),
        ("Finished", FINISHED),
        ("deleted", DELETED),
        ("condition=Running", RUNNING),
        ("condition=running", RUNNING),
    ],
)
def test_goals_are_read(text: str, goal: Goal) -> None:
    assert parse_goal(text) == goal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("done", "use succeeded, finished, deleted or condition=TYPE"),
        ("condition", "use succeeded, finished, deleted or condition=TYPE"),
        ("condition=Done", "no job has a condition 'Done': use one of Created, "),
    ],
)
def test_other_goals_are_refused_with_the_choices(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_goal(text)


@pytest.mark.parametrize(
    ("goal", "state", "answer"),
    [
        (SUCCEEDED, None, Answer.MISSED),
        (SUCCEEDED, "Running", Answer.PENDING),
        (SUCCEEDED, "Succeeded", Answer.MET),
        (SUCCEEDED, "Failed", Answer.MISSED),
        (FINISHED, "Restarting", Answer.PENDING),
        (FINISHED, "Succeeded", Answer.MET),
        (FINISHED, "Failed", Answer.MET),
        (FINISHED, None, Answer.MISSED),
        (DELETED, None, Answer.MET),
        (DELETED, "Failed", Answer.PENDING),
        (RUNNING, "Created", Answer.PENDING),
        (RUNNING, "Running", Answer.MET),
        (RUNNING, "Succeeded", Answer.MISSED),
        (RUNNING, None, Answer.MISSED),
    ],
)
def test_verdicts(view: Callable[[str], JobView], goal: Goal, state: str | None, answer: Answer) -> None:
    assert judge(goal, None if state is None else view(state)).answer is answer


def test_a_missed_goal_is_explained_with_the_first_failure(job: Make, held: Make, xgboost: Resource) -> None:
    failure = {"pod": "digits-worker-0", "role": "Worker", "index": 0, "time": "2026-01-31T12:00:05Z", "exitCode": 3}
    status = {"conditions": [held("Failed", 9, message="too bad.")], "firstFailure": failure}
    message = judge(SUCCEEDED, job_view(xgboost, job(status=status))).message
    assert message == "the job has failed: too bad. First failure: pod digits-worker-0: exit code 3"
