"""The events that tell of a change of the status: each transition once, because each is stored once."""

from collections.abc import Iterator

from kdl_workloads.engine.attempts import newly_failed
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.outcome import training_end
from kdl_workloads.engine.plan import NORMAL, WARNING, Note
from kdl_workloads.engine.pods import overwritten_restart_policies
from kdl_workloads.engine.replicas import Replicas
from kdl_workloads.job import Condition, ConditionType, JobStatus

TOLD = frozenset({ConditionType.RESTARTING, ConditionType.SUSPENDED, ConditionType.SUCCEEDED, ConditionType.FAILED})
"""Conditions whose transitions are events. The others are seen in the events of the pods."""
_WARNINGS = frozenset({ConditionType.RESTARTING, ConditionType.FAILED})


def notes(observed: Observed, status: JobStatus, replicas: Replicas) -> tuple[Note, ...]:
    """Events for the change from the job's stored status to ``status``."""
    before = observed.job.status
    return (*_template_warnings(observed), *_exits(observed, replicas), *_transitions(before, status))


def _template_warnings(observed: Observed) -> Iterator[Note]:
    if observed.job.status.condition(ConditionType.CREATED) is not None:
        return
    for role in overwritten_restart_policies(observed.job):
        yield Note(
            WARNING,
            "SetPodTemplateRestartPolicy",
            f"Restart policy in pod template of {role} will be overwritten by restart policy in replica spec",
        )


def _exits(observed: Observed, replicas: Replicas) -> Iterator[Note]:
    container = observed.workload.conventions.container
    for replica in newly_failed(observed.job.status, replicas):
        found = training_end(replica.pod, container)
        if found is not None:
            name = f"{replica.pod.metadata.namespace}.{replica.pod.name}"
            yield Note(NORMAL, "ExitedWithCode", f"Pod: {name} exited with code {found[1].exit_code}")


def _transitions(before: JobStatus, after: JobStatus) -> Iterator[Note]:
    for condition in after.conditions:
        old = before.condition(condition.type)
        if condition.type in TOLD and _is_news(old, condition):
            yield Note(WARNING if _is_warning(condition) else NORMAL, condition.reason, condition.message)
        elif condition.type is ConditionType.CREATED and old is not None and old.message != condition.message:
            # An explanation was added to the condition, or taken back.
            yield Note(NORMAL, condition.reason, condition.message)


def _is_news(old: Condition | None, new: Condition) -> bool:
    """A condition that is over keeps its reason and its text, which are not true any more; one that was taken back,
    such as Suspended, has others."""
    return old is None or old.reason != new.reason or (new.status and not old.status)


def _is_warning(condition: Condition) -> bool:
    return condition.status and condition.type in _WARNINGS
