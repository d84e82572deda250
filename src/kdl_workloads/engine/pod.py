"""The part of a pod that the engine looks at, as a projection: frozen, shared, decoded from the watch's bytes.

Fields are those of core/v1 Pod (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).
"""

from datetime import datetime, timedelta

import msgspec

from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.codec.times import parse_time

OUTCOME_FINALIZER = "kdl.io/outcome"
"""Holds every replica's pod until its outcome is in the stored status of its job, whoever deletes the pod."""
STOP_DEADLINE = 1
"""``activeDeadlineSeconds`` by which a pod that runs is ended by its kubelet and, unlike with a delete, kept."""
ATTEMPT = "kdl.io/attempt"
"""Annotation of every pod that this operator has made: after how many restarts of the whole job."""


CONFIRMATION = timedelta(seconds=10)
"""How long after the end of a pod's containers its kubelet may need to say that all of the pod is gone."""


class Terminated(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    exit_code: int = 0
    signal: int | None = None
    reason: str = ""
    message: str = ""
    finished_at: str | None = None

    @property
    def ended_at(self) -> datetime | None:
        return _time(self.finished_at)


class ContainerState(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    name: str = ""
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodCondition(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    node_name: str = ""
    restart_policy: str = ""
    active_deadline_seconds: int | None = None
    termination_grace_period_seconds: int = 30


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: tuple[PodCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(PartialObject, frozen=True, gc=False, rename="camel", omit_defaults=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def held(self) -> bool:
        """Whether our finalizer is still on it."""
        return OUTCOME_FINALIZER in self.metadata.finalizers

    @property
    def ours(self) -> bool:
        """Whether this operator has made it, or has worked on it."""
        return self.held or ATTEMPT in self.metadata.annotations

    @property
    def attempt(self) -> int:
        """After how many restarts of the whole job it was created; none for a pod that somebody else has made."""
        value = self.metadata.annotations.get(ATTEMPT, "")
        return int(value) if value.isdecimal() else 0

    @property
    def terminating(self) -> bool:
        return self.metadata.deletion_timestamp is not None

    @property
    def killed_at(self) -> datetime | None:
        """When its grace period is over; None if nobody has deleted it."""
        return _time(self.metadata.deletion_timestamp)

    @property
    def deleted_at(self) -> datetime | None:
        """When the delete was asked for, or when the kubelet has confirmed it: ``deletionTimestamp`` is the former plus
        the grace period, until a second delete without a grace period makes it the moment of that one."""
        killed_at = self.killed_at
        return killed_at and killed_at - timedelta(seconds=self.metadata.deletion_grace_period_seconds or 0)

    def deleted_before(self, moment: datetime) -> bool:
        """Whether somebody had deleted it by then. Once the kubelet has confirmed the delete, nobody knows any more
        when it was asked for: then also if that may be, as the confirmation follows no later than the grace period."""
        deleted_at = self.deleted_at
        if deleted_at is not None and not self.metadata.deletion_grace_period_seconds:
            deleted_at -= timedelta(seconds=self.spec.termination_grace_period_seconds) + CONFIRMATION
        return deleted_at is not None and deleted_at <= moment

    @property
    def created_at(self) -> datetime | None:
        return _time(self.metadata.creation_timestamp)

    @property
    def ended(self) -> bool:
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def ending(self) -> bool:
        """Its containers have ended for good; its phase says so when the kubelet has ended its sidecars (KEP-753)."""
        states = [container.state.terminated for container in self.status.container_statuses]
        failed_again = self.spec.restart_policy == "OnFailure" and any(state and state.exit_code for state in states)
        return self.spec.restart_policy != "Always" and bool(states) and all(states) and not failed_again

    @property
    def running(self) -> bool:
        return self.status.phase == "Running"

    @property
    def stopped(self) -> bool:
        """Its node has been told to end it and to keep it."""
        return self.spec.active_deadline_seconds == STOP_DEADLINE

    @property
    def active(self) -> bool:
        """It runs and nobody has deleted it."""
        return self.running and not self.terminating

    @property
    def ready(self) -> bool:
        """Whether its containers say that they are ready, and all its readiness gates are open."""
        ready = self.condition("Ready")
        return ready is not None and ready.status == "True"

    @property
    def ready_at(self) -> datetime | None:
        """Since when it is ready; None while it is not."""
        ready = self.condition("Ready")
        return _time(ready.last_transition_time) if ready is not None and self.ready else None

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """Init containers first, as they run."""
        return self.status.init_container_statuses + self.status.container_statuses

    @property
    def restart_count(self) -> int:
        """Restarts of its containers by the kubelet."""
        return sum(container.restart_count for container in self.containers)

    def condition(self, type_: str) -> PodCondition | None:
        return next((condition for condition in self.status.conditions if condition.type == type_), None)

    def terminated(self, container: str) -> Terminated | None:
        """How the named container ended; None while it has not, or when there is none of that name."""
        for status in self.status.container_statuses:
            if status.name == container:
                return status.state.terminated
        return None


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
