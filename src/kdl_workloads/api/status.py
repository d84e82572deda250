"""The status of a job, the same in both API groups but for the group's own additions."""

from typing import Literal

from pydantic import ConfigDict, Field

from kdl_workloads.api.base import ApiModel, Count, Count64, Int32, Percentage, Time


class StatusModel(ApiModel):
    """A part of a status. Unlike in a spec, an unknown field is no mistake: a newer operator has written it."""

    model_config = ConfigDict(extra="ignore")


class JobCondition(StatusModel):
    type: str
    """Created, Queuing, Running, Restarting, Suspended, Succeeded or Failed."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: str = ""
    """One word for programs."""
    message: str = ""
    """A sentence for people."""
    last_update_time: Time | None = None
    """When the condition was last written."""
    last_transition_time: Time | None = None
    """When the condition last changed its status."""


class ReplicaStatus(StatusModel):
    active: Count = 0
    """Pods that run, or start on a node."""
    succeeded: Count = 0
    """Replicas that have succeeded."""
    failed: Count = 0
    """Pods that have failed."""
    evicted: Count = 0
    """Not written; kept for clients that read it."""
    restarts: Count = 0
    """Replaced pods and restarted containers, over all pods that the replica type ever had."""
    succeeded_indexes: str = ""
    """Indexes that have succeeded and are never run again, as in 0-3,5."""
    selector: str = ""
    """Label selector of the replica type's pods."""


class FirstFailure(StatusModel):
    """What went wrong first. It stays when the pod goes."""

    pod: str
    """Name of the pod."""
    role: str
    """Its replica type."""
    index: Count
    """Its replica index."""
    time: Time
    """When the container ended, or the failure was seen."""
    node: str = ""
    """Node that it ran on."""
    container: str = ""
    """Container that failed."""
    exit_code: Int32 | None = None
    """Exit code of the container."""
    signal: Int32 | None = None
    """Signal that ended the container."""
    reason: str = ""
    """Reason that Kubernetes gives, such as OOMKilled or Evicted."""
    message: str = ""
    """Last lines of the log, or Kubernetes' message."""


class LostNode(StatusModel):
    name: str
    """Name of the node."""
    time: Time
    """When a pod of the job was last lost with it."""


class ProgressMetric(StatusModel):
    name: str
    value: str


class Progress(StatusModel):
    percentage: Percentage | None = None
    step: Count64 | None = None
    total: Count64 | None = None
    estimated_remaining_seconds: Count64 | None = None
    metrics: list[ProgressMetric] = Field(default_factory=list)
    last_update_time: Time | None = None


class JobStatus(StatusModel):
    conditions: list[JobCondition] = Field(default_factory=list)
    """The latest change is the last entry."""
    replica_statuses: dict[str, ReplicaStatus] = Field(default_factory=dict)
    """Counts per replica type."""
    start_time: Time | None = None
    """When the operator began with the job; anew after a suspension."""
    completion_time: Time | None = None
    """When the job succeeded or failed."""
    last_reconcile_time: Time | None = None
    """Not written; kept for clients that read it."""
    attempts: Count = 0
    """Failures charged against backoffLimit."""
    job_restarts: Count = 0
    """How often the whole job was started again."""
    restart_time: Time | None = None
    """From when its pods may be there again, after the last of these restarts."""
    counted_pods: list[str] = Field(default_factory=list)
    """UIDs of failed pods that attempts counts already and that are not seen gone yet."""
    first_failure: FirstFailure | None = None
    """What went wrong first."""
    lost_nodes: list[LostNode] = Field(default_factory=list)
    """Nodes that pods were lost with, which new pods keep off for an hour where they can."""
    judged_nodes: dict[str, list[str]] = Field(default_factory=dict)
    """By UIDs of failed pods: conditions of their nodes, as failure rules judge them."""
    progress: Progress | None = None
    """What the job has last reported of itself."""


class KubeDLJobStatus(JobStatus):
    model_version_name: str = ""
    """ModelVersion that holds the job's output."""
    cache_backend_name: str = ""
    """CacheBackend that the job uses."""
