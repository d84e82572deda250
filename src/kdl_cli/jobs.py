"""A job as commands show it: the neutral status, the replicas that were asked for, and which pod is which replica."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kdl_runtime.codec.times import parse_time
from kdl_runtime.types import Resource
from kdl_workloads.dialects.base import Dialect
from kdl_workloads.dialects.registry import DIALECTS
from kdl_workloads.job import Condition, ConditionType, Job, JobStatus

JOB_API_VERSIONS: tuple[str, ...] = tuple(dialect.api_version for dialect in DIALECTS)
JOB_GROUPS = frozenset(dialect.group for dialect in DIALECTS)
_ROLE_LABEL, _INDEX_LABEL, _ROLE_OF_JOB_LABEL = "replica-type", "replica-index", "job-role"
_REPLICA_SPECS = "ReplicaSpecs"


@dataclass(frozen=True, slots=True)
class JobView:
    """``replicas`` is what the spec asks for, per role, in the order in which the user wrote the roles."""

    resource: Resource
    job: Job
    dialect: Dialect
    created: datetime
    replicas: Mapping[str, int]

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def status(self) -> JobStatus:
        return self.job.status

    @property
    def state(self) -> str:
        """The type of the last condition that holds, as in the State column of kubectl; Pending before the first."""
        holding = [condition for condition in self.status.conditions if condition.status]
        return holding[-1].type.value if holding else "Pending"

    @property
    def total(self) -> int:
        return sum(self.replicas.values())

    @property
    def restarts(self) -> int:
        return sum(replica.restarts for replica in self.status.replicas.values())

    @property
    def outcome(self) -> Condition | None:
        """The condition that ended the job, None while it has not ended."""
        for type_ in (ConditionType.FAILED, ConditionType.SUCCEEDED):
            condition = self.status.condition(type_)
            if condition is not None and condition.status:
                return condition
        return None

    def progress(self) -> str:
        """``Master 1/1, Worker 1/2``: per role, the pods that run or have succeeded, of those wanted."""
        parts = []
        for role, wanted in self.replicas.items():
            replica = self.status.replicas.get(role)
            parts.append(f"{role} {replica.active + replica.succeeded if replica else 0}/{wanted}")
        return ", ".join(parts)

    def duration(self, now: datetime) -> timedelta | None:
        """From the start to the end, or until now; None before the start."""
        if self.status.start_time is None:
            return None
        outcome = self.outcome
        end = self.status.completion_time or (outcome.last_transition_time if outcome else now)
        return end - self.status.start_time

    def selector(self) -> str:
        """Label selector of the job's pods."""
        return ",".join(f"{key}={value}" for key, value in self.dialect.job_labels(self.job).items())


def is_job(resource: Resource) -> bool:
    return resource.group in JOB_GROUPS


def job_view(resource: Resource, obj: Mapping[str, Any]) -> JobView:
    """KeyError for an apiVersion that is no job's: ask ``is_job`` first."""
    dialect = next(dialect for dialect in DIALECTS if dialect.group == resource.group)
    outlined = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    return JobView(
        resource=resource,
        job=dialect.outline(outlined),
        dialect=dialect,
        created=parse_time(obj["metadata"]["creationTimestamp"]),
        replicas=wanted_replicas(obj.get("spec") or {}),
    )


def wanted_replicas(spec: Mapping[str, Any]) -> dict[str, int]:
    """Role to number of replicas, from the one field of the spec that maps roles to replica specs. The default is 1."""
    specs: Mapping[str, Any] = next(
        (value for name, value in spec.items() if name.endswith(_REPLICA_SPECS) and isinstance(value, Mapping)), {}
    )
    return {
        role: 1 if (value or {}).get("replicas") is None else int(value["replicas"]) for role, value in specs.items()
    }


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """Which replica a pod is. ``role`` is in lower case, as in the pod's name and labels."""

    role: str
    index: int

    def __str__(self) -> str:
        return f"{self.role}-{self.index}"


def replica_of(pod: Mapping[str, Any]) -> Replica | None:
    """By the labels of either dialect; None for a pod that is no replica."""
    labels = _short_labels(pod)
    role, index = labels.get(_ROLE_LABEL), labels.get(_INDEX_LABEL, "")
    return Replica(role, int(index)) if role and index.isdigit() else None


def is_master(pod: Mapping[str, Any]) -> bool:
    return _short_labels(pod).get(_ROLE_OF_JOB_LABEL) == "master"


def _short_labels(pod: Mapping[str, Any]) -> dict[str, str]:
    """The labels without their prefix: the dialects differ in nothing else."""
    labels: Mapping[str, str] = pod.get("metadata", {}).get("labels") or {}
    return {key.rpartition("/")[2]: value for key, value in labels.items()}


def sort_replicas(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The master first, then by role and index; pods that are no replica last."""

    def order(pod: Mapping[str, Any]) -> tuple[int, Replica, str]:
        replica = replica_of(pod)
        rank = 2 if replica is None else 0 if is_master(pod) else 1
        return rank, replica or Replica("", 0), pod["metadata"]["name"]

    return sorted(pods, key=order)
