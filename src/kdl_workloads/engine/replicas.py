"""The pods of a job by the place they hold: role and index."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from kdl_workloads.engine.judgement import rule_for
from kdl_workloads.engine.lost import is_lost
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.outcome import Outcome, outcome
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.restart import is_replaced
from kdl_workloads.framework import Framework, RoleState
from kdl_workloads.job import FailureAction, FailureRule, Job, JobStatus, ReplicaStatus, RestartPolicy, RestartScope

Slot = tuple[str, int]
"""Role and index."""

_KUBELET_RESTARTS = frozenset({RestartPolicy.ALWAYS, RestartPolicy.ON_FAILURE})
_TAKEN_AWAY = frozenset({Outcome.FAILED, Outcome.DISRUPTED, Outcome.LOST})


class Replica(msgspec.Struct, frozen=True):
    """A pod in its place. ``replaced``: it has ended and makes way for a new one. ``restarts``: of its containers,
    where the role's policy leaves restarts to the kubelet, else 0. ``rule``: the failure rule that has decided.
    ``restarts_job``: not only it is replaced, but every pod of the job. ``tolerated``: its failure for good is not the
    job's. ``outdated``: it goes on, and knows of other peers than the job now has. A struct and not a dataclass,
    because each pass makes one for every pod."""

    role: str
    index: int
    pod: Pod
    outcome: Outcome
    replaced: bool
    restarts: int
    rule: FailureRule | None = None
    restarts_job: bool = False
    tolerated: bool = False
    outdated: bool = False

    @property
    def failed_for_good(self) -> bool:
        return self.outcome in _TAKEN_AWAY and not self.replaced

    @property
    def charged(self) -> bool:
        """Whether its end counts against the back-off limit: a failure of its program does, what the cluster or a
        person has done does not, and neither does a failure that nothing follows from, unless a rule says otherwise."""
        by_rule = self.rule.counts if self.rule is not None else None
        follows = self.replaced or not self.tolerated
        return (self.outcome is Outcome.FAILED and follows) if by_rule is None else by_rule

    @property
    def fatal(self) -> bool:
        """Whether its end is the job's, unless the job has succeeded."""
        return self.failed_for_good and (self.fails_job_by_rule or not self.tolerated)

    @property
    def fails_job_by_rule(self) -> bool:
        return self.rule is not None and self.rule.action is FailureAction.FAIL_JOB

    @property
    def restarting(self) -> bool:
        """It is replaced because it failed, or was taken away; not because somebody deleted it."""
        return self.replaced and self.outcome in _TAKEN_AWAY


@dataclass(frozen=True, slots=True)
class Replicas:
    """``wanted`` has at most one pod per place, since names are deterministic. ``surplus`` are pods of this job's roles
    beyond their count, and ``stale`` those from before the last restart of the whole job."""

    wanted: Mapping[Slot, Replica]
    surplus: tuple[Replica, ...] = ()
    stale: tuple[Replica, ...] = ()

    @property
    def replaced(self) -> list[Replica]:
        return [replica for replica in self.wanted.values() if replica.replaced]

    def all(self) -> list[Replica]:
        return [*self.wanted.values(), *self.surplus, *self.stale]


def assign(observed: Observed, attempt: int) -> Replicas:
    """Each pod in its place, ``attempt`` being the number of restarts of the whole job. Pods of the job that are no
    replicas (an extension's) are left out."""
    wanted: dict[Slot, Replica] = {}
    surplus: list[Replica] = []
    stale: list[Replica] = []
    place_of = places(observed.job, observed.workload.framework)
    world = observed.workload.framework.world(observed.job)
    for pod in observed.pods:
        place = place_of(pod.metadata.name)
        if place is None:
            continue
        replica = _replica(observed, place, pod)
        if pod.attempt < attempt:
            stale.append(replica)
        elif is_wanted(observed.job, place):
            wanted[place] = msgspec.structs.replace(replica, outdated=True) if _is_outdated(replica, world) else replica
        else:
            surplus.append(replica)
    return Replicas(wanted, tuple(surplus), tuple(stale))


