"""The operator when the API server refuses, when nodes go, and when it dies itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kdl_local.apiserver.request import Request, Response, error_response
from kdl_runtime.errors import ApiError, BadRequest, Conflict, Forbidden, InternalError, Invalid
from kdl_runtime.resources.registry import NODES, PODS, SERVICES
from kdl_runtime.types import ObjectKey
from unit.kdl_workloads.operator.cluster import (
    NAMESPACE,
    PYTORCH_JOBS,
    Cluster,
    on_virtual_time,
    pytorch_job,
)

QUOTA = Forbidden(
    'pods "job-worker-0" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: 1'
)


def refuse(cluster: Cluster, matches: Callable[[Request], bool], error: ApiError, times: int = 10**9) -> list[str]:
    """Answer matching requests with an error; gives the list of paths that were refused, which grows."""
    handle = cluster.gateway.handle
    refused: list[str] = []

    async def answer(request: Request) -> Response:
        if matches(request) and len(refused) < times:
            refused.append(request.path)
            return error_response(error)
        return await handle(request)

    cluster.gateway.handle = answer
    return refused


def stops_worker_0(request: Request) -> bool:
    return request.path.endswith("/pods/job-worker-0") and b"activeDeadlineSeconds" in (request.body or b"")


def creates_pod(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/pods")


@on_virtual_time
async def test_a_quota_is_told_and_tried_again_with_a_back_off() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        handle = cluster.gateway.handle
        refused = refuse(cluster, creates_pod, QUOTA)
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.settle()
        assert len(refused) == 1, "the first refusal stops the rest of the creates"
        assert "exceeded quota: small" in cluster.status(PYTORCH_JOBS)["conditions"][0]["message"]
        assert "FailedCreatePod" in cluster.events()
        await asyncio.sleep(3600)
        assert 10 < len(refused) < 20
        cluster.gateway.handle = handle
        await operator.until(lambda: len(cluster.pods()) == 3, seconds=301)
        cluster.run_all()
        await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1] == "Running=True")
        message = cluster.status(PYTORCH_JOBS)["conditions"][0]["message"]
        assert message == "PyTorchJob job is created."


@on_virtual_time
async def test_a_webhook_that_refuses_is_quoted() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        refuse(cluster, creates_pod, BadRequest('admission webhook "policy" denied the request: no team label'))
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.settle()
        assert "no team label" in cluster.status(PYTORCH_JOBS)["conditions"][0]["message"]
        assert cluster.conditions(PYTORCH_JOBS) == ["Created=True"]


@on_virtual_time
async def test_a_pod_that_is_refused_for_good_fails_its_job() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        refuse(cluster, creates_pod, Invalid("spec.containers[0].resources.limits: Invalid value"))
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1:] == ["Failed=True"])
        failed = cluster.status(PYTORCH_JOBS)["conditions"][-1]
        assert failed["reason"] == "PyTorchJobFailedValidation"
        assert "resources.limits" in failed["message"]
        await operator.settle()
        assert cluster.services() == []


@on_virtual_time
async def test_a_conflict_loses_no_count() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        refuse(cluster, lambda r: r.path.endswith("/status"), Conflict("the object has been modified"), times=3)
        cluster.end("job-worker-0", 1)
        await operator.until(lambda: cluster.status(PYTORCH_JOBS).get("attempts") == 1)
        await operator.settle()
        assert cluster.status(PYTORCH_JOBS)["attempts"] == 1
        assert cluster.pods()["job-worker-0"]["status"]["phase"] == "Pending"


@on_virtual_time
async def test_nothing_is_let_go_while_the_status_cannot_be_stored() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        refused = refuse(cluster, lambda r: r.path.endswith("/status"), Conflict("the object has been modified"))
        cluster.end("job-worker-0")
        cluster.direct.delete(PODS, NAMESPACE, "job-worker-0", grace_period_seconds=0)
        await operator.until(lambda: len(refused) > 3)
        assert cluster.pods()["job-worker-0"]["metadata"]["finalizers"] == ["kdl.io/outcome"]


@on_virtual_time
async def test_a_pod_is_let_go_in_the_end_although_its_change_is_refused_at_first() -> None:
    """No event follows such a refusal, so it has to be tried again without one."""
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        conflict = Conflict("the object has been modified")
        refuse(cluster, lambda r: r.method == "PATCH" and r.path.endswith("/pods/job-worker-0"), conflict, times=2)
        cluster.end("job-worker-0")
        await operator.until(lambda: not cluster.pods()["job-worker-0"]["metadata"].get("finalizers"))


@on_virtual_time
async def test_a_peer_of_a_failed_pod_is_stopped_although_its_change_is_refused_at_first() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        job = pytorch_job(policy="Never", stopOnFailure=True, cleanPodPolicy="None")
        cluster.direct.create(PYTORCH_JOBS, job)
        await operator.until(lambda: len(cluster.pods()) == 3)
        cluster.run_all()
        await operator.settle()
        conflict = Conflict("the object has been modified")
        refused = refuse(cluster, stops_worker_0, conflict, times=2)
        cluster.end("job-worker-1", 1)
        await operator.until(lambda: cluster.pods()["job-worker-0"]["spec"].get("activeDeadlineSeconds") == 1)
        assert len(refused) == 2


@pytest.mark.parametrize("request_number", range(1, 7))
def test_an_operator_that_dies_anywhere_in_a_restart_repeats_nothing(request_number: int) -> None:
    @on_virtual_time
    async def scenario() -> None:
        cluster = Cluster()
        async with cluster.operator() as operator:
            cluster.direct.create(PYTORCH_JOBS, pytorch_job())
            await operator.until(lambda: len(cluster.pods()) == 3)
            cluster.run_all()
            await operator.settle()
            died_after(operator.transport, cluster, request_number)
            cluster.end("job-worker-0", 1)
            cluster.end("job-worker-1")
            await operator.settle()
        async with cluster.operator() as operator:
            await operator.settle()
            status = cluster.status(PYTORCH_JOBS)
            assert status["attempts"] == 1
            assert status["replicaStatuses"]["Worker"]["succeededIndexes"] == "1"
            assert cluster.pods()["job-worker-0"]["status"]["phase"] == "Pending"

    scenario()


def died_after(transport: Any, cluster: Cluster, requests: int) -> None:
    """The operator's connection is cut for good after so many of its writes."""
    handle = cluster.gateway.handle
    seen: list[str] = []

    async def answer(request: Request) -> Response:
        if request.method != "GET":
            seen.append(request.path)
        response = await handle(request)
        if len(seen) == requests:
            transport.sever()
        return response

    cluster.gateway.handle = answer


