"""Random jobs of every kind, with whatever may be found of them: what ``decide`` has to cope with.

Specs go through the dialects, so that defaults hold. Pods are in every phase, with every way to end, of right and of
wrong names; statuses are those that earlier passes leave behind, at any moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from kdl_runtime.codec.json import decoder, encode
from kdl_runtime.codec.meta import ObjectMeta, OwnerReference, PartialObject
from kdl_runtime.codec.times import format_time
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.claims import DELETE, JOB, WHEN_FINISHED
from kdl_workloads.engine.lost import suspects
from kdl_workloads.engine.observed import Block, NodeState, Observed, Workload
from kdl_workloads.engine.pod import ATTEMPT, OUTCOME_FINALIZER, Pod
from kdl_workloads.framework import KUBEDL
from kdl_workloads.frameworks.registry import BUILT_IN
from kdl_workloads.job import Condition, ConditionType, Job, JobStatus, ReplicaStatus, RestartPolicy

KINDS = [Workload(framework, dialect_for(version)) for framework in BUILT_IN for version in framework.conventions]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EXIT_CODES = (0, 0, 0, 1, 2, 126, 127, 128, 130, 137, 138, 139, 143, 255)
REASONS = ("", "", "Evicted", "OOMKilled", "UnexpectedAdmissionError", "DeadlineExceeded", "NodeLost")
MOST_REPLICAS = 3
NODES = ("node-1", "node-2")
CLAIM = "data"
"""The only claim template that a role has."""


@dataclass(frozen=True)
class Dice:
    """Shorter words for what is asked of a ``Random``."""

    rng: Random

    def often(self, chance: float) -> bool:
        return self.rng.random() < chance

    def any(self, *items: Any) -> Any:
        return self.rng.choice(items)

    def count(self, most: int) -> int:
        return self.rng.randrange(most + 1)

    def before(self, most: int = 4000) -> datetime:
        return NOW - timedelta(seconds=self.rng.randrange(most))

    def optional(self, **fields: Any) -> dict[str, Any]:
        """Each field with even chances."""
        return {name: value for name, value in fields.items() if self.often(0.5)}


def observed(seed: int) -> Observed:
    """One state of the world, decided by the seed."""
    dice = Dice(Random(seed))
    of: Workload = dice.any(*KINDS)
    job, problem = _job(dice, of)
    pods = _pods(dice, of, job)
    services = [PartialObject("v1", "Service", ObjectMeta(name=pod.name, namespace="ns", uid=pod.uid)) for pod in pods]
    claims = _claims(dice, of, job)
    return Observed(
        of,
        job,
        NOW,
        pods,
        [service for service in services if dice.often(0.7)],
        {name: dice.any(*NodeState) for name in suspects(pods, NOW)},
        {name: frozenset({("Ready", dice.any("True", "False", "Unknown"))}) for name in NODES},
        problem=problem,
        block=Block("refused", NOW + timedelta(seconds=dice.count(20) - 10), dice.often(0.2))
        if dice.often(0.1)
        else None,
        extras_at=dice.before(1200) if dice.often(0.5) else None,
        claims=claims,
    )


# ---- specs


def _job(dice: Dice, of: Workload) -> tuple[Job, str]:
    elastic = {"annotations": {of.conventions.elastic: "true"}} if of.conventions.elastic and dice.often(0.5) else {}
    metadata = {"name": "job", "namespace": "ns", "uid": "job-uid", "generation": 3}
    obj = {
        "apiVersion": of.dialect.api_version,
        "kind": of.framework.kind,
        "metadata": {**metadata, **_deletion(dice, 0.05), **elastic},
        "spec": _spec(dice, of),
    }
    try:
        job, problem = of.dialect.decode(obj, of.framework), ""
    except SpecError as error:
        job, problem = of.dialect.outline(obj, of.framework), str(error)
    return replace(job, status=_status(dice, of, job)), problem


def _deletion(dice: Dice, chance: float) -> dict[str, Any]:
    return {"deletionTimestamp": format_time(dice.before(60))} if dice.often(chance) else {}


def _spec(dice: Dice, of: Workload) -> dict[str, Any]:
    names = [role.name for role in of.framework.roles_in(of.dialect.api_version)]
    given = [name for name in names if name in of.conventions.required or dice.often(0.6)] or names[-1:]
    specs = {name: _replica_spec(dice, of, name, given) for name in given}
    policy = dice.optional(
        cleanPodPolicy=dice.any("All", "Running", "None"),
        ttlSecondsAfterFinished=dice.any(0, 60, 3000),
        activeDeadlineSeconds=dice.any(60, 3000, 10**6),
        backoffLimit=dice.count(4),
        suspend=dice.often(0.3),
        restartScope=dice.any("Pod", "Job"),
        stopOnFailure=dice.often(0.5),
        failureRules=[_rule(dice) for _ in range(dice.count(3))],
    )
    placed = policy if of.dialect.api_version == KUBEDL else {"runPolicy": policy}
    return {of.framework.replica_specs_field: specs, **placed}


def _replica_spec(dice: Dice, of: Workload, name: str, given: list[str]) -> dict[str, Any]:
    role = of.framework.role(of.dialect.api_version, name)
    assert role is not None
    least = role.min_replicas
    template = {"spec": {"containers": [{"name": of.conventions.container, "image": "train:1"}]}}
    others = [other for other in given if other != name]
    depends = [{"upstream": dice.any(*others), "onPhase": dice.any("Running", "Succeeded", "Ready")}] if others else []
    return {
        "template": template,
        **dice.optional(
            replicas=dice.rng.randint(least, max(least, min(role.max_replicas or MOST_REPLICAS, MOST_REPLICAS))),
            restartPolicy=dice.any(*RestartPolicy).value,
        ),
        **({"dependsOn": depends} if dice.often(0.15) else {}),
        **({"groups": _groups(dice)} if dice.often(0.15) else {}),
        **(_claim_templates(dice) if dice.often(0.3) else {}),
    }


def _groups(dice: Dice) -> list[dict[str, Any]]:
    """Now and then of more replicas than the role has."""
    template = {"metadata": {"labels": {"group": "given"}}}
    return [{"name": f"group-{n}", "replicas": 1, "template": template} for n in range(dice.any(1, 1, 2))]


def _claim_templates(dice: Dice) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    retention = {name: dice.any("Retain", "Delete") for name in ("whenFinished", "whenDeleted")}
    return {
        "volumeClaimTemplates": [{"metadata": {"name": CLAIM}, "spec": spec}],
        **dice.optional(persistentVolumeClaimRetentionPolicy=retention),
    }


def _rule(dice: Dice) -> dict[str, Any]:
    criteria = {
        "onExitCodes": {"operator": dice.any("In", "NotIn"), "values": [dice.any(*EXIT_CODES[3:])]},
        "onSignals": [dice.any(9, 15)],
        "onReasons": [dice.any("OOMKilled", "Evicted", "Error")],
        "onPodConditions": [{"type": "DisruptionTarget"}],
        "onNodeConditions": [{"type": "Ready", "status": "False"}],
        "onMessage": "*lost*",
    }
    name = dice.any(*criteria)
    rule = {"action": dice.any("Restart", "RestartJob", "Ignore", "FailJob"), name: criteria[name]}
    return rule if dice.often(0.7) else {**rule, "count": dice.often(0.5)}


# ---- what passes leave behind


_ORDERS = (
    (),
    (ConditionType.CREATED,),
    (ConditionType.CREATED, ConditionType.RUNNING),
    (ConditionType.CREATED, ConditionType.RESTARTING),
    (ConditionType.CREATED, ConditionType.SUSPENDED),
    (ConditionType.CREATED, ConditionType.RUNNING, ConditionType.SUCCEEDED),
    (ConditionType.CREATED, ConditionType.RUNNING, ConditionType.FAILED),
    (ConditionType.CREATED, ConditionType.FAILED),
)
_OVER = (ConditionType.SUSPENDED, ConditionType.SUCCEEDED, ConditionType.FAILED)


def _hostile(dice: Dice) -> dict[str, Any]:
    """A status as an earlier operator, or a person, may have left it: nothing in it fits together."""
    times = [format_time(dice.before()), format_time(NOW + timedelta(days=1)), "yesterday", "", None]
    condition = [
        {
            "type": dice.any(*ConditionType, "Unheard", None),
            "status": dice.any("True", "True", "False", "Unknown"),
            "reason": dice.any("", "JobRunning", None),
            "message": dice.any("", "told", None),
            **dice.optional(lastUpdateTime=dice.any(*times), lastTransitionTime=dice.any(*times)),
        }
        for _ in range(dice.count(4))
    ]
    replicas = {
        name: dice.any(None, {})
        if dice.often(0.3)
        else dice.optional(
            active=dice.any(7, -3, "many"),
            succeeded=dice.any(0, 9),
            restarts=dice.any(2, -1),
            succeededIndexes=dice.any("0", "0-2", "9-1", "x", "5-", "-1", "", "0-2,2,1"),
        )
        for name in ("Worker", "worker", "Master", "Unheard")
        if dice.often(0.5)
    }
    return dice.optional(
        conditions=condition,
        replicaStatuses=replicas,
        startTime=dice.any(*times),
        completionTime=dice.any(*times),
        attempts=dice.any(-1, 2, 10**12, "some"),
        jobRestarts=dice.any(-1, 1, 10**6),
        restartTime=dice.any(*times),
        countedPods=[dice.any("uid-job-worker-0", "uid-job-master-0", "")],
        firstFailure=dice.any({}, {"pod": "job-worker-0", "time": times[0], "exitCode": "bad"}),
        lostNodes=[{"name": dice.any("", *NODES), "time": dice.any(*times)}],
        judgedNodes={"uid-job-worker-0": dice.any([], ["Ready=False"], ["=", ""])},
        other=dice.any(1, None, {"a": []}),
    )


def _status(dice: Dice, of: Workload, job: Job) -> JobStatus:
    if dice.often(0.1):
        return of.dialect.decode_status(_hostile(dice))
    types = dice.any(*_ORDERS)
    finished = bool(types) and types[-1] in (ConditionType.SUCCEEDED, ConditionType.FAILED)
    moment = dice.before()
    conditions = tuple(
        Condition(type_, type_ is types[-1] or type_ is ConditionType.CREATED, f"Job{type_}", "told", moment, moment)
        for type_ in types
    )
    roles = {
        role: ReplicaStatus(
            restarts=dice.count(2),
            succeeded_indexes=frozenset(index for index in range(MOST_REPLICAS) if dice.often(0.25)),
        )
        for role in job.roles
        if types and dice.often(0.9)
    }
    return JobStatus(
        conditions=conditions,
        replicas=roles,
        start_time=dice.before() if types and dice.often(0.8) else None,
        completion_time=dice.before() if finished and dice.often(0.9) else None,
        attempts=dice.count(3) if dice.often(0.3) else 0,
        restarts=dice.count(1) if dice.often(0.3) else 0,
        restart_time=dice.before(60) if dice.often(0.1) else None,
        uncounted=frozenset({"uid-job-worker-0"}) if dice.often(0.1) else frozenset(),
    )


# ---- claims


def _claims(dice: Dice, of: Workload, job: Job) -> list[PartialObject]:
    """Some of this job's, of an earlier one of its name, and of replicas that it no longer has."""
    names = [
        f"{CLAIM}-{of.framework.child_name(job, role, index)}"
        for role, spec in job.roles.items()
        if spec.claims
        for index in range(spec.replicas + 1)
    ]
    return [_claim(dice, job, name) for name in names if dice.often(0.6)]