def places(job: Job, framework: Framework) -> Callable[[str], Slot | None]:
    """The inverse of ``Framework.child_name``: from the name of a pod or service of the job to the place that it holds,
    None for a name that no replica has."""
    names = {role.name: framework.child_name(job, role.name, 0) for role in framework.roles}
    indexed = {role for role, name in names.items() if name != framework.child_name(job, role, 1)}
    roles = {names[role].removesuffix("0"): role for role in indexed}
    single: dict[str, Slot] = {name: (role, 0) for role, name in names.items() if role not in indexed}

    def place_of(name: str) -> Slot | None:
        if name in single:
            return single[name]
        stem, dash, digits = name.rpartition("-")
        role = roles.get(stem + dash)
        if role is None or not (digits.isascii() and digits.isdecimal()):
            return None
        leading_zero = digits[0] == "0" and digits != "0"
        return None if leading_zero else (role, int(digits))

    return place_of


def is_wanted(job: Job, place: Slot) -> bool:
    role, index = place
    return role in job.roles and index < job.roles[role].replicas


def count(job: Job, status: JobStatus, replicas: Replicas) -> dict[str, RoleState]:
    """How each role stands, for the rules of the kind. A pod that is being deleted is neither active nor failed."""
    by_role: dict[str, list[Replica]] = {role: [] for role in job.roles}
    for replica in replicas.wanted.values():
        by_role[replica.role].append(replica)
    return {role: _role_state(job, role, status, of_role) for role, of_role in by_role.items()}


def replica_statuses(job: Job, status: JobStatus, states: Mapping[str, RoleState]) -> dict[str, ReplicaStatus]:
    """The counts as the status shows them: ``failed`` has every pod that has failed and is still in its place."""
    return {
        role: ReplicaStatus(
            active=state.active,
            succeeded=len(_within(state.succeeded_indexes, state.replicas)),
            failed=state.failed + state.restarting,
            restarts=_of(status, role).restarts,
            succeeded_indexes=state.succeeded_indexes,
            selector=_of(status, role).selector,
        )
        for role, state in states.items()
        if role in job.roles
    }


def _replica(observed: Observed, place: Slot, pod: Pod) -> Replica:
    role, index = place
    workload, spec = observed.workload, observed.job.roles.get(role)
    lost = pod.terminating and is_lost(pod, observed.nodes, observed.now)
    how = outcome(pod, workload.conventions.container, lost=lost)
    if spec is None:
        return Replica(role, index, pod, how, replaced=False, restarts=0)
    rule = rule_for(observed, role, pod, how)
    replaced = how.known and is_replaced(how, spec.restart_policy, pod, workload, rule)
    restarts = pod.restart_count if spec.restart_policy in _KUBELET_RESTARTS else 0
    # A pod that we replace for itself alone may look, once it is going, as if somebody had deleted it.
    settled = how is Outcome.DELETED and pod.uid in observed.job.status.uncounted
    restarts_job = replaced and not settled and _restarts_job(observed.job, rule)
    tolerated = not workload.framework.fails_job(observed.job, role)
    return Replica(role, index, pod, how, replaced, restarts, rule, restarts_job, tolerated)


def _is_outdated(replica: Replica, world: Mapping[str, str]) -> bool:
    """A pod without such an annotation was made before its job was to have them."""
    known = replica.pod.metadata.annotations
    goes_on = replica.outcome is Outcome.NONE and not replica.pod.terminating
    return goes_on and any(known.get(name, value) != value for name, value in world.items())


def _restarts_job(job: Job, rule: FailureRule | None) -> bool:
    by_scope = job.run_policy.restart_scope is RestartScope.JOB
    return (
        by_scope
        if rule is None
        else rule.action is FailureAction.RESTART_JOB or (by_scope and rule.action is FailureAction.RESTART)
    )


def _role_state(job: Job, role: str, status: JobStatus, replicas: Collection[Replica]) -> RoleState:
    return RoleState(
        replicas=job.roles[role].replicas,
        active=sum(replica.pod.active and replica.outcome is Outcome.NONE for replica in replicas),
        succeeded_indexes=_of(status, role).succeeded_indexes,
        failed=sum(replica.failed_for_good for replica in replicas),
        restarting=sum(replica.restarting for replica in replicas),
    )


def _of(status: JobStatus, role: str) -> ReplicaStatus:
    return status.replicas.get(role, ReplicaStatus())


def _within(indexes: Iterable[int], replicas: int) -> list[int]:
    return [index for index in indexes if index < replicas]
