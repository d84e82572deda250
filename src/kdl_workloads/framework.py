"""What a workload plugin is: data about one kind of job, and a few hooks that are pure functions.

A plugin names its roles and, for each API group that the kind is served in, what that group's users expect of it
(``Conventions``: container, port, defaults, which roles get a service, when the job runs and when it has succeeded).
Its usual hook is ``cluster_env``. It contains no engine code: it sees a ``Job`` and counts, never a pod.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel

from kdl_runtime.types import Resource, parse_api_version
from kdl_workloads import template as templates
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

KUBEDL = "training.kubedl.io/v1alpha1"
KUBEFLOW = "kubeflow.org/v1"
KUBEFLOW_V2BETA1 = "kubeflow.org/v2beta1"
"""The version of MPIJobs whose processes are started by SSH. They are stored as v1."""

MASTER = "Master"
WORKER = "Worker"
AIMASTER = "AIMaster"
"""KubeDL's role of a program that drives the others: it comes first and lets them start by an annotation."""

EnvVar = Mapping[str, Any]
"""A core/v1 EnvVar: ``{"name": …, "value": …}`` or ``{"name": …, "valueFrom": {…}}``."""


def env_vars(values: Mapping[str, str]) -> list[EnvVar]:
    """Plain variables, in the order of the mapping."""
    return [{"name": name, "value": value} for name, value in values.items()]


def replica_bounds(elastic: Mapping[str, Any], replicas: int) -> tuple[int, int]:
    """Least and most of an elastic policy. One given bound stands for both, ``replicas`` for a policy without any."""
    least, most = elastic.get("minReplicas"), elastic.get("maxReplicas")
    least, most = (most if least is None else least), (least if most is None else most)
    return (replicas if least is None else least), (replicas if most is None else most)


def replica_range(elastic: Mapping[str, Any], replicas: int) -> str:
    """``least:most`` of an elastic policy (``replica_bounds``)."""
    least, most = replica_bounds(elastic, replicas)
    return f"{least}:{most}"


def field_var(name: str, path: str) -> EnvVar:
    """A variable with the value of a field of its pod, such as ``status.podIP``."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


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
    READY = "Ready"
    SUCCEEDED = "Succeeded"


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role of a kind. ``name`` is the canonical spelling of the key in the replica-specs map (any case is accepted).
    ``master``: its pods carry the label job-role=master. ``max_replicas``: None is no limit. ``only_in``: the one
    apiVersion that has the role; empty if all have."""

    name: str
    master: bool = False
    min_replicas: int = 1
    max_replicas: int | None = None
    default_replicas: int = 1
    only_in: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What a condition says in a kind whose users read something else than in the rest of their API group.

    ``message`` is a ``str.format`` of ``kind``, ``namespace``, ``name``, ``role`` and ``count`` (the last two for
    FAILED and RESTARTING only). ``reason``: empty for the group's own.
    """

    message: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """An annotation of the job for which all other roles wait, if the job has the role ``of``."""

    of: str
    annotation: str
    value: str

    def is_closed(self, job: Job) -> bool:
        return self.of in job.roles and job.annotations.get(self.annotation) != self.value

    def __str__(self) -> str:
        return f"for the annotation {self.annotation}={self.value}, which its {self.of} sets"


AIMASTER_GATE = Gate(AIMASTER, "aimaster", "ready")


@dataclass(frozen=True, slots=True)
class Extra:
    """An object beside pods and services that a job needs: ``body`` has all but type, namespace, the job's labels and
    its owner. An object that is there already is changed to agree with ``body`` where the two differ, unless ``once``
    (for what must not change while the job lives).

    ``secret`` gives further fields of ``body`` that are made up anew at each call, such as keys. Such an object is
    never read, so that the operator needs no right to read Secrets: nobody else may have a use for its name."""

    resource: Resource
    body: Mapping[str, Any]
    once: bool = False
    secret: Callable[[], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Conventions:
    """What the users of one API group expect of a kind.

    ``model``: pydantic model of the whole object, from which the CRD is generated.
    ``container``: name of the container that trains; its exit code decides. With ``any_container`` a template without
    a container of that name is accepted, too; the phase of its pod decides then.
    ``port_name``, ``port``: the rendezvous port. It is added to the training container of the roles in ``port_roles``
    unless a port of that name is there already, whose number is then kept.
    ``services``: roles whose every replica gets a headless service.
    ``required``: roles without which the job is refused; of these, ``implied`` may come from an older form of the spec
    (``Framework.current_spec``), so that the CRD does not ask for them.
    ``restart_policies``: default per role. ``ttl_seconds_after_finished``: None keeps finished jobs.
    ``waits_for``: role -> {upstream role -> phase}; an upstream that the user did not give is not waited for.
    ``gate``: what roles wait for besides. ``running``, ``succeeded``: when the job has that condition.
    ``wording``: conditions that say something else than the group's. ``pod_names``: names of the pods of roles that
    have one replica and no index in the name, as a ``str.format`` of ``job``.
    ``elastic``: annotation whose value "true" gives a job the restart scope Job, where it names none.
    ``short_names``, ``scale_role``: for the CRD; the scale subresource sets the replicas of ``scale_role``.
    ``defaults``: fields of the spec that the API server fills in where an object is written in this version. Only for a
    version that is stored as another one: an object that has them all is of this version.
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
    implied: frozenset[str] = frozenset()
    clean_pod_policy: CleanPodPolicy = CleanPodPolicy.NONE
    ttl_seconds_after_finished: int | None = None
    backoff_limit: int | None = None
    waits_for: Mapping[str, Mapping[str, Phase]] = field(default_factory=dict)
    gate: Gate | None = None
    any_container: bool = False
    wording: Mapping[ConditionType, Words] = field(default_factory=dict)
    pod_names: Mapping[str, str] = field(default_factory=dict)
    short_names: tuple[str, ...] = ()
    scale_role: str = ""
    elastic: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)


