"""What a job costs the API server."""

import asyncio
from collections import Counter

import pytest

from kdl_runtime.transport.http import HttpRequest, HttpResponse
from kdl_runtime.types import Resource
from kdl_testing.direct import DirectTransport
from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.pytorch import PyTorch
from unit.kdl_workloads.operator.cluster import PYTORCH_JOBS, Cluster, Operator, on_virtual_time, pytorch_job


class Counted:
    """Counts an operator's requests by method and resource, the last part of the path without the name."""

    def __init__(self, transport: DirectTransport, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: Counter[str] = Counter()
        send = transport.request

        async def request(asked: HttpRequest) -> HttpResponse:
            plurals = ("pods", "services", "events", "status", "pytorchjobs")
            resource = next(part for part in reversed(asked.path.split("/")) if part in plurals)
            self.requests[f"{asked.method} {resource}"] += 1
            return await send(asked)

        monkeypatch.setattr(transport, "request", request)


async def play(cluster: Cluster, operator: Operator, resource: Resource) -> None:
    """The pods come up and end one shortly after the other, as they do on nodes."""

    def last_condition() -> str:
        return (cluster.conditions(resource) or [""])[-1]

    started: set[str] = set()
    while last_condition() != "Running=True" or len(started) < 3:
        for name, pod in cluster.pods().items():
            if pod["status"]["phase"] == "Pending":
                cluster.run(name)
                started.add(name)
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)
    await asyncio.sleep(30)
    for name in ("job-worker-0", "job-worker-1", "job-master-0"):
        cluster.end(name)
        await asyncio.sleep(0.02)
    await operator.until(lambda: last_condition() == "Succeeded=True")
    await operator.settle()


@pytest.mark.parametrize(
    ("api_version", "expected"),
    [
        (
            KUBEFLOW,
            {"PATCH pods": 3, "POST pods": 3, "POST services": 3, "DELETE services": 3}
            | {"PATCH status": 3, "POST events": 2},
        ),
        (
            # Workers wait for the master, and only the master has a service.
            KUBEDL,
            {"PATCH pods": 3, "POST pods": 3, "POST services": 1, "DELETE services": 1}
            | {"PATCH status": 4, "POST events": 3},
        ),
    ],
)
def test_requests_of_a_job_of_three_pods(
    api_version: str, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    @on_virtual_time
    async def scenario() -> None:
        resource = PyTorch().resource(api_version)
        cluster = Cluster(resource)
        async with cluster.operator() as operator:
            counted = Counted(operator.transport, monkeypatch)
            job = pytorch_job()
            if api_version == KUBEDL:
                job |= {"apiVersion": KUBEDL, "spec": {**job["spec"], "cleanPodPolicy": "None"}}
                del job["spec"]["runPolicy"]
            cluster.direct.create(resource, job)
            await play(cluster, operator, resource)
        assert counted.requests == expected

    scenario()


def test_a_job_of_many_pods_does_not_write_a_status_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = 301

    @on_virtual_time
    async def scenario() -> None:
        cluster = Cluster(PYTORCH_JOBS)
        async with cluster.operator() as operator:
            counted = Counted(operator.transport, monkeypatch)
            cluster.direct.create(PYTORCH_JOBS, pytorch_job(workers=pods - 1))
            await operator.until(lambda: len(cluster.pods()) == pods)
            for name in cluster.pods():
                cluster.run(name)
                await asyncio.sleep(0.01)
            active = cluster.status(PYTORCH_JOBS)["replicaStatuses"]["Worker"]["active"]
            assert active > 150, "counts are late by no more than a second"
            for number in range(pods - 1):
                cluster.end(f"job-worker-{number}")
                await asyncio.sleep(0.01)
            await asyncio.sleep(1)
            assert cluster.status(PYTORCH_JOBS)["replicaStatuses"]["Worker"]["succeeded"] == pods - 1
            cluster.end("job-master-0")
            await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1] == "Succeeded=True", seconds=1)
            await operator.settle()
        assert counted.requests["PATCH pods"] == pods
        assert counted.requests["PATCH status"] < 25

    scenario()
