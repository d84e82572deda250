"""What is said of a job before it is taken over, and that it then comes true."""

import asyncio
from typing import Any

import pytest

from kdl_runtime.codec import json
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.codec.times import format_time
from kdl_runtime.resources.registry import PODS, SERVICES
from kdl_runtime.types import Resource
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.pod import Pod
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.migration.prospect import Fate, Found, Prospect, prospect
from unit.kdl_workloads.operator.cluster import (
    NAMESPACE,
    PYTORCH_JOBS,
    START,
    XGBOOST_JOBS,
    Cluster,
    on_virtual_time,
    pytorch_job,
    xgboost_job,
)

HELD_BY_PEER = "kubedl.io/preempt-protector"


class Peer:
    """What another operator leaves in the cluster: its pods have its labels and owner, and nothing of ours."""

    def __init__(self, cluster: Cluster, resource: Resource) -> None:
        self.cluster = cluster
        self.resource = resource
        self.workload = Workload(frameworks()[resource.kind], dialect_for(resource.api_version))

    def run(self, obj: dict[str, Any], *, running_since: float | None = 600) -> dict[str, Any]:
        """Make the job with all its pods. ``running_since``: seconds before the start of the test; None gives it no
        status."""
        stored = self.cluster.direct.create(self.resource, obj)
        job = self.workload.dialect.decode(stored, self.workload.framework)
        for role, spec in job.roles.items():
            for index in range(spec.replicas):
                self.make(PODS, stored, role, index, {"spec": spec.template["spec"]})
                service = {"clusterIP": "None", "ports": [{"port": 9999}]}
                self.make(SERVICES, stored, role, index, {"spec": service})
        self.cluster.run_all()
        if running_since is not None:
            moment = format_time(START.fromtimestamp(START.timestamp() - running_since, START.tzinfo))
            times = {"lastUpdateTime": moment, "lastTransitionTime": moment}
            running = {"type": "Running", "status": "True", "reason": "JobRunning", "message": "", **times}
            status = {"conditions": [running], "replicaStatuses": {"Worker": {"active": 2}}, "startTime": moment}
            name = stored["metadata"]["name"]
            return self.cluster.direct.patch(self.resource, NAMESPACE, name, {"status": status}, "status")
        return stored

    def make(self, kind: Resource, obj: dict[str, Any], role: str, index: int, body: dict[str, Any]) -> None:
        job = self.workload.dialect.outline(obj)
        labels = self.workload.dialect.labels(job, role, index, master=False)
        owner = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "controller": True, "blockOwnerDeletion": True}
        owner |= {name: obj["metadata"][name] for name in ("name", "uid")}
        metadata = {"name": job.child_name(role, index), "namespace": NAMESPACE, "labels": labels}
        self.cluster.direct.create(kind, {"metadata": {**metadata, "ownerReferences": [owner]}, **body})

    def prospect(self, name: str = "job") -> Prospect:
        pods = [json.decoder(Pod)(json.encode(pod)) for pod in self.cluster.direct.list(PODS, NAMESPACE)]
        services = self.cluster.direct.list(SERVICES, NAMESPACE)
        partial = [json.decoder(PartialObject)(json.encode(service)) for service in services]
        obj = self.cluster.direct.get(self.resource, NAMESPACE, name)
        return prospect(self.workload, Found(obj, pods, partial), self.cluster.clock.now())


CASES = [(PYTORCH_JOBS, pytorch_job), (XGBOOST_JOBS, xgboost_job)]


@pytest.mark.parametrize(("resource", "job"), CASES, ids=["kubeflow", "kubedl"])
@pytest.mark.parametrize("running_since", [600, None])
def test_a_running_job_is_taken_over_without_touching_a_pod(
    resource: Resource, job: Any, running_since: float | None
) -> None:
    @on_virtual_time
    async def scenario() -> None:
        cluster = Cluster(resource)
        peer = Peer(cluster, resource)
        peer.run(job(), running_since=running_since)
        said = peer.prospect()
        assert (said.fate, said.remarks) == (Fate.CONTINUES, ())
        before = {name: pod["metadata"]["uid"] for name, pod in cluster.pods().items()}
        assert said.pods == before
        async with cluster.operator() as operator:
            await operator.settle()
            assert {name: pod["metadata"]["uid"] for name, pod in cluster.pods().items()} == before
            assert "Running=True" in cluster.conditions(resource)
            for name in before:
                cluster._set_status(name, _ended(peer.workload.conventions.container))
            await operator.until(lambda: "Succeeded=True" in cluster.conditions(resource))
            if running_since:
                assert cluster.status(resource)["startTime"] == "2025-12-31T23:50:00Z", "it goes on counting"

    scenario()


