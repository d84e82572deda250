"""The list of conditions as clients of both API groups compare it: which entries there are, and in which order.

The last entry is what ``kubectl get`` shows as the state, so a changed condition moves to the end of the list.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from kdl_workloads.dialects.base import Text
from kdl_workloads.job import Condition, ConditionType

Conditions = tuple[Condition, ...]

TERMINAL = frozenset({ConditionType.SUCCEEDED, ConditionType.FAILED})
_REPLACED_BY = {
    ConditionType.RUNNING: frozenset({ConditionType.RESTARTING}),
    ConditionType.RESTARTING: frozenset({ConditionType.RUNNING}),
}
_ENDED_BY_TERMINAL = frozenset({ConditionType.RUNNING, ConditionType.RESTARTING, ConditionType.SUSPENDED})


def set_condition(
    conditions: Conditions, type_: ConditionType, text: Text, now: datetime, *, status: bool = True
) -> Conditions:
    """The list with the condition set.

    No change: once the job has succeeded or failed; or where status and reason are the same already, whatever the
    message. Running and Restarting replace each other. With Succeeded or Failed, Running, Restarting and Suspended
    become False where they stand, and keep reason, message and times. ``lastTransitionTime`` is kept unless the status
    changes.
    """
    if any(condition.status and condition.type in TERMINAL for condition in conditions):
        return conditions
    current = find(conditions, type_)
    if current is not None and (current.status, current.reason) == (status, text.reason):
        return conditions
    transition = current.last_transition_time if current is not None and current.status == status else now
    gone = _REPLACED_BY.get(type_, frozenset()) | {type_}
    kept = [_after(condition, type_) for condition in conditions if condition.type not in gone]
    return (*kept, Condition(type_, status, text.reason, text.message, now, transition))


def explain(conditions: Conditions, type_: ConditionType, message: str, now: datetime) -> Conditions:
    """Another message for a condition where it stands; no change if it is not there or says so already."""
    return tuple(
        replace(condition, message=message, last_update_time=now)
        if condition.type == type_ and condition.message != message
        else condition
        for condition in conditions
    )


def find(conditions: Iterable[Condition], type_: ConditionType) -> Condition | None:
    return next((condition for condition in conditions if condition.type == type_), None)


def _after(condition: Condition, new: ConditionType) -> Condition:
    ended = new in TERMINAL and condition.type in _ENDED_BY_TERMINAL and condition.status
    return replace(condition, status=False) if ended else condition
