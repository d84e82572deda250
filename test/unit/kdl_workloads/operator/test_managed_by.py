"""Jobs that ``managedBy`` gives to another controller: nothing is written for them, and they are not counted."""

import asyncio
from typing import Any

import pytest

from kdl_local.apiserver.request import Request, Response
from kdl_runtime.resources.registry import NODES, PODS, SERVICES
from kdl_workloads.framework import KUBEFLOW
from kdl_workloads.frameworks.pytorch import PyTorch
from unit.kdl_workloads.operator.cluster import NAMESPACE, PYTORCH_JOBS, Cluster, Operator, on_virtual_time, pytorch_job

OTHER = "kueue.x-k8s.io/multikueue"
LABELS = {
    "training.kubeflow.org/job-name": "job",
    "training.kubeflow.org/operator-name": "pytorchjob-controller",
    "training.kubeflow.org/replica-type": "worker",
    "training.kubeflow.org/replica-index": "0",
}


def record_writes(cluster: Cluster) -> list[str]:
    """Every request of an operator that is no reading."""
    handle, writes = cluster.gateway.handle, []

    async def answer(request: Request) -> Response:
        if request.method != "GET":
            writes.append(f"{request.method} {request.path}")
        return await handle(request)

    cluster.gateway.handle = answer
    return writes


def counts(operator: Operator) -> dict[str, float]:
    """The metrics of jobs that are not 0."""
    return {
        f"{sample.name}{sample.labels.get('kind', '')}": sample.value
        for family in operator.manager.metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith(("kubedl_jobs_", "training_operator_jobs_")) and sample.value
        if not sample.name.endswith(("_bucket", "_seconds_created"))
    }


def add_children(cluster: Cluster, job: dict[str, Any], node: str = "node-1") -> None:
    """What the other controller has made: the same names and labels as ours would have."""
    owner = {
        "apiVersion": KUBEFLOW,
        "kind": "PyTorchJob",
        "name": "job",
        "uid": job["metadata"]["uid"],
        "controller": True,
    }
    metadata = {"name": "job-worker-0", "namespace": NAMESPACE, "labels": LABELS, "ownerReferences": [owner]}
    cluster.direct.create(SERVICES, {"metadata": metadata, "spec": {"clusterIP": "None"}})
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "pytorch", "image": "train:1"}], "nodeName": node}}
    cluster.direct.create(PODS, pod)


@pytest.mark.parametrize("end", ["Succeeded", "Failed"])
def test_nothing_is_written_or_counted_in_its_whole_life(end: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        cluster = Cluster()
        writes = record_writes(cluster)
        async with cluster.operator() as operator:
            foreign = pytorch_job(managedBy=OTHER, ttlSecondsAfterFinished=5, activeDeadlineSeconds=5, suspend=True)
            job = cluster.direct.create(PYTORCH_JOBS, foreign)
            await operator.settle()
            add_children(cluster, job)
            for type_ in ("Created", "Running", "Restarting", end):
                status = {"conditions": [{"type": type_, "status": "True", "reason": type_}]}
                cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, "job", {"status": status}, "status")
                await operator.settle()
            cluster.end("job-worker-0", 1)
            await asyncio.sleep(60)
            assert len(cluster.services()) == 1
            cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Foreground")
            await operator.settle()
            assert writes == []
            assert counts(operator) == {}
            assert cluster.events() == []

    scenario()


@on_virtual_time
async def test_its_pods_on_a_lost_node_are_left_to_their_controller() -> None:
    cluster = Cluster()
    cluster.direct.create(NODES, {"metadata": {"name": "node-1"}})
    writes = record_writes(cluster)
    async with cluster.operator() as operator:
        job = cluster.direct.create(PYTORCH_JOBS, pytorch_job(managedBy=OTHER))
        add_children(cluster, job)
        cluster.direct.delete(PODS, NAMESPACE, "job-worker-0", grace_period_seconds=5)
        await asyncio.sleep(200)
        cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Background")
        await asyncio.sleep(200)
        assert cluster.pods()["job-worker-0"]["metadata"]["deletionGracePeriodSeconds"] == 5
        assert writes == []
        assert counts(operator) == {}


@on_virtual_time
async def test_what_our_job_of_that_name_has_left_behind_is_let_go() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Background")
        cluster.direct.create(PYTORCH_JOBS, pytorch_job(managedBy=OTHER))
        writes = record_writes(cluster)
        await operator.settle()
        pods = cluster.pods()
        assert len(pods) == 3
        assert not any(pod["metadata"].get("finalizers") for pod in pods.values())
        assert writes == [f"PATCH /api/v1/namespaces/{NAMESPACE}/pods/{name}" for name in sorted(pods)]
        assert cluster.status(PYTORCH_JOBS) == {}


@on_virtual_time
async def test_our_own_name_is_no_other_manager() -> None:
    cluster = Cluster(PyTorch().resource(KUBEFLOW))
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job(managedBy="kubeflow.org/training-operator"))
        await operator.until(lambda: len(cluster.pods()) == 3)
        await operator.settle()
        assert counts(operator) == {
            "kubedl_jobs_createdpytorchjob": 1,
            "kubedl_jobs_pendingpytorchjob": 1,
            "training_operator_jobs_created_total": 1,
        }