def _ended(container: str) -> dict[str, Any]:
    state = {"terminated": {"exitCode": 0, "startedAt": format_time(START), "finishedAt": format_time(START)}}
    status = {"name": container, "image": "train", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return {"phase": "Succeeded", "containerStatuses": [status]}


@on_virtual_time
async def test_a_deadline_that_never_fired_is_told_before_it_fires() -> None:
    cluster = Cluster(PYTORCH_JOBS)
    peer = Peer(cluster, PYTORCH_JOBS)
    peer.run(pytorch_job(activeDeadlineSeconds=60, cleanPodPolicy="All"))
    said = peer.prospect()
    assert said.fate is Fate.CHANGES
    assert said.remarks[0].startswith("ends as Failed: ") and "active longer than specified deadline" in said.remarks[0]
    assert said.remarks[1] == "deletes pods job-master-0, job-worker-0, job-worker-1"
    assert said.pods == {}
    async with cluster.operator() as operator:
        await operator.until(lambda: "Failed=True" in cluster.conditions(PYTORCH_JOBS))


@on_virtual_time
async def test_a_missing_pod_is_told_before_it_is_created() -> None:
    cluster = Cluster(PYTORCH_JOBS)
    peer = Peer(cluster, PYTORCH_JOBS)
    peer.run(pytorch_job())
    cluster.direct.delete(PODS, NAMESPACE, "job-worker-1", grace_period_seconds=0)
    said = peer.prospect()
    assert (said.fate, said.remarks) == (Fate.CHANGES, ("creates pod job-worker-1",))


@on_virtual_time
async def test_jobs_that_have_ended_and_jobs_of_others() -> None:
    cluster = Cluster(PYTORCH_JOBS)
    peer = Peer(cluster, PYTORCH_JOBS)
    peer.run(pytorch_job(managedBy="kueue.x-k8s.io/multikueue"))
    assert peer.prospect().fate is Fate.FOREIGN
    peer.run(pytorch_job("old", ttlSecondsAfterFinished=60))
    moment = format_time(START.fromtimestamp(START.timestamp() - 600, START.tzinfo))
    times = {"lastUpdateTime": moment, "lastTransitionTime": moment}
    ended = {"type": "Succeeded", "status": "True", "reason": "x", "message": "", **times}
    status = {"conditions": [ended], "completionTime": moment}
    cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, "old", {"status": status}, "status")
    said = peer.prospect("old")
    assert said.fate is Fate.FINISHED
    assert "deletes the job: its ttlSecondsAfterFinished (60) is over" in said.remarks
    assert "deletes 3 services that the finished job has left" in said.remarks


@on_virtual_time
async def test_a_spec_that_cannot_be_carried_out_leaves_running_pods_alone() -> None:
    cluster = Cluster(XGBOOST_JOBS, rules=False)
    peer = Peer(cluster, XGBOOST_JOBS)
    stored = peer.run(xgboost_job())
    specs = stored["spec"]["xgbReplicaSpecs"]
    unnamed = {"spec": {"containers": [{"name": "other", "image": "train:1"}]}}
    changed = {**stored, "spec": {"xgbReplicaSpecs": {**specs, "Worker": {**specs["Worker"], "template": unnamed}}}}
    cluster.direct.update(XGBOOST_JOBS, changed)
    said = peer.prospect()
    assert said.fate is Fate.REFUSED
    assert "needs a container named 'xgboostjob'" in said.remarks[0]
    assert len(said.pods) == 2
    async with cluster.operator() as operator:
        await operator.settle()
        await asyncio.sleep(60)
        assert {name: pod["metadata"]["uid"] for name, pod in cluster.pods().items()} == dict(said.pods)


def test_fields_that_nobody_knows_are_told() -> None:
    obj = xgboost_job()
    obj["metadata"]["uid"] = "u"
    obj["spec"]["memoryTuningPolicy"] = {}
    of = Workload(frameworks()["XGBoostJob"], dialect_for(obj["apiVersion"]))
    said = prospect(of, Found(obj), START)
    assert said.remarks == (
        "creates pod job-master-0",
        "unknown fields, which nobody reads: spec.memoryTuningPolicy",
    )
