"""What ``kdl wait`` waits for, and whether it has come: pure decisions about one look at a job."""

from dataclasses import dataclass
from enum import StrEnum

from kdl_cli.jobs import JobView
from kdl_cli.views import failure_text
from kdl_workloads.job import ConditionType


class GoalKind(StrEnum):
    SUCCEEDED = "succeeded"
    FINISHED = "finished"
    DELETED = "deleted"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class Goal:
    """``condition`` is the type of the condition for the kind CONDITION, else None."""

    kind: GoalKind
    condition: ConditionType | None = None

    def __str__(self) -> str:
        return f"condition {self.condition}" if self.condition else self.kind.value


class Answer(StrEnum):
    MET = "met"
    PENDING = "pending"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``message`` says why a goal cannot be met any more."""

    answer: Answer
    message: str = ""


_MET, _PENDING = Verdict(Answer.MET), Verdict(Answer.PENDING)


def parse_goal(text: str) -> Goal:
    """``succeeded``, ``finished``, ``deleted`` or ``condition=Running``; ValueError names the choices."""
    word, equals, type_ = text.partition("=")
    if equals and word.lower() == GoalKind.CONDITION:
        for condition in ConditionType:
            if condition.value.lower() == type_.lower():
                return Goal(GoalKind.CONDITION, condition)
        raise ValueError(f"no job has a condition {type_!r}: use one of {', '.join(ConditionType)}")
    try:
        kind = GoalKind(text.lower())
    except ValueError:
        kind = GoalKind.CONDITION
    if kind is GoalKind.CONDITION:
        raise ValueError(f"cannot wait for {text!r}: use succeeded, finished, deleted or condition=TYPE")
    return Goal(kind)


def judge(goal: Goal, view: JobView | None) -> Verdict:
    """Whether the goal is met by the job as it is now; ``view`` is None when the job is gone."""
    if view is None:
        return _MET if goal.kind is GoalKind.DELETED else Verdict(Answer.MISSED, "the job was deleted")
    if goal.kind is GoalKind.DELETED:
        return _PENDING
    if goal.condition is not None and view.status.has(goal.condition):
        return _MET
    outcome = view.outcome
    if outcome is None:
        return _PENDING
    if goal.kind is GoalKind.FINISHED or (goal.kind, outcome.type) == (GoalKind.SUCCEEDED, ConditionType.SUCCEEDED):
        return _MET
    return Verdict(Answer.MISSED, _ending(view, outcome.message))


def _ending(view: JobView, message: str) -> str:
    first = failure_text(view)
    return f"the job has {view.state.lower()}: {message}" + (f" First failure: {first}" if first else "")
