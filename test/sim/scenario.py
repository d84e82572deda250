"""One simulated life of a cluster: its jobs, what their pods do, and what goes wrong. A seed decides all of it."""

import random
from dataclasses import dataclass, field
from typing import Any

from kdl_local.apiserver.faults import FaultRates
from kdl_workloads.framework import KUBEDL, KUBEFLOW

RETRYABLE, PERMANENT = 143, 1


@dataclass(frozen=True)
class Replica:
    """What one replica does: how long each of its pods runs, and with which exit code each of them ends. The last one
    holds for all further pods. ``seconds`` None runs for ever."""

    seconds: float | None
    exit_codes: tuple[int, ...] = (0,)

    def exit_codes_from(self, attempt: int) -> tuple[int, ...]:
        """For the containers of the pod that is the replica's attempt, from 0."""
        return self.exit_codes[min(attempt, len(self.exit_codes) - 1) :]


@dataclass(frozen=True)
class SimJob:
    name: str
    api_version: str
    kind: str
    submitted: float
    replicas: dict[str, tuple[Replica, ...]]
    policy: dict[str, Any]
    restart_policy: str = "ExitCode"
    expected: frozenset[str] = frozenset({"Succeeded"})

    @property
    def manifest(self) -> dict[str, Any]:
        """The object as a user would write it."""
        pytorch = self.kind == "PyTorchJob"
        container = "pytorch" if pytorch else {KUBEDL: "xgboostjob", KUBEFLOW: "xgboost"}[self.api_version]
        specs_field = "pytorchReplicaSpecs" if pytorch else "xgbReplicaSpecs"
        template = {
            "spec": {
                "containers": [{"name": container, "image": "none", "resources": {"requests": {"cpu": "1"}}}],
                "terminationGracePeriodSeconds": 5,
            }
        }
        specs = {
            role: {"replicas": len(replicas), "restartPolicy": self.restart_policy, "template": template}
            for role, replicas in self.replicas.items()
        }
        nested = {"runPolicy": self.policy} if self.api_version == KUBEFLOW else self.policy
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": self.name, "namespace": "default"},
            "spec": {**nested, specs_field: specs},
        }


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong at a time: the operator is killed, the API server is away for a while, a node is lost,
    a user deletes a pod, or all finished pods are swept away while the operator is down."""

    at: float
    kind: str
    span: float = 0.0
    target: int = 0


@dataclass(frozen=True)
class Scenario:
    seed: int
    nodes: int
    jobs: tuple[SimJob, ...]
    incidents: tuple[Incident, ...]
    rates: FaultRates = field(default_factory=FaultRates)
    calm_after: float = 1800.0
    """From then on no faults are injected any more, so that everything can end."""


def scenario(seed: int) -> Scenario:
    rng = random.Random(seed)
    jobs = tuple(_job(rng, index) for index in range(rng.randint(2, 6)))
    incidents = tuple(_incident(rng) for _ in range(rng.randint(0, 6)))
    rates = FaultRates(
        latency=(0.0, rng.choice((0.0, 0.05, 0.5))),
        too_many_requests=rng.choice((0.0, 0.02, 0.1)),
        internal_error=rng.choice((0.0, 0.02, 0.05)),
        conflict=rng.choice((0.0, 0.05, 0.2)),
        refused=rng.choice((0.0, 0.02)),
        lost_answer=rng.choice((0.0, 0.02, 0.05)),
        expired_watch=rng.choice((0.0, 0.2)),
        dropped_watch=rng.choice((0.0, 0.5)),
        silent_watch=rng.choice((0.0, 0.2)),
    )
    return Scenario(seed, rng.randint(2, 4), jobs, tuple(sorted(incidents, key=lambda i: i.at)), rates)


def _job(rng: random.Random, index: int) -> SimJob:
    kind = rng.choice(("XGBoostJob", "PyTorchJob"))
    api_version = rng.choice((KUBEDL, KUBEFLOW))
    workers = rng.randint(1, 4)
    seconds = rng.uniform(1, 300)
    fate = rng.choice(("good", "good", "retry", "permanent", "exhausted", "deadline"))
    policy: dict[str, Any] = {"cleanPodPolicy": rng.choice(("All", "Running", "None"))}
    if rng.random() < 0.3:
        policy["ttlSecondsAfterFinished"] = rng.randint(1, 600)
    # The master ends with the last worker, as masters of real frameworks do: success of the job is then its success.
    replicas = {
        "Master": (Replica(seconds + 5),),
        "Worker": tuple(Replica(rng.uniform(0.5, seconds)) for _ in range(workers)),
    }
    expected = {"Succeeded"}
    unlucky = rng.randrange(workers)

    def with_worker(replica: Replica) -> dict[str, tuple[Replica, ...]]:
        changed = list(replicas["Worker"])
        changed[unlucky] = replica
        return {**replicas, "Worker": tuple(changed)}

    match fate:
        case "retry":
            failures = rng.randint(1, 3)
            policy["backoffLimit"] = failures + 2
            replicas = with_worker(Replica(seconds / 8, (*[RETRYABLE] * failures, 0)))
        case "permanent":
            replicas = with_worker(Replica(min(seconds, 20.0), (PERMANENT,)))
            replicas["Master"] = (Replica(None),)
            expected = {"Failed"}
        case "exhausted":
            policy["backoffLimit"] = rng.randint(0, 3)
            replicas = with_worker(Replica(2.0, (RETRYABLE,)))
            replicas["Master"] = (Replica(None),)
            expected = {"Failed"}
        case "deadline":
            policy["activeDeadlineSeconds"] = rng.randint(5, 400)
            replicas["Master"] = (Replica(None),)
            expected = {"Failed"}
    return SimJob(
        f"job-{index}",
        api_version,
        kind,
        rng.uniform(0, 120),
        replicas,
        policy,
        restart_policy="OnFailure" if fate in ("good", "retry") and rng.random() < 0.3 else "ExitCode",
        expected=frozenset(expected),
    )


def _incident(rng: random.Random) -> Incident:
    kind = rng.choice(("operator", "sweep", "node", "pod", "api"))
    return Incident(rng.uniform(1, 600), kind, rng.uniform(0.1, 120), rng.randrange(1000))
