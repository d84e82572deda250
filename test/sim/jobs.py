"""The jobs of a simulation: what a user submits, what their programs do, and what the user does to them afterwards."""

import random
from dataclasses import dataclass, replace
from typing import Any

from kdl_runtime.types import Resource, parse_api_version
from kdl_workloads.framework import KUBEDL, KUBEFLOW, MASTER, WORKER, Framework
from kdl_workloads.frameworks.pytorch import ELASTIC
from kdl_workloads.frameworks.registry import frameworks

RETRYABLE, PERMANENT = 138, 1
"""Exit codes of programs. A node that kills gives 137 or 143, so that the two can be told apart."""

FRAMEWORKS = frameworks([])
KUBEDL_GROUP, KUBEFLOW_GROUP = (parse_api_version(version)[0] for version in (KUBEDL, KUBEFLOW))
LEADERS = {
    "XGBoostJob": MASTER,
    "PyTorchJob": MASTER,
    "TFJob": MASTER,
    "PaddleJob": MASTER,
    "MPIJob": "Launcher",
    "MarsJob": "Scheduler",
}
"""Kinds of Workers and one replica whose success is the job's, as a rule. The other kinds have Workers only here."""
NEED_A_LEADER = ("XGBoostJob", "MPIJob", "MarsJob")
SERVED_BY_WORKERS = ("MPIJob", "MarsJob")
"""Kinds whose Workers wait for work, and never end by themselves."""
TOLERANT = ("MarsJob",)
"""Kinds whose jobs do not fail with a Worker, unless a rule says so."""
WORKERS = {"ElasticDLJob": MASTER}
"""What Workers are called where they are called something else. There is one."""
HELPERS = {
    "TFJob": ("PS", "Evaluator"),
    "XDLJob": ("PS", "Scheduler"),
    "MXJob": ("Scheduler", "Server"),
    "MarsJob": ("WebService",),
}
"""Roles that serve the others, whose end the job does not wait for."""
SINGLE = ("Scheduler", "WebService", "Evaluator")
KINDS = (*LEADERS, "JAXJob", "MXJob", "XDLJob", "ElasticDLJob")
EVERY_WORKER: dict[str, dict[str, Any]] = {
    "TFJob": {"successPolicy": "AllWorkers"},
    "XDLJob": {"minFinishWorkRate": 100},
}
"""What the spec of a job without a Master says so that every Worker has to succeed."""

RUNNING, SUSPENDED, GONE = "Running", "Suspended", "Gone"
SUCCEEDED, FAILED = "Succeeded", "Failed"


@dataclass(frozen=True)
class ReplicaPlan:
    """What the program of one replica does: each run takes ``seconds`` (None: for ever) and ends with the next of
    ``exit_codes``, the last of which holds for all further runs, in whichever pod they are."""

    seconds: float | None
    exit_codes: tuple[int, ...] = (0,)

    def exit_codes_after(self, failures: int) -> tuple[int, ...]:
        """For a pod that starts when the program has failed so many times already."""
        return self.exit_codes[min(failures, len(self.exit_codes) - 1) :]


@dataclass(frozen=True)
class UserAction:
    """``at`` seconds after the job was submitted. ``kind``: delete (``value``: propagation), resubmit (the same, and
    then once more under the same name), rerun (resubmit it about when its time to live ends, ``value`` seconds after
    that), scale (number of Workers), suspend, resume, edit (the image), bounce (delete the pods of its Workers)."""

    at: float
    kind: str
    value: Any = None


