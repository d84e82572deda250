"""What is to be done for one job: a value that ``apply`` carries out, and that extensions may add to before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kdl_workloads.engine.pod import Pod
from kdl_workloads.framework import Extra
from kdl_workloads.job import JobStatus

NORMAL = "Normal"
WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Note:
    """An event on the job, sent once the plan's status is stored."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Delete:
    """``grace_period_seconds`` 0 takes a pod from the API without its node's consent; None is the pod's own. The
    delete applies to the object of this UID only."""

    name: str
    uid: str
    grace_period_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """``status`` is the whole new status, None where nothing changed. It is stored first: everything else happens only
    after that, so that no pod is let go whose outcome could still be lost. ``extras`` are objects to create, or to
    bring up to date, before the pods. ``release`` are pods from which the outcome finalizer is taken. ``stop_pods`` are
    ended and kept. ``requeue_at``: when to look again without an event. The empty plan costs no request."""

    status: JobStatus | None = None
    notes: tuple[Note, ...] = ()
    extras: tuple[Extra, ...] = ()
    create_services: tuple[Mapping[str, Any], ...] = ()
    create_claims: tuple[Mapping[str, Any], ...] = ()
    create_pods: tuple[Mapping[str, Any], ...] = ()
    release: tuple[Pod, ...] = ()
    delete_pods: tuple[Delete, ...] = ()
    stop_pods: tuple[Pod, ...] = ()
    delete_services: tuple[Delete, ...] = ()
    delete_claims: tuple[Delete, ...] = ()
    delete_job: bool = False
    requeue_at: datetime | None = None

    @property
    def creates_or_deletes(self) -> bool:
        created = (self.extras, self.create_services, self.create_claims, self.create_pods)
        deleted = (self.delete_pods, self.stop_pods, self.delete_services, self.delete_claims)
        return self.delete_job or any((*created, *deleted))