@on_virtual_time
async def test_a_pod_on_a_lost_node_is_replaced_elsewhere() -> None:
    cluster = Cluster()
    node = {"metadata": {"name": "node-1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    cluster.direct.create(NODES, node)
    async with cluster.operator() as operator:
        await operator.run_job()
        first = cluster.pods()["job-worker-0"]["metadata"]["uid"]
        cluster.direct.delete(PODS, NAMESPACE, "job-worker-0", grace_period_seconds=30)
        await asyncio.sleep(200)
        assert cluster.pods()["job-worker-0"]["metadata"]["uid"] == first, "its node may still run it"
        conditions = [{"type": "Ready", "status": "Unknown"}]
        cluster.direct.patch(NODES, "", "node-1", {"status": {"conditions": conditions}}, "status")
        await operator.until(lambda: cluster.pods().get("job-worker-0", {}).get("metadata", {}).get("uid") != first)
        await operator.settle()
        assert cluster.pods()["job-worker-0"]["status"]["phase"] == "Pending"
        assert "attempts" not in cluster.status(PYTORCH_JOBS)


@on_virtual_time
async def test_a_node_that_cannot_be_asked_is_not_taken_for_lost() -> None:
    cluster = Cluster()
    cluster.direct.create(
        NODES, {"metadata": {"name": "node-1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    )
    async with cluster.operator() as operator:
        await operator.run_job()
        conditions = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
        cluster.direct.patch(PODS, NAMESPACE, "job-worker-0", {"status": {"conditions": conditions}}, "status")
        refused = refuse(cluster, lambda r: r.path == "/api/v1/nodes/node-1", InternalError("etcd has no leader"), 3)
        cluster.direct.delete(PODS, NAMESPACE, "job-worker-0", grace_period_seconds=5)
        await operator.until(lambda: len(refused) == 3, seconds=200)
        await operator.settle()
        assert cluster.pods()["job-worker-0"]["metadata"]["deletionGracePeriodSeconds"] == 5


@on_virtual_time
async def test_a_pod_on_a_lost_node_does_not_keep_the_next_job_of_its_name_waiting() -> None:
    cluster = Cluster()
    cluster.direct.create(
        NODES, {"metadata": {"name": "node-1"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    )
    async with cluster.operator() as operator:
        await operator.run_job()
        cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Background")
        old = {pod["metadata"]["uid"] for pod in cluster.pods().values()}
        for name in cluster.pods():
            # As the garbage collector does; no node confirms it.
            cluster.direct.delete(PODS, NAMESPACE, name, grace_period_seconds=5)
        for name in cluster.services():
            cluster.direct.delete(SERVICES, NAMESPACE, name)
        await operator.until(lambda: cluster.pods() == {}, seconds=200)
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.until(lambda: len(cluster.pods()) == 3)
        assert not old & {pod["metadata"]["uid"] for pod in cluster.pods().values()}


@on_virtual_time
async def test_suspend_and_resume() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        suspend(cluster, True)
        await operator.settle()
        for name in cluster.pods():
            cluster.kill(name)
        await operator.settle()
        assert (cluster.pods(), cluster.services()) == ({}, [])
        assert cluster.conditions(PYTORCH_JOBS) == ["Created=True", "Running=False", "Suspended=True"]
        suspend(cluster, False)
        await operator.until(lambda: len(cluster.pods()) == 3)
        assert "PyTorchJobResumed" in cluster.events()


def suspend(cluster: Cluster, value: bool) -> None:
    cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, "job", {"spec": {"runPolicy": {"suspend": value}}})


@on_virtual_time
async def test_a_job_waits_for_the_pods_of_its_predecessor() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.until(lambda: len(cluster.pods()) == 3)
        cluster.run_all()
        old = cluster.direct.get(PYTORCH_JOBS, NAMESPACE, "job")["metadata"]["uid"]
        cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Background")
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.settle()
        assert "earlier PyTorchJob job" in cluster.status(PYTORCH_JOBS)["conditions"][0]["message"]
        for name, pod in cluster.pods().items():
            assert pod["metadata"]["ownerReferences"][0]["uid"] == old
            assert not pod["metadata"].get("finalizers")
            cluster.direct.delete(PODS, NAMESPACE, name, grace_period_seconds=0)
        for name in cluster.services():
            cluster.direct.delete(SERVICES, NAMESPACE, name)
        await operator.until(lambda: len(cluster.pods()) == 3, seconds=120)


@on_virtual_time
async def test_an_answer_that_is_lost_makes_no_second_pod() -> None:
    """A create whose answer never came ends in AlreadyExists, and the pod is the job's own."""
    cluster = Cluster()
    async with cluster.operator() as operator:
        seen: set[str] = set()
        handle = cluster.gateway.handle

        async def answer(request: Request) -> Response:
            response = await handle(request)
            if creates_pod(request) and not seen:
                seen.add(request.path)
                return error_response(ApiError("the answer was lost on its way"))
            return response

        cluster.gateway.handle = answer
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.until(lambda: len(cluster.pods()) == 3)
        await operator.settle()
        assert seen
        assert cluster.direct.find(PODS, *ObjectKey(NAMESPACE, "job-master-0")) is not None
        assert "NameConflict" not in cluster.events()
