"""What a decision is made from: one job, what exists of it, and the time. Values only; nothing here does I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.types import Resource
from kdl_workloads.dialects.base import Dialect, Texts
from kdl_workloads.engine.pod import Pod
from kdl_workloads.framework import KUBEFLOW, Conventions, Framework
from kdl_workloads.job import Job


@dataclass(frozen=True, slots=True)
class Workload:
    """A kind in one API group: the plugin says what the job needs, the dialect how it is written."""

    framework: Framework
    dialect: Dialect

    @property
    def conventions(self) -> Conventions:
        return self.framework.conventions[self.dialect.api_version]

    @property
    def framework_name(self) -> str:
        """What Kubeflow's metrics call the kind: they have the name of its container in Kubeflow's own API group."""
        return self.framework.conventions.get(KUBEFLOW, self.conventions).container

    @property
    def resource(self) -> Resource:
        return self.framework.resource(self.dialect.api_version)


class NodeState(StrEnum):
    """UNKNOWN: the operator may not read nodes, or could not."""

    READY = "Ready"
    LOST = "Lost"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Block:
    """The API server has refused a child of the job. Nothing is created before ``until``; ``message`` is shown.

    ``fatal``: trying again cannot help (the object itself was refused), so the job fails.
    """

    message: str
    until: datetime
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """``pods`` and ``services`` are those that this very job (its UID) controls, ``claims`` those that were made for a
    job of its name. ``nodes`` has the nodes that
    ``lost.suspects`` named, ``node_conditions`` types and statuses of the conditions of those that ``judged_nodes``
    named. ``problem`` is what is wrong with the spec where it cannot be carried out; the job is then an outline without
    roles. ``extras_at``: when the kind's further objects were last made to agree with this generation of the
    job; None if they have not been."""

    workload: Workload
    job: Job
    now: datetime
    pods: Sequence[Pod] = ()
    services: Sequence[PartialObject] = ()
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    node_conditions: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    problem: str = ""
    block: Block | None = None
    extras_at: datetime | None = None
    claims: Sequence[PartialObject] = ()

    @property
    def texts(self) -> Texts:
        """What the conditions of the job say, by the version that it was written in."""
        return self.workload.dialect.texts_for(self.workload.framework.conventions_for(self.job))

    @property
    def stamp(self) -> datetime:
        """Now as a status can hold it: whole seconds."""
        return self.now.replace(microsecond=0)
