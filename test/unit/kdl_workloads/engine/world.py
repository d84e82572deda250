"""Builders of jobs and pods, and a world without an API server: plans are carried out on plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from kdl_runtime.codec.json import decode, decoder, encode
from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.codec.times import format_time
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.observed import NodeState, Observed, Workload
from kdl_workloads.engine.plan import Note, Plan
from kdl_workloads.engine.pod import OUTCOME_FINALIZER, STOP_DEADLINE, Pod
from kdl_workloads.framework import KUBEDL, KUBEFLOW, MASTER, WORKER, Framework
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.xgboost import XGBoost
from kdl_workloads.job import Job, JobStatus, NodeConditions, ReplicaSpec, RestartPolicy, RunPolicy

__all__ = ["KUBEDL", "KUBEFLOW", "MASTER", "WORKER"]

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
UID = "job-uid"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def workload(framework: Framework | None = None, api_version: str = KUBEFLOW) -> Workload:
    return Workload(framework or PyTorch(), dialect_for(api_version))


XGBOOST = workload(XGBoost())
PYTORCH = workload(PyTorch())
PYTORCH_KUBEDL = workload(PyTorch(), KUBEDL)


def replica_spec(of: Workload, replicas: int, policy: RestartPolicy, **pod_spec: Any) -> ReplicaSpec:
    container: dict[str, Any] = {"name": of.conventions.container, "image": "train:1"}
    container["ports"] = [{"name": of.conventions.port_name, "containerPort": of.conventions.port}]
    return ReplicaSpec(replicas, policy, {"spec": {"containers": [container], **pod_spec}})


def make_job(
    of: Workload = PYTORCH,
    roles: dict[str, int] | None = None,
    policy: RestartPolicy = RestartPolicy.ON_FAILURE,
    run_policy: RunPolicy | None = None,
    status: JobStatus | None = None,
) -> Job:
    roles = {MASTER: 1, WORKER: 2} if roles is None else roles
    return Job(
        api_version=of.dialect.api_version,
        kind=of.framework.kind,
        namespace="ns",
        name="job",
        uid=UID,
        generation=1,
        roles={role: replica_spec(of, count, policy) for role, count in roles.items()},
        run_policy=run_policy or RunPolicy(),
        status=status or JobStatus(),
    )


def make_pod(name: str = "job-worker-0", phase: str = "Running", **parts: Any) -> Pod:
    """``parts``: uid, exit_code (of the container "pytorch"), finished, reason, message, deleted (when), grace,
    restarts, node, conditions (type -> status or (status, reason)), policy, held, containers, created, annotations."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "ns",
        "uid": parts.get("uid", f"uid-{name}"),
        "resourceVersion": "1",
        "creationTimestamp": format_time(parts.get("created", START)),
        "finalizers": [OUTCOME_FINALIZER] if parts.get("held", True) else [],
        "annotations": parts.get("annotations", {}),
    }
    if "deleted" in parts:
        grace = parts.get("grace", 30)
        metadata["deletionTimestamp"] = format_time(parts["deleted"] + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
    statuses = parts.get("containers")
    if statuses is None:
        state: dict[str, Any] = {}
        if "exit_code" in parts:
            finished = format_time(parts.get("finished", after(10)))
            state = {"terminated": {"exitCode": parts["exit_code"], "finishedAt": finished, "reason": "Error"}}
        statuses = [{"name": "pytorch", "restartCount": parts.get("restarts", 0), "state": state}]
    conditions = [
        {
            "type": type_,
            "status": value if isinstance(value, str) else value[0],
            "reason": "" if isinstance(value, str) else value[1],
        }
        for type_, value in parts.get("conditions", {}).items()
    ]
    raw = {
        "metadata": metadata,
        "spec": {"nodeName": parts.get("node", "node-1"), "restartPolicy": parts.get("policy", "OnFailure")},
        "status": {
            "phase": phase,
            "reason": parts.get("reason", ""),
            "message": parts.get("message", ""),
            "conditions": conditions,
            "containerStatuses": statuses,
        },
    }
    return decoder(Pod)(encode(raw))


def make_service(name: str) -> PartialObject:
    return PartialObject("v1", "Service", ObjectMeta(name=name, namespace="ns", uid=f"uid-{name}"))


def made_claim(claim: Mapping[str, Any], **metadata: Any) -> PartialObject:
    """The claim as the API server has it."""
    stored = {**claim["metadata"], "uid": f"uid-{claim['metadata']['name']}", **metadata}
    return decoder(PartialObject)(encode({**claim, "metadata": stored}))


@dataclass
class World:
    """One job and its children. ``step`` decides, checks that deciding is stable, and does what the plan says."""

    job: Job
    of: Workload = PYTORCH
    now: datetime = START
    pods: dict[str, Pod] = field(default_factory=dict)
    services: dict[str, PartialObject] = field(default_factory=dict)
    nodes: dict[str, NodeState] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    job_deleted: bool = False
    writes: int = 0
    claims: dict[str, PartialObject] = field(default_factory=dict)
    node_conditions: dict[str, NodeConditions] = field(default_factory=dict)

    def observed(self) -> Observed:
        return Observed(
            self.of,
            self.job,
            self.now,
            tuple(self.pods.values()),
            tuple(self.services.values()),
            self.nodes,
            node_conditions=self.node_conditions,
            claims=tuple(self.claims.values()),
        )

    def step(self, stop: str = "") -> Plan:
        """``stop`` is where the operator dies: "before" the status is stored, or "after"."""
        plan = decide(self.observed())
        if stop == "before":
            return plan
        if plan.status is not None:
            self.writes += 1
            self.job = replace(self.job, status=self.stored(plan.status))
            again = decide(self.observed())
            assert again.status is None, "deciding again on the same world changes the status once more"
            assert again.notes == ()
        self.notes += plan.notes
        if stop == "after":
            return plan
        self._create(plan)
        self._take_away(plan)
        return plan

    def stored(self, status: JobStatus) -> JobStatus:
        """The status as it comes back from the API server."""
        dialect = self.of.dialect
        return dialect.decode_status(decode(encode(dialect.encode_status(self.job, status))))

    def _create(self, plan: Plan) -> None:
        for service in plan.create_services:
            name = service["metadata"]["name"]
            assert name not in self.services
            self.services[name] = make_service(name)
        for claim in plan.create_claims:
            name = claim["metadata"]["name"]
            assert name not in self.claims
            self.claims[name] = made_claim(claim)
        for pod in plan.create_pods:
            name = pod["metadata"]["name"]
            assert name not in self.pods, f"{name} would run twice"
            self.created.append(name)
            uid = f"{name}-{self.created.count(name)}"
            policy = pod["spec"]["restartPolicy"]
            parts = {"policy": policy, "created": self.now, "annotations": pod["metadata"]["annotations"]}
            self.pods[name] = make_pod(name, "Pending", uid=uid, node="", **parts)

    def _take_away(self, plan: Plan) -> None:
        for pod in plan.release:
            known = self.pods.get(pod.name)
            if known is not None and known.uid == pod.uid:
                self._set_metadata(pod.name, finalizers=())
                self._reap(pod.name)
        for delete in plan.delete_pods:
            known = self.pods.get(delete.name)
            if known is not None and known.uid == delete.uid:
                self.delete(delete.name, 0 if delete.grace_period_seconds == 0 else None)
        for delete in plan.delete_services:
            self.services.pop(delete.name, None)
        for delete in plan.delete_claims:
            self.claims.pop(delete.name, None)
        self.job_deleted = self.job_deleted or plan.delete_job

    # ---- what the rest of the cluster does

    def run(self, *names: str) -> None:
        for name in names or [name for name, pod in self.pods.items() if pod.status.phase == "Pending"]:
            self._set(name, "Running")

    def end(self, name: str, exit_code: int = 0, **parts: Any) -> None:
        self._set(name, "Failed" if exit_code else "Succeeded", exit_code=exit_code, finished=self.now, **parts)
        self._reap(name)

    def delete(self, name: str, grace: int | None = None) -> None:
        """Somebody deletes the pod. One that no node runs goes as soon as nothing holds it."""
        pod = self.pods[name]
        if pod.ended or not pod.spec.node_name:
            grace = 0
        grace = 30 if grace is None else grace
        at = pod.deleted_at or self.now
        stamp = format_time(at + timedelta(seconds=grace))
        self._set_metadata(name, deletion_timestamp=stamp, deletion_grace_period_seconds=grace)
        self._reap(name)

    def stopped(self, name: str, exit_code: int = 143) -> None:
        """The kubelet has stopped a pod that was deleted."""
        self.end(name, exit_code)
        if name in self.pods:
            self.delete(name, 0)

    def stop_by_deadline(self, name: str) -> None:
        """The pod has got the deadline by which its kubelet ends it."""
        pod = self.pods[name]
        spec = msgspec.structs.replace(pod.spec, active_deadline_seconds=STOP_DEADLINE)
        self.pods[name] = msgspec.structs.replace(pod, spec=spec)

    def set_policy(self, policy: RunPolicy) -> None:
        self.job = replace(self.job, run_policy=policy)

    def _set(self, name: str, phase: str, **parts: Any) -> None:
        pod = self.pods[name]
        new = make_pod(name, phase, uid=pod.uid, policy=pod.spec.restart_policy, **parts)
        self.pods[name] = msgspec.structs.replace(new, metadata=pod.metadata)

    def _set_metadata(self, name: str, **changes: Any) -> None:
        pod = self.pods[name]
        self.pods[name] = msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, **changes))

    def _reap(self, name: str) -> None:
        pod = self.pods[name]
        confirmed = pod.metadata.deletion_grace_period_seconds == 0 or pod.ended
        if pod.terminating and confirmed and not pod.held:
            del self.pods[name]