def _claim(dice: Dice, job: Job, name: str) -> PartialObject:
    owner = OwnerReference(job.api_version, job.kind, job.name, dice.any(job.uid, job.uid, "earlier"), controller=True)
    made = {JOB: f"{job.kind}/{job.name}"} if dice.often(0.8) else {}
    return PartialObject(
        "v1",
        "PersistentVolumeClaim",
        ObjectMeta(
            name=name,
            namespace="ns",
            uid=f"uid-{name}",
            owner_references=(owner,) if dice.often(0.4) else (),
            annotations={**made, **({WHEN_FINISHED: DELETE} if made and dice.often(0.4) else {})},
            deletion_timestamp=format_time(dice.before(60)) if dice.often(0.1) else None,
        ),
    )


# ---- pods


def _pods(dice: Dice, of: Workload, job: Job) -> list[Pod]:
    names = {
        of.framework.child_name(job, role, index): spec.restart_policy
        for role, spec in job.roles.items()
        for index in range(spec.replicas + 1)
    }
    strangers = {"job-worker-01": RestartPolicy.NEVER, "other": RestartPolicy.NEVER}
    found = [name for name in names if dice.often(0.7)] + [name for name in strangers if dice.often(0.05)]
    return [_pod(dice, of, job, name, {**names, **strangers}[name]) for name in found]