@dataclass(frozen=True)
class SimJob:
    """``expected``: how it may end. ``single_failure``: no more than one replica can ever fail."""

    name: str
    namespace: str
    api_version: str
    kind: str
    submitted: float
    replicas: dict[str, tuple[ReplicaPlan, ...]]
    policy: dict[str, Any]
    restart_policies: dict[str, str]
    expected: frozenset[str]
    actions: tuple[UserAction, ...] = ()
    depends_on: tuple[str, str, str] | None = None
    """A role, the role that it waits for, and until when, as the user says."""
    elastic: bool = False
    """Its pods know how many they are, and all start again with another number."""
    groups: int = 0
    """Of how many of its Workers each is a group of its own, with an image of its own."""

    @property
    def framework(self) -> Framework:
        return FRAMEWORKS[self.kind]

    @property
    def resource(self) -> Resource:
        return self.framework.resource(self.api_version)

    @property
    def specs_field(self) -> str:
        return self.framework.replica_specs_field

    def plan(self, role: str, index: int) -> ReplicaPlan:
        """That of a replica; one that was added by scaling out does as the first of its role."""
        plans = next(plans for name, plans in self.replicas.items() if name.lower() == role.lower())
        return plans[index] if index < len(plans) else ReplicaPlan(plans[0].seconds)

    def manifest(self) -> dict[str, Any]:
        """The object as a user would write it."""
        container = self.framework.conventions[self.api_version].container
        template = {
            "spec": {
                "containers": [{"name": container, "image": "first", "resources": {"requests": {"cpu": "1"}}}],
                "terminationGracePeriodSeconds": 5,
            }
        }
        specs: dict[str, dict[str, Any]] = {
            role: {"replicas": len(plans), "restartPolicy": self.restart_policies[role], "template": template}
            for role, plans in self.replicas.items()
        }
        if self.depends_on is not None:
            role, upstream, phase = self.depends_on
            specs[role]["dependsOn"] = [{"upstream": upstream, "onPhase": phase}]
        if self.groups:
            specs[WORKER]["groups"] = [
                {
                    "name": f"group-{index}",
                    "replicas": 1,
                    "template": {"spec": {"containers": [{"name": container, "image": f"group-{index}"}]}},
                }
                for index in range(self.groups)
            ]
        extra = EVERY_WORKER.get(self.kind, {}) if LEADERS.get(self.kind) not in self.replicas else {}
        annotations = {ELASTIC: "true"} if self.elastic else {}
        nested = {"runPolicy": self.policy} if parse_api_version(self.api_version)[0] == KUBEFLOW_GROUP else self.policy
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": self.name, "namespace": self.namespace, "annotations": annotations},
            "spec": {**nested, **extra, self.specs_field: specs},
        }


@dataclass
class _Draft:
    """A job while it is drawn."""

    rng: random.Random
    api_version: str
    kind: str
    replicas: dict[str, tuple[ReplicaPlan, ...]]
    policy: dict[str, Any]
    policies: tuple[str, ...] = ("Never", "OnFailure", "ExitCode")
    expected: str = SUCCEEDED

    @property
    def leader(self) -> str:
        """Empty for a job that has none."""
        role = LEADERS.get(self.kind, "")
        return role if role in self.replicas else ""

    @property
    def worker(self) -> str:
        return WORKERS.get(self.kind, WORKER)

    @property
    def workers_decide(self) -> bool:
        """Whether every worker has to succeed."""
        return not self.leader or (self.kind, self.api_version) == ("PyTorchJob", KUBEDL)

    def run_for_ever(self) -> None:
        """The job's result never comes: its leader, or the first worker where there is none, runs on."""
        role = self.leader or self.worker
        self.replicas[role] = (ReplicaPlan(None), *self.replicas[role][1:])

    def change_worker(self, plan: ReplicaPlan) -> None:
        """One worker does this. Not the first one if that one is to run for ever."""
        workers = list(self.replicas[self.worker])
        first = 1 if not self.leader and len(workers) > 1 else 0
        workers[self.rng.randrange(first, len(workers))] = plan
        self.replicas[self.worker] = tuple(workers)