class Framework(Protocol):
    """One kind of job. Subclass it: everything but the attributes has a default, and most kinds need ``cluster_env``.

    ``replica_specs_field`` is the JSON name in ``spec`` of the map from role to replica spec. ``conventions`` is keyed
    by apiVersion; its keys are where the kind is served, and the first one of a group is stored.
    ``roles`` are in the order in which they are created.
    ``singular`` is the kind in lower case and ``plural`` has an s behind it, unless they are set.
    """

    kind: str
    plural: str = ""
    singular: str = ""
    replica_specs_field: str
    roles: tuple[RoleSpec, ...]
    conventions: Mapping[str, Conventions]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if isinstance(kind := getattr(cls, "kind", None), str):
            cls.singular = cls.singular or kind.lower()
            cls.plural = cls.plural or f"{cls.singular}s"

    def cluster_env(self, job: Job, role: str, index: int) -> list[EnvVar]:
        """The variables by which a replica finds its peers. They win over variables of the same name in the template
        (``template.merge_env``)."""
        return []

    def pod_template(self, job: Job, role: str, index: int) -> templates.Template:
        """The template of one replica's pod: the role's, with ``cluster_env`` in every container. To be overridden by
        kinds that set it in some containers only, or that need volumes."""
        return templates.with_env(job.roles[role].template, self.cluster_env(job, role, index))

    def world(self, job: Job) -> Mapping[str, str]:
        """Annotations that all pods get, and that tell them of each other, such as how many there are. The whole job
        starts again when pods run that have other values than the job now gives."""
        return {}

    def objects(self, job: Job) -> Sequence[Extra]:
        """Objects that the job needs beside its pods and services. They are made before its pods, brought up to date
        when its spec changes, and deleted with it."""
        return ()

    def status_fields(self, job: Job) -> Mapping[str, Any]:
        """Fields of the object's status that are the kind's own, by their JSON names; None takes one away."""
        return {}

    def current_spec(self, api_version: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The spec in today's form, for kinds whose users still have older ones. It is not changed in place."""
        return spec

    def conventions_for(self, job: Job) -> Conventions:
        return self.conventions[job.api_version]

    def versions(self, group: str) -> list[str]:
        """The apiVersions of one API group, the stored one first; empty for a group that does not have the kind."""
        return [version for version in self.conventions if parse_api_version(version)[0] == group]

    def stored_versions(self) -> list[str]:
        """The apiVersions in which objects are watched and written: one of each group."""
        groups = dict.fromkeys(parse_api_version(version)[0] for version in self.conventions)
        return [self.versions(group)[0] for group in groups]

    def written_version(self, api_version: str, spec: Mapping[str, Any]) -> str:
        """The apiVersion that an object is of which was read as ``api_version``, by the defaults of the others."""
        for version in self.versions(parse_api_version(api_version)[0]):
            defaults = self.conventions[version].defaults
            if defaults and defaults.keys() <= spec.keys():
                return version
        return api_version

    def resource(self, api_version: str) -> Resource:
        group, version = parse_api_version(api_version)
        return Resource(group, version, self.kind, self.plural)

    def roles_in(self, api_version: str) -> tuple[RoleSpec, ...]:
        return tuple(role for role in self.roles if role.only_in in ("", api_version))

    def role(self, api_version: str, name: str) -> RoleSpec | None:
        """The role that a key of the replica-specs map means, whatever its case."""
        return next((role for role in self.roles_in(api_version) if role.name.lower() == name.lower()), None)

    def child_name(self, job: Job, role: str, index: int) -> str:
        """Name of the pod, and of the service, of one replica: always the same, so that a second create is refused."""
        fixed = self.conventions_for(job).pod_names.get(role)
        return job.child_name(role, index) if fixed is None else fixed.format(job=job.name)

    def port(self, job: Job, role: str) -> int:
        """Number of the rendezvous port of a role's replicas."""
        conventions = self.conventions_for(job)
        number = templates.port_number(job.roles[role].template, conventions.container, conventions.port_name)
        return number or conventions.port

    def endpoints(self, job: Job, role: str, suffix: str = "") -> list[str]:
        """``host:port`` of every replica of a role. ``suffix`` follows the name of the replica's service."""
        port = self.port(job, role)
        return [f"{self.child_name(job, role, i)}{suffix}:{port}" for i in range(job.roles[role].replicas)]

    def cluster(self, job: Job, roles: Iterable[str], suffix: str = "") -> dict[str, list[str]]:
        """``endpoints`` of those of the roles that the job has, by their names in lower case, sorted."""
        given = sorted((role.lower(), role) for role in roles if role in job.roles)
        return {name: self.endpoints(job, role, suffix) for name, role in given}

    def is_master(self, job: Job, role: str, index: int) -> bool:
        """Whether this replica's pod carries the label job-role=master."""
        spec = self.role(job.api_version, role)
        return spec is not None and spec.master

    def has_service(self, job: Job, role: str) -> bool:
        """Whether each replica of the role gets a headless service of its pod's name."""
        return role in self.conventions_for(job).services

    def waits_for(self, job: Job, role: str) -> Mapping[str, Phase]:
        """The roles of this job whose pods must all have come to a phase before the role's pods are created: those that
        the user names, else those of the kind."""
        given = job.roles[role].depends_on
        if given is not None:
            return {name: Phase(phase) for name, phase in given.items()}
        upstream = self.conventions_for(job).waits_for.get(role, {})
        return {name: phase for name, phase in upstream.items() if name in job.roles}

    def closed_gate(self, job: Job) -> Gate | None:
        """What all roles but the gate's own wait for; None if they need not wait."""
        gate = self.conventions_for(job).gate
        return gate if gate is not None and gate.is_closed(job) else None

    def fails_job(self, job: Job, role: str) -> bool:
        """Whether a final failure of one of the role's replicas is the job's."""
        return True

    def evaluate(self, job: Job, roles: Roles) -> Verdict:
        """What the counts say. Success comes first: once the result exists, a late failure does not take it away. A
        final failure of a role fails the job (but see ``fails_job``); the role first in the kind's order is the one
        reported."""
        conventions = self.conventions_for(job)
        if conventions.succeeded(job, roles):
            return Verdict(ConditionType.SUCCEEDED)
        present = [(role.name, roles[role.name]) for role in self.roles if role.name in roles]
        for name, state in present:
            if state.failed and self.fails_job(job, name):
                return Verdict(ConditionType.FAILED, name, state.failed)
        for name, state in present:
            if state.restarting:
                return Verdict(ConditionType.RESTARTING, name, state.restarting)
        if conventions.running(job, roles):
            return Verdict(ConditionType.RUNNING)
        return Verdict()
