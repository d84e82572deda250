"""What must hold at every step of a simulation, judged from the changes of pods and jobs in the API server."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kdl_workloads.framework import KUBEFLOW

Object = Mapping[str, Any]

KUBEFLOW_PREFIX = "training.kubeflow.org/"
TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


class Replica(NamedTuple):
    job_uid: str
    role: str
    index: int

    @classmethod
    def of(cls, pod: Object) -> "Replica | None":
        """The replica that a pod is, by its labels and its controlling owner."""
        meta = pod["metadata"]
        owner = next((ref for ref in meta.get("ownerReferences") or () if ref.get("controller")), None)
        if owner is None:
            return None
        prefix = KUBEFLOW_PREFIX if owner["apiVersion"] == KUBEFLOW else ""
        labels = meta.get("labels") or {}
        return cls(owner["uid"], labels[f"{prefix}replica-type"], int(labels[f"{prefix}replica-index"]))


@dataclass
class Invariants:
    """``violations`` must stay empty. ``pods`` counts the pods that each job ever had."""

    violations: list[str] = field(default_factory=list)
    live: dict[Replica, set[str]] = field(default_factory=lambda: defaultdict(set))
    succeeded: dict[Replica, str] = field(default_factory=dict)
    pods: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    finished: dict[str, str] = field(default_factory=dict)
    last_status: dict[str, Any] = field(default_factory=dict)

    def pod_changed(self, change: str, pod: Object) -> None:
        """No index has two live pods at a time, and none that has succeeded gets another pod."""
        replica = Replica.of(pod)
        if replica is None:
            return
        uid, phase = pod["metadata"]["uid"], pod["status"].get("phase")
        self.pods[replica.job_uid].add(uid)
        if change == "ADDED":
            if replica in self.succeeded and self.succeeded[replica] != uid:
                self._violated(f"{replica} runs again after pod {self.succeeded[replica]} had succeeded")
            if replica.job_uid in self.finished:
                self._violated(f"{replica} gets a pod although its job is {self.finished[replica.job_uid]}")
        if phase == "Succeeded":
            self.succeeded.setdefault(replica, uid)
        if change == "DELETED" or phase in TERMINAL_PHASES:
            self.live[replica].discard(uid)
        else:
            self.live[replica].add(uid)
        if len(self.live[replica]) > 1:
            self._violated(f"{replica} has several live pods: {sorted(self.live[replica])}")

    def job_changed(self, change: str, job: Object) -> None:
        """A job that has ended stays as it ended, and no failure that was counted is forgotten."""
        uid, name, status = job["metadata"]["uid"], job["metadata"]["name"], job.get("status") or {}
        if change == "DELETED":
            return
        end = outcome(job)
        before = self.finished.get(uid)
        if before is not None and end != before:
            self._violated(f"job {name} was {before} and is {end}")
        if end is not None:
            self.finished[uid] = end
        attempts = status.get("attempts", 0)
        known = (self.last_status.get(uid) or {}).get("attempts", 0)
        if attempts < known:
            self._violated(f"job {name} forgot failures: {known} attempts became {attempts}")
        self.last_status[uid] = status

    def _violated(self, text: str) -> None:
        self.violations.append(text)


def outcome(job: Object) -> str | None:
    """``Succeeded``, ``Failed``, or None while the job goes on."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Succeeded", "Failed") and condition["status"] == "True":
            return str(condition["type"])
    return None