def draw_job(rng: random.Random, index: int) -> SimJob:
    kind = rng.choice(KINDS)
    seconds = rng.uniform(1, 300)
    lengths = [None if kind in SERVED_BY_WORKERS else rng.uniform(0.5, seconds) for _ in range(rng.randint(1, 4))]
    worker = WORKERS.get(kind, WORKER)
    replicas = {worker: tuple(map(ReplicaPlan, lengths if worker == WORKER else lengths[:1]))}
    if kind in NEED_A_LEADER or (kind in LEADERS and rng.random() < 0.75):
        # The leader ends with the last worker, as masters of real frameworks do.
        replicas = {LEADERS[kind]: (ReplicaPlan(seconds + 5),), **replicas}
    policy: dict[str, Any] = {"cleanPodPolicy": rng.choice(("All", "Running", "None"))}
    if rng.random() < 0.3:
        policy["ttlSecondsAfterFinished"] = rng.randint(1, 600)
    draft = _Draft(rng, rng.choice(sorted(FRAMEWORKS[kind].conventions)), kind, replicas, policy)
    _draw_fate(draft, seconds)
    restart_policies = dict.fromkeys(draft.replicas, rng.choice(draft.policies))
    helper = _draw_helper(draft) if rng.random() < 0.4 else ""
    if helper:
        # A node starts what has succeeded again under Always, and then nobody waits for its success in vain.
        restart_policies[helper] = "OnFailure"
    actions = _draw_actions(draft) if rng.random() < 0.5 else ()
    if rng.random() < 0.3:
        policy["restartScope"] = "Job"
    if rng.random() < 0.3:
        policy["stopOnFailure"] = True
    order = _draw_order(draft, helper) if rng.random() < (0.7 if helper else 0.2) else None
    fixed = not any(action.kind == "scale" for action in actions)
    most = len(draft.replicas.get(WORKER, ())) if fixed else 1
    job = SimJob(
        name=f"job-{index}",
        namespace="team" if rng.random() < 0.2 else "default",
        api_version=draft.api_version,
        kind=kind,
        submitted=rng.uniform(0, 120),
        replicas=draft.replicas,
        policy=draft.policy,
        restart_policies=restart_policies,
        expected=frozenset({draft.expected}),
        actions=actions,
        depends_on=order,
        elastic=(kind, draft.api_version) == ("PyTorchJob", KUBEDL) and rng.random() < 0.5,
        groups=rng.randint(1, most) if draft.worker == WORKER and rng.random() < 0.25 else 0,
    )
    return _with_always(rng, draft, job)


def _draw_helper(draft: _Draft) -> str:
    """Adds a role that serves, or that prepares something and ends; empty for a kind that has none."""
    if draft.kind not in HELPERS:
        return ""
    role = draft.rng.choice(HELPERS[draft.kind])
    plan = ReplicaPlan(draft.rng.choice((None, 5.0)))
    draft.replicas[role] = (plan,) * (1 if role in SINGLE else draft.rng.randint(1, 2))
    return role


def _draw_order(draft: _Draft, helper: str) -> tuple[str, str, str] | None:
    """The workers wait for a helper, or for the leader, or it waits for them. The kind's own order of the two must not
    be the opposite for the other."""
    if helper and draft.kind != "MarsJob":
        prepares = draft.replicas[helper][0].seconds is not None
        return draft.worker, helper, SUCCEEDED if prepares else draft.rng.choice(("Running", "Ready"))
    if not draft.leader:
        return None
    waits = draft.kind == "MPIJob"
    first, second = (draft.worker, draft.leader) if waits else (draft.leader, draft.worker)
    return second, first, draft.rng.choice(("Running", "Ready"))


FATES = ("good", "good", "retry", "permanent", "exhausted", "deadline", "ever", "ignored", "fatal", "all")


