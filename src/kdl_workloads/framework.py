"""What a workload plugin is: data about one kind of job, and a few hooks that are pure functions.

A plugin names its roles and, for each API group that the kind is served in, what that group's users expect of it
(``Conventions``: container, port, defaults, which roles get a service, when the job runs and when it has succeeded).
Its one mandatory hook is ``cluster_env``. It contains no engine code: it sees a ``Job`` and counts, never a pod.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel

from kdl_runtime.types import Resource, parse_api_version
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

KUBEDL = "training.kubedl.io/v1alpha1"
KUBEFLOW = "kubeflow.org/v1"

MASTER = "Master"
WORKER = "Worker"

EnvVar = Mapping[str, Any]
"""A core/v1 EnvVar: ``{"name": …, "value": …}`` or ``{"name": …, "valueFrom": {…}}``."""


@dataclass(frozen=True, slots=True)
class RoleState:
    """How one role stands, as its rules see it.

    ``replicas``: wanted. ``active``: pods of phase Running that nobody has deleted. ``succeeded_indexes``: replicas
    that have ever succeeded, whether or not their pods still exist. ``failed``: pods whose failure is final for the
    role's restart policy. ``restarting``: failed pods that are replaced.
    """

    replicas: int = 0
    active: int = 0
    succeeded_indexes: frozenset[int] = frozenset()
    failed: int = 0
    restarting: int = 0

    @property
    def all_succeeded(self) -> bool:
        """Every wanted replica; false for a role without replicas. Indexes beyond ``replicas`` (a job that was scaled
        in) count for nothing."""
        return self.replicas > 0 and all(index in self.succeeded_indexes for index in range(self.replicas))


Roles = Mapping[str, RoleState]
Rule = Callable[[Job, Roles], bool]
"""A yes-or-no question about a job. Roles that the user did not give are absent."""


def any_active(*names: str) -> Rule:
    """At least one pod of one of these roles is active."""
    return lambda _job, roles: any(roles[name].active > 0 for name in names if name in roles)


def any_succeeded(*names: str) -> Rule:
    """At least one replica of one of these roles has succeeded."""
    return lambda _job, roles: any(roles[name].succeeded_indexes for name in names if name in roles)


def all_succeeded(*names: str) -> Rule:
    """Every replica of every one of these roles that the job has; false if it has none of them."""

    def rule(_job: Job, roles: Roles) -> bool:
        present = [roles[name] for name in names if name in roles]
        return bool(present) and all(state.all_succeeded for state in present)

    return rule


def if_given(name: str, then: Rule, otherwise: Rule) -> Rule:
    """``then`` where the user gave the role, else ``otherwise``: for kinds whose master is optional."""
    return lambda job, roles: (then if name in roles else otherwise)(job, roles)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the counts say of a job. ``type`` is RUNNING, RESTARTING, SUCCEEDED or FAILED, or None while nothing can be
    said yet; ``role`` and ``count`` tell which role's failures decided, for RESTARTING and FAILED."""

    type: ConditionType | None = None
    role: str = ""
    count: int = 0


class Phase(StrEnum):
    """How far every pod of an upstream role must have come before a role that waits for it is created."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role of a kind. ``name`` is the canonical spelling of the key in the replica-specs map (any case is accepted).
    ``master``: its pods carry the label job-role=master. ``max_replicas``: None is no limit."""

    name: str
    master: bool = False
    min_replicas: int = 1
    max_replicas: int | None = None
    default_replicas: int = 1


@dataclass(frozen=True, slots=True)
class Conventions:
    """What the users of one API group expect of a kind.

    ``model``: pydantic model of the whole object, from which the CRD is generated.
    ``container``: name of the container that trains; its exit code decides.
    ``port_name``, ``port``: the rendezvous port. It is added to the training container of the roles in ``port_roles``
    unless a port of that name is there already, whose number is then kept.
    ``services``: roles whose every replica gets a headless service.
    ``required``: roles without which the job is refused.
    ``restart_policies``: default per role. ``ttl_seconds_after_finished``: None keeps finished jobs.
    ``waits_for``: role -> {upstream role -> phase}; an upstream that the user did not give is not waited for.
    ``running``, ``succeeded``: when the job has that condition.
    ``short_names``, ``scale_role``: for the CRD; the scale subresource sets the replicas of ``scale_role``.
    """

    model: type[BaseModel]
    container: str
    port_name: str
    port: int
    running: Rule
    succeeded: Rule
    restart_policies: Mapping[str, RestartPolicy]
    port_roles: frozenset[str]
    services: frozenset[str]
    required: frozenset[str] = frozenset()
    clean_pod_policy: CleanPodPolicy = CleanPodPolicy.NONE
    ttl_seconds_after_finished: int | None = None
    backoff_limit: int | None = None
    waits_for: Mapping[str, Mapping[str, Phase]] = field(default_factory=dict)
    short_names: tuple[str, ...] = ()
    scale_role: str = ""


class Framework(Protocol):
    """One kind of job. Subclass it: everything but the attributes and ``cluster_env`` has a default.

    ``replica_specs_field`` is the JSON name in ``spec`` of the map from role to replica spec. ``conventions`` is keyed
    by apiVersion; its keys are where the kind is served. ``roles`` are in the order in which they are created.
    """

    kind: str
    plural: str
    singular: str
    replica_specs_field: str
    roles: tuple[RoleSpec, ...]
    conventions: Mapping[str, Conventions]

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        """The variables by which a replica finds its peers, set in every container of its pod. They win over variables
        of the same name in the template (``template.with_env``)."""
        ...

    def conventions_for(self, job: Job) -> Conventions:
        return self.conventions[job.api_version]

    def resource(self, api_version: str) -> Resource:
        group, version = parse_api_version(api_version)
        return Resource(group, version, self.kind, self.plural)

    def role(self, name: str) -> RoleSpec | None:
        """The role that a key of the replica-specs map means, whatever its case."""
        return next((role for role in self.roles if role.name.lower() == name.lower()), None)

    def is_master(self, job: Job, role: str, index: int) -> bool:
        """Whether this replica's pod carries the label job-role=master."""
        spec = self.role(role)
        return spec is not None and spec.master

    def has_service(self, job: Job, role: str) -> bool:
        """Whether each replica of the role gets a headless service of its pod's name."""
        return role in self.conventions_for(job).services

    def waits_for(self, job: Job, role: str) -> Mapping[str, Phase]:
        """The roles of this job whose pods must all have come to a phase before the role's pods are created."""
        upstream = self.conventions_for(job).waits_for.get(role, {})
        return {name: phase for name, phase in upstream.items() if name in job.roles}

    def evaluate(self, job: Job, roles: Roles) -> Verdict:
        """What the counts say. Success comes first: once the result exists, a late failure does not take it away. A
        final failure of any role fails the job; the role first in the kind's order is the one reported."""
        conventions = self.conventions_for(job)
        if conventions.succeeded(job, roles):
            return Verdict(ConditionType.SUCCEEDED)
        present = [(role.name, roles[role.name]) for role in self.roles if role.name in roles]
        for name, state in present:
            if state.failed:
                return Verdict(ConditionType.FAILED, name, state.failed)
        for name, state in present:
            if state.restarting:
                return Verdict(ConditionType.RESTARTING, name, state.restarting)
        if conventions.running(job, roles):
            return Verdict(ConditionType.RUNNING)
        return Verdict()
