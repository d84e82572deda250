"""What the cache keeps of jobs: their JSON while they go on, and a handful of fields once they have finished."""

from typing import Any

import msgspec

from kdl_runtime.codec.meta import PartialObject
from kdl_workloads.job import ConditionType


class ConditionView(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class StatusView(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    conditions: tuple[ConditionView, ...] = ()
    completion_time: str | None = None


class PolicyView(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What decides about a finished job."""

    clean_pod_policy: Any = None
    ttl_seconds_after_finished: Any = None
    managed_by: Any = None
    stop_on_failure: Any = None


class SpecView(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What decides about a job after its end, in all the places where a dialect looks for it. Of any type: what is
    wrong with a spec must not hide the job."""

    clean_pod_policy: Any = None
    ttl_seconds_after_finished: Any = None
    stop_on_failure: Any = None
    run_policy: Any = None
    upper_run_policy: Any = msgspec.field(default=None, name="RunPolicy")


class JobView(PartialObject, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Projection of a job of any dialect."""

    spec: SpecView = SpecView()
    status: StatusView = StatusView()

    def has(self, type_: ConditionType) -> bool:
        return any(condition.type == type_ and condition.status == "True" for condition in self.status.conditions)

    @property
    def finished(self) -> bool:
        return self.has(ConditionType.SUCCEEDED) or self.has(ConditionType.FAILED)

    @property
    def running(self) -> bool:
        return self.has(ConditionType.RUNNING)

    @property
    def pending(self) -> bool:
        """It is known, and waits for its first pod. One that is suspended waits for a person."""
        started = self.running or self.has(ConditionType.RESTARTING)
        return not (self.finished or started or self.has(ConditionType.SUSPENDED))

    @property
    def managed_by(self) -> str:
        """The controller that a nested run policy names; empty if it names none."""
        policy = self.spec.run_policy
        value = policy.get("managedBy") if isinstance(policy, dict) else getattr(policy, "managed_by", None)
        return str(value or "")

    def as_object(self) -> dict[str, Any]:
        """The fields of the view where the object has them: all that an outline of a finished job needs."""
        obj: dict[str, Any] = msgspec.to_builtins(self)
        return obj


def remains(job: JobView) -> JobView | None:
    """What is kept of a finished job; None for one that goes on. Annotations go too: with ``kubectl apply`` they hold
    the whole spec once more."""
    if not job.finished:
        return None
    end = _SUCCEEDED if job.has(ConditionType.SUCCEEDED) else _FAILED
    if job.status.completion_time is None:
        transition = max(condition.last_transition_time or "" for condition in job.status.conditions)
        end = msgspec.structs.replace(end, last_transition_time=transition or None)
    return msgspec.structs.replace(
        job,
        metadata=msgspec.structs.replace(job.metadata, annotations={}),
        spec=msgspec.structs.replace(
            job.spec, run_policy=_kept(job.spec.run_policy), upper_run_policy=_kept(job.spec.upper_run_policy)
        ),
        status=msgspec.structs.replace(job.status, conditions=(end,)),
    )


# Shared by all jobs, as there may be many.
_SUCCEEDED = ConditionView(ConditionType.SUCCEEDED.value, "True")
_FAILED = ConditionView(ConditionType.FAILED.value, "True")


def _kept(policy: Any) -> PolicyView | None:
    if not isinstance(policy, dict):
        return None
    names = ("cleanPodPolicy", "ttlSecondsAfterFinished", "managedBy", "stopOnFailure")
    kept = PolicyView(*(policy.get(name) for name in names))
    return None if kept == PolicyView() else kept