def _draw_fate(draft: _Draft, seconds: float) -> None:
    """What becomes of the job, and what makes it so."""
    rng = draft.rng
    fate = rng.choice(FATES)
    if fate == "permanent" and draft.kind in TOLERANT:
        fate = "fatal"
    match fate:
        case "retry":
            failures = rng.randint(1, 3)
            draft.policy["backoffLimit"] = failures + rng.randint(0, 1)
            draft.policies = ("OnFailure", "ExitCode")
            draft.change_worker(ReplicaPlan(seconds / 8, (*[RETRYABLE] * failures, 0)))
        case "permanent":
            draft.policies = ("Never", "ExitCode")
            draft.run_for_ever()
            draft.change_worker(ReplicaPlan(min(seconds, 20.0), (PERMANENT,)))
            draft.expected = FAILED
        case "exhausted":
            draft.policy["backoffLimit"] = rng.randint(0, 3)
            draft.policies = ("OnFailure", "ExitCode", "Always")
            draft.run_for_ever()
            draft.change_worker(ReplicaPlan(rng.choice((2.0, 30.0)), (RETRYABLE,)))
            draft.expected = FAILED
        case "ignored":
            draft.policy |= {"backoffLimit": 0, "failureRules": [_rule("Ignore", RETRYABLE)]}
            draft.change_worker(ReplicaPlan(seconds / 8, (*[RETRYABLE] * rng.randint(1, 3), 0)))
        case "fatal":
            draft.policy["failureRules"] = [_rule("FailJob", PERMANENT), _rule("Restart", RETRYABLE)]
            draft.policies = ("OnFailure", "Never", "ExitCode")
            draft.run_for_ever()
            draft.change_worker(ReplicaPlan(min(seconds, 20.0), (RETRYABLE, PERMANENT)))
            draft.expected = FAILED
        case "all":
            failures = rng.randint(1, 3)
            draft.policy |= {"backoffLimit": failures, "failureRules": [_rule("RestartJob", RETRYABLE)]}
            draft.change_worker(ReplicaPlan(seconds / 8, (*[RETRYABLE] * failures, 0)))
        case "deadline":
            draft.policy["activeDeadlineSeconds"] = rng.randint(5, 400)
            draft.run_for_ever()
            draft.expected = FAILED
        case "ever":
            draft.run_for_ever()
            draft.expected = RUNNING


def _rule(action: str, exit_code: int) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"operator": "In", "values": [exit_code]}}


def _with_always(rng: random.Random, draft: _Draft, job: SimJob) -> SimJob:
    """Workers that are restarted whatever their exit code only make sense if they never end, and if the Master's end
    is the job's."""
    if draft.expected != SUCCEEDED or draft.workers_decide or "backoffLimit" in draft.policy or rng.random() < 0.7:
        return job
    replicas = {**job.replicas, WORKER: tuple(ReplicaPlan(None) for _ in job.replicas[WORKER])}
    policies = {**job.restart_policies, WORKER: "Always"}
    return replace(job, replicas=replicas, restart_policies=policies)


def _draw_actions(draft: _Draft) -> tuple[UserAction, ...]:
    rng = draft.rng
    kinds = ["delete", "resubmit", "edit", "bounce", "bounce"]
    if parse_api_version(draft.api_version)[0] == KUBEFLOW_GROUP:
        kinds += ["suspend", "suspend"]
    if draft.expected in (SUCCEEDED, RUNNING) and "backoffLimit" not in draft.policy and draft.worker == WORKER:
        # Scaling in could take away the very worker that is to fail.
        kinds += ["scale"] * 4
    start = rng.uniform(0, 200)
    if draft.expected != RUNNING and "ttlSecondsAfterFinished" in draft.policy and rng.random() < 0.7:
        return (UserAction(0.0, "rerun", rng.uniform(-0.05, 0.3)),)
    match rng.choice(kinds):
        case "scale":
            return tuple(
                UserAction(start / 2 + 40.0 * i, "scale", rng.choice((1, 1, 2, 3, 6))) for i in range(rng.randint(1, 3))
            )
        case "suspend":
            if rng.random() < 0.2:
                return (UserAction(start, "suspend"),)
            pauses = (UserAction(start, "suspend"), UserAction(start + rng.uniform(0.1, 200), "resume"))
            again = tuple(UserAction(action.at + 300, action.kind) for action in pauses)
            return pauses + (again if rng.random() < 0.3 else ())
        case "bounce":
            return tuple(UserAction(start / 4 + 45.0 * i, "bounce") for i in range(rng.randint(1, 3)))
        case "edit":
            return (UserAction(start, "edit", "second"),)
        case kind:
            return (UserAction(start, kind, rng.choice(("Background", "Foreground"))),)
