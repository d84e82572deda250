"""The neutral job: what the engine and the frameworks see, whatever API group the object was written in.

A dialect (``kdl_workloads.dialects``) turns a stored object into a ``Job`` and a ``JobStatus`` back into the object's
``status``. All values are immutable: a decision is a new value, never a change of an old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


class RestartScope(StrEnum):
    """What starts again when a replica is replaced: it alone, or the whole job, stopped first, as one attempt."""

    POD = "Pod"
    JOB = "Job"


class FailureAction(StrEnum):
    """What becomes of a pod that a failure rule is for. IGNORE is RESTART that counts for nothing, as in batch/v1."""

    RESTART = "Restart"
    RESTART_JOB = "RestartJob"
    IGNORE = "Ignore"
    FAIL_JOB = "FailJob"


@dataclass(frozen=True, slots=True)
class ExitCodes:
    """``values`` if ``within``, else every exit code but them."""

    values: frozenset[int]
    within: bool = True

    def match(self, exit_code: int) -> bool:
        return (exit_code in self.values) is self.within


@dataclass(frozen=True, slots=True)
class FailureRule:
    """Which ends of a pod it is for, all that is given must hold, and what then happens.

    ``roles`` (in lower case), ``reasons``, ``signals``, ``pod_conditions``, ``node_conditions``: any one of them; None
    is not asked. Conditions are pairs of type and status. ``message`` is a text that the failure's message must have in
    it, with * and ? for any characters and for one. ``counts``: whether it is charged to the back-off limit; None is
    what would be without the rule.
    """

    action: FailureAction
    counts: bool | None = None
    roles: frozenset[str] | None = None
    exit_codes: ExitCodes | None = None
    signals: frozenset[int] | None = None
    reasons: frozenset[str] | None = None
    pod_conditions: frozenset[tuple[str, str]] | None = None
    node_conditions: frozenset[tuple[str, str]] | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimRetention:
    """What becomes of the claims of a role's replicas when the job has finished, and when it is deleted; they stay
    unless it says so."""

    delete_when_finished: bool = False
    delete_when_deleted: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaGroup:
    """Replicas of a role that differ from its others. ``template`` is their whole pod template."""

    name: str
    replicas: int
    template: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """One role's replicas, with every default filled in. ``template`` is a core/v1 PodTemplateSpec as a dict, not to be
    changed in place. ``depends_on``: upstream role -> phase (Running, Ready or Succeeded) that all its pods must have
    come to before this role has pods; None is the kind's own rule. ``claims``: core/v1 PersistentVolumeClaimTemplates
    of which each replica has claims of its own. Indexes run through ``groups`` in their order; replicas beyond them
    have ``template``."""

    replicas: int
    restart_policy: RestartPolicy
    template: Mapping[str, Any]
    depends_on: Mapping[str, str] | None = None
    claims: tuple[Mapping[str, Any], ...] = ()
    claim_retention: ClaimRetention = ClaimRetention()
    groups: tuple[ReplicaGroup, ...] = ()

    def group_of(self, index: int) -> ReplicaGroup | None:
        """The group that a replica is of; None for one that has the role's own template."""
        for group in self.groups:
            if index < group.replicas:
                return group
            index -= group.replicas
        return None


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
    """Limits and clean-up of a job. None means: no limit, or keep the finished job for ever. The first of
    ``failure_rules`` that fits a failure decides about it. ``stop_on_failure``: pods that still run when the job fails
    are ended, and kept with their logs."""

    clean_pod_policy: CleanPodPolicy = CleanPodPolicy.NONE
    ttl_seconds_after_finished: int | None = None
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    suspend: bool = False
    managed_by: str = ""
    scheduling: SchedulingPolicy = SchedulingPolicy()
    restart_scope: RestartScope = RestartScope.POD
    failure_rules: tuple[FailureRule, ...] = ()
    stop_on_failure: bool = False

    @property
    def judges_each_failure(self) -> bool:
        """Whether every end of a container is the controller's affair, so that the kubelet restarts none that fails."""
        return bool(self.failure_rules) or self.restart_scope is RestartScope.JOB


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
class LostNode:
    """A node that pods of the job were lost with, and when the last of them was."""

    name: str
    time: datetime


NodeConditions = frozenset[tuple[str, str]]
"""Types and statuses of conditions of a node."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """``attempts`` counts failures charged against the back-off limit. ``restarts`` counts how often the whole job was
    started again, and ``restart_time`` is from when its pods may be there again. ``uncounted`` holds the UIDs of pods
    whose failure is in ``attempts`` already and that have not been seen gone yet, so that a crash between the write of
    the status and the delete of the pod counts nothing twice. ``lost_nodes``, the last one last, are kept off for a
    while. ``judged_nodes`` has, by the UIDs of pods that have failed, what of the conditions that failure rules ask for
    their nodes had when that was first seen. ``extra`` is what other parts keep in the status under their own names
    (modelVersionName, cacheBackendName).
    """

    conditions: tuple[Condition, ...] = ()
    replicas: Mapping[str, ReplicaStatus] = field(default_factory=dict)
    start_time: datetime | None = None
    completion_time: datetime | None = None
    attempts: int = 0
    restarts: int = 0
    restart_time: datetime | None = None
    uncounted: frozenset[str] = frozenset()
    first_failure: Failure | None = None
    lost_nodes: tuple[LostNode, ...] = ()
    judged_nodes: Mapping[str, NodeConditions] = field(default_factory=dict)
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

    def as_seen_by(self, role: str, index: int) -> "Job":
        """The job in which the role has the template of this replica's group."""
        group = self.roles[role].group_of(index)
        if group is None:
            return self
        return replace(self, roles={**self.roles, role: replace(self.roles[role], template=group.template)})

    @property
    def total_replicas(self) -> int:
        return sum(spec.replicas for spec in self.roles.values())

    def child_name(self, role: str, index: int) -> str:
        """Name of the pod, and of the service, of one replica: always the same, so that a second create is refused."""
        return f"{self.name}-{role.lower()}-{index}"
