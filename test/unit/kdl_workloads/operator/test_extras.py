"""Objects beside pods and services, from the job's beginning to its end."""

import asyncio
from typing import Any

import pytest

from kdl_local.apiserver.request import Request, Response
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import HORIZONTAL_POD_AUTOSCALERS, INGRESSES
from kdl_workloads.framework import KUBEDL
from kdl_workloads.frameworks.mars import Mars
from unit.kdl_workloads.operator.cluster import NAMESPACE, PYTORCH_JOBS, Cluster, on_virtual_time, pytorch_job

MARS_JOBS = Mars().resource(KUBEDL)


def mars_job(**spec: Any) -> dict[str, Any]:
    replica = {"template": {"spec": {"containers": [{"name": "mars", "image": "mars:1"}]}}}
    return {
        "apiVersion": KUBEDL,
        "kind": "MarsJob",
        "metadata": {"name": "job", "namespace": NAMESPACE},
        "spec": {"marsReplicaSpecs": {"Scheduler": replica, "WebService": replica}, **spec},
    }


def hosts(cluster: Cluster) -> list[str]:
    return [item["spec"]["rules"][0]["host"] for item in cluster.direct.list(INGRESSES, NAMESPACE)]


@on_virtual_time
async def test_an_ingress_follows_the_spec() -> None:
    cluster = Cluster(MARS_JOBS)
    cluster.direct.create(MARS_JOBS, mars_job(webHost="a.example.org"))
    async with cluster.operator() as operator:
        await operator.settle()
        assert hosts(cluster) == ["a.example.org"]
        address = "a.example.org/mars/default/job-webservice-0"
        assert cluster.status(MARS_JOBS)["webServiceAddresses"] == [address]
        (ingress,) = cluster.direct.list(INGRESSES, NAMESPACE)
        job = cluster.direct.get(MARS_JOBS, NAMESPACE, "job")
        assert ingress["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
        cluster.direct.patch(MARS_JOBS, NAMESPACE, "job", {"spec": {"webHost": "b.example.org"}})
        await operator.settle()
        assert hosts(cluster) == ["b.example.org"]
        before = cluster.direct.list(INGRESSES, NAMESPACE)[0]["metadata"]["resourceVersion"]
        cluster.run_all()
        await operator.settle()
    async with cluster.operator() as operator:
        await operator.settle()
        assert cluster.direct.list(INGRESSES, NAMESPACE)[0]["metadata"]["resourceVersion"] == before
        cluster.direct.patch(MARS_JOBS, NAMESPACE, "job", {"spec": {"webHost": None}})
        await operator.settle()
        assert "webServiceAddresses" not in cluster.status(MARS_JOBS)


@on_virtual_time
async def test_an_object_that_is_deleted_comes_back() -> None:
    cluster = Cluster(MARS_JOBS)
    cluster.direct.create(MARS_JOBS, mars_job(webHost="a.example.org"))
    async with cluster.operator() as operator:
        for _ in range(2):
            await operator.settle()
            cluster.run_all()
        cluster.direct.delete(INGRESSES, NAMESPACE, "job-webservice-0")
        await operator.until(lambda: hosts(cluster) == ["a.example.org"], seconds=3601)
        cluster.direct.delete(INGRESSES, NAMESPACE, "job-webservice-0")
        await asyncio.sleep(60)
        assert hosts(cluster) == []
        cluster.end("job-webservice-0", 1)
        await operator.until(lambda: hosts(cluster) == ["a.example.org"])
        await operator.until(lambda: cluster.pods()["job-webservice-0"]["status"]["phase"] == "Pending")


@on_virtual_time
async def test_an_object_that_is_as_it_should_be_costs_one_request_an_hour() -> None:
    cluster = Cluster(MARS_JOBS)
    cluster.direct.create(MARS_JOBS, mars_job(webHost="a.example.org"))
    async with cluster.operator() as operator:
        for _ in range(3):
            await operator.settle()
            cluster.run_all()
        await asyncio.sleep(60)
        sent: list[str] = []
        handle = cluster.gateway.handle

        async def counted(request: Request) -> Response:
            sent.append(f"{request.method} {request.path.split('/')[-2]}")
            return await handle(request)

        cluster.gateway.handle = counted
        await asyncio.sleep(3600)
        assert [each for each in sent if "ingresses" in each or "GET" not in each] == ["GET ingresses"]


@on_virtual_time
async def test_an_object_of_somebody_else_is_not_touched() -> None:
    cluster = Cluster(MARS_JOBS)
    foreign = {
        "metadata": {"name": "job-webservice-0", "namespace": NAMESPACE},
        "spec": {"rules": [{"host": "theirs"}]},
    }
    cluster.direct.create(INGRESSES, foreign)
    cluster.direct.create(MARS_JOBS, mars_job(webHost="ours"))
    async with cluster.operator() as operator:
        await operator.settle()
        assert hosts(cluster) == ["theirs"]
        assert cluster.pods() == {}
        message = cluster.status(MARS_JOBS)["conditions"][0]["message"]
        assert "It waits: Ingress job-webservice-0 exists and belongs to no job" in message
        cluster.direct.delete(INGRESSES, NAMESPACE, "job-webservice-0")
        await operator.until(lambda: hosts(cluster) == ["ours"], seconds=600)
        await operator.settle()
        assert list(cluster.pods()) == ["job-scheduler-0"]
    with pytest.raises(NotFound):
        cluster.direct.get(INGRESSES, NAMESPACE, "job-scheduler-0")


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}


@on_virtual_time
async def test_an_elastic_job_with_metrics_is_scaled_by_an_autoscaler() -> None:
    cluster = Cluster(PYTORCH_JOBS)
    job = pytorch_job()
    job["spec"]["elasticPolicy"] = {"minReplicas": 1, "maxReplicas": 4, "metrics": [CPU]}
    cluster.direct.create(PYTORCH_JOBS, job)
    async with cluster.operator() as operator:
        await operator.until(lambda: len(cluster.pods()) == 3)
        (autoscaler,) = cluster.direct.list(HORIZONTAL_POD_AUTOSCALERS, NAMESPACE)
        assert autoscaler["metadata"]["name"] == "job"
        assert autoscaler["metadata"]["ownerReferences"][0]["kind"] == "PyTorchJob"
        wanted = {"minReplicas": 1, "maxReplicas": 4, "metrics": [CPU]}
        target = {"apiVersion": PYTORCH_JOBS.api_version, "kind": "PyTorchJob", "name": "job"}
        assert autoscaler["spec"] == {"scaleTargetRef": target, **wanted}
        workers = {"pytorchReplicaSpecs": {"Worker": {"replicas": 4}}}
        cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, "job", {"spec": workers})
        await operator.until(lambda: len(cluster.pods()) == 5)
        assert cluster.direct.list(HORIZONTAL_POD_AUTOSCALERS, NAMESPACE)[0]["spec"] == autoscaler["spec"]