def _pod(dice: Dice, of: Workload, job: Job, name: str, policy: RestartPolicy) -> Pod:
    phase = dice.any("Pending", "Running", "Running", "Succeeded", "Failed", "Failed", "Unknown")
    going = dice.often(0.2)
    metadata = {
        "name": name,
        "namespace": "ns",
        "uid": f"uid-{name}",
        "creationTimestamp": format_time(dice.before()),
        "finalizers": [OUTCOME_FINALIZER] if dice.often(0.9) else [],
        "annotations": _made_with(dice, of, job) if dice.often(0.8) else {},
    }
    if going:
        metadata |= {
            "deletionTimestamp": format_time(NOW + timedelta(seconds=dice.count(400) - 300)),
            "deletionGracePeriodSeconds": dice.any(0, 30),
        }
    conditions = [
        {"type": "Ready", "status": dice.any("True", "False"), "lastTransitionTime": format_time(dice.before())}
    ]
    if dice.often(0.1):
        conditions.append({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"})
    kubelet = "Never" if policy is RestartPolicy.EXIT_CODE else policy.value
    raw = {
        "metadata": metadata,
        "spec": {"nodeName": dice.any("", *NODES), "restartPolicy": kubelet},
        "status": {
            "phase": phase,
            "reason": dice.any(*REASONS) if phase == "Failed" else "",
            "message": dice.any("", "the node is lost"),
            "conditions": conditions,
            "containerStatuses": [] if dice.often(0.1) else [_container(dice, of, phase), *_sidecars(dice)],
        },
    }
    return decoder(Pod)(encode(raw))


def _made_with(dice: Dice, of: Workload, job: Job) -> dict[str, str]:
    world = of.framework.world(job)
    attempt = {ATTEMPT: str(dice.count(max(job.status.restarts, 0)))}
    return {**attempt, **{name: dice.any(value, value, "7") for name, value in world.items()}}


def _container(dice: Dice, of: Workload, phase: str) -> Mapping[str, Any]:
    name = of.conventions.container if dice.often(0.95) else "unnamed"
    code = 0 if phase == "Succeeded" else dice.any(*EXIT_CODES)
    ended = {"exitCode": code, "finishedAt": format_time(dice.before(600)), "reason": dice.any("Error", "OOMKilled")}
    if code > 128 and dice.often(0.5):
        ended["signal"] = code - 128
    state = {"terminated": ended} if phase in ("Succeeded", "Failed") or dice.often(0.2) else {}
    return {"name": name, "restartCount": dice.count(3), "state": state}


def _sidecars(dice: Dice) -> list[dict[str, Any]]:
    return [{"name": "sidecar", "restartCount": 0, "state": {"running": {}}}] if dice.often(0.1) else []
