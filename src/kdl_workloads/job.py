"""The neutral job: what the engine and the frameworks see, whatever API group the object was written in.

A dialect (``kdl_workloads.dialects``) turns a stored object into a ``Job`` and a ``JobStatus`` back into the object's
``status``. All values are immutable: a decision is a new value, never a change of an old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from kdl_runtime.types import ObjectKey


class RestartPolicy(StrEnum):
    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"
    EXIT_CODE = "ExitCode"


class CleanPodPolicy(StrEnum):
    """Which pods go when the job ends: every one, those that still run (or wait to), or none."""

    ALL = "All"
    RUNNING = "Running"
    NONE = "None"


class ConditionType(StrEnum):
    CREATED = "Created"
    QUEUING = "Queuing"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Condition:
    type: ConditionType
    status: bool
    reason: str
    message: str
    last_update_time: datetime
    last_transition_time: datetime


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """One role's replicas, with every default filled in. ``template`` is a core/v1 PodTemplateSpec as a dict, not to be
    changed in place."""

    replicas: int
    restart_policy: RestartPolicy
    template: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    min_available: int | None = None
    queue: str = ""
    priority: int | None = None
    priority_class: str = ""
    min_resources: Mapping[str, str] = field(default_factory=dict)
    schedule_timeout_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """Limits and clean-up of a job. None means: no limit, or keep the finished job for ever."""

    clean_pod_policy: CleanPodPolicy = CleanPodPolicy.NONE
    ttl_seconds_after_finished: int | None = None
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    suspend: bool = False
    managed_by: str = ""
    scheduling: SchedulingPolicy = SchedulingPolicy()


@dataclass(frozen=True, slots=True)
class Failure:
    """The first failure of a job, kept because the pod that told of it may go. ``exit_code`` and ``signal`` are None
    where no container had ended (a lost node, an eviction)."""

    pod: str
    role: str
    index: int
    time: datetime
    node: str = ""
    container: str = ""
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """``succeeded_indexes`` is what is never run again; ``restarts`` counts replacements of failed pods and restarts
    of their containers, over all pods that the role ever had."""

    active: int = 0
    succeeded: int = 0
    failed: int = 0
    restarts: int = 0
    succeeded_indexes: frozenset[int] = frozenset()
    selector: str = ""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """``attempts`` counts failures charged against the back-off limit. ``uncounted`` holds the UIDs of pods whose
    failure is in ``attempts`` already and that have not been seen gone yet, so that a crash between the write of the
    status and the delete of the pod counts nothing twice. ``extra`` is what other parts keep in the status under
    their own names (modelVersionName, cacheBackendName)."""

    conditions: tuple[Condition, ...] = ()
    replicas: Mapping[str, ReplicaStatus] = field(default_factory=dict)
    start_time: datetime | None = None
    completion_time: datetime | None = None
    attempts: int = 0
    uncounted: frozenset[str] = frozenset()
    first_failure: Failure | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def condition(self, type_: ConditionType) -> Condition | None:
        return next((c for c in self.conditions if c.type == type_), None)

    def has(self, type_: ConditionType) -> bool:
        condition = self.condition(type_)
        return condition is not None and condition.status

    @property
    def finished(self) -> bool:
        return self.has(ConditionType.SUCCEEDED) or self.has(ConditionType.FAILED)


@dataclass(frozen=True, slots=True)
class Job:
    """A job with defaults filled in. ``roles`` is in the order of the kind's roles, only those that the user gave.
    ``options`` are the framework's own spec fields by their JSON names (successPolicy, elasticPolicy, …)."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    roles: Mapping[str, ReplicaSpec]
    run_policy: RunPolicy
    status: JobStatus
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.namespace, self.name)

    @property
    def total_replicas(self) -> int:
        return sum(spec.replicas for spec in self.roles.values())

    def child_name(self, role: str, index: int) -> str:
        """Name of the pod, and of the service, of one replica: always the same, so that a second create is refused."""
        return f"{self.name}-{role.lower()}-{index}"
