"""Progress by annotation, with an operator, on virtual time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from kdl_local.apiserver.request import Request, Response
from kdl_runtime.codec.json import encode
from kdl_runtime.resources.registry import PODS
from kdl_workloads.progress.annotation import ANNOTATION
from unit.kdl_workloads.operator.cluster import (
    NAMESPACE,
    PYTORCH_JOBS,
    XGBOOST_JOBS,
    Cluster,
    on_virtual_time,
    pytorch_job,
    xgboost_job,
)


def annotate(cluster: Cluster, name: str, resource: Any = PODS, **report: Any) -> None:
    value = encode(report).decode() if report else None
    cluster.direct.patch(resource, NAMESPACE, name, {"metadata": {"annotations": {ANNOTATION: value}}})


def progress(cluster: Cluster, resource: Any = PYTORCH_JOBS) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cluster.status(resource).get("progress") or {}
    return found


def count_progress_writes(cluster: Cluster) -> list[str]:
    """The paths of writes of progress, as they come."""
    handle, writes = cluster.gateway.handle, []

    async def answer(request: Request) -> Response:
        if b'"progress"' in (request.body or b""):
            writes.append(request.path)
        return await handle(request)

    cluster.gateway.handle = answer
    return writes


@on_virtual_time
async def test_a_pod_reports_and_the_job_before_it() -> None:
    cluster = Cluster(PYTORCH_JOBS, XGBOOST_JOBS)
    async with cluster.operator() as operator:
        await operator.run_job()
        annotate(cluster, "job-worker-1", step=10, total=100, metrics={"loss": 0.5})
        await operator.until(lambda: progress(cluster).get("percentage") == 10, seconds=1)
        assert progress(cluster)["metrics"] == [{"name": "loss", "value": "0.5"}]
        annotate(cluster, "job-master-0", percentage=20)
        await operator.until(lambda: progress(cluster).get("percentage") == 20, seconds=6)
        assert progress(cluster).keys() == {"percentage", "lastUpdateTime"}, "a report replaces the one before"
        annotate(cluster, "job", PYTORCH_JOBS, percentage=30)
        await operator.until(lambda: progress(cluster).get("percentage") == 30, seconds=6)
        annotate(cluster, "job-master-0", percentage=25)
        await asyncio.sleep(20)
        assert progress(cluster)["percentage"] == 30
        cluster.direct.create(XGBOOST_JOBS, {**xgboost_job("other")})
        await operator.until(lambda: "other-master-0" in cluster.pods())
        annotate(cluster, "other-master-0", percentage=1)
        await operator.until(lambda: (cluster.status(XGBOOST_JOBS, "other").get("progress") or {}) != {})


@on_virtual_time
async def test_writes_are_spaced_and_the_last_report_wins() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        writes = count_progress_writes(cluster)
        for step in range(100):
            annotate(cluster, "job-master-0", step=step, total=100)
            await asyncio.sleep(0.25)
        assert 5 <= len(writes) <= 7, "25 seconds, one in five"
        await operator.until(lambda: progress(cluster).get("step") == 99, seconds=6)
        await asyncio.sleep(60)
        assert len(writes) <= 8


@on_virtual_time
async def test_the_last_report_of_a_job_that_ends_is_written_and_then_nothing() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        annotate(cluster, "job-master-0", percentage=90)
        await operator.settle()
        annotate(cluster, "job-master-0", percentage=100)
        cluster.end("job-master-0")
        await operator.until(lambda: progress(cluster).get("percentage") == 100, seconds=6)
        assert cluster.conditions(PYTORCH_JOBS)[-1] == "Succeeded=True"
    writes = count_progress_writes(cluster)
    async with cluster.operator() as operator:
        await operator.settle()
        annotate(cluster, "job-master-0", percentage=50)
        await operator.settle()
    assert writes == []
    assert progress(cluster)["percentage"] == 100


@on_virtual_time
async def test_the_next_operator_writes_nothing_that_is_written() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        annotate(cluster, "job-master-0", percentage=10, metrics={"loss": 1})
        await operator.settle()
    writes = count_progress_writes(cluster)
    async with cluster.operator() as operator:
        await operator.settle()
        assert writes == []
        cluster.end("job-worker-0", 1)
        await operator.settle()
        assert progress(cluster)["percentage"] == 10, "a status of the job leaves the progress as it is"
        assert [path for path in writes if "progress" in path] == []


@on_virtual_time
async def test_a_conflict_is_tried_again() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        handle = cluster.gateway.handle

        async def disturb(request: Request) -> Response:
            if b'"progress"' in (request.body or b""):
                cluster.gateway.handle = handle
                cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, "job", {"metadata": {"labels": {"a": "b"}}})
            return await handle(request)

        cluster.gateway.handle = disturb
        annotate(cluster, "job-master-0", percentage=10)
        await operator.until(lambda: progress(cluster).get("percentage") == 10, seconds=2)
        assert cluster.gateway.handle is handle


@pytest.mark.parametrize("text", ["", "half", '{"percentage": 1000}'])
def test_what_cannot_be_read_changes_nothing(text: str) -> None:
    @on_virtual_time
    async def test() -> None:
        cluster = Cluster()
        async with cluster.operator() as operator:
            cluster.direct.create(PYTORCH_JOBS, pytorch_job())
            await operator.until(lambda: len(cluster.pods()) == 3)
            cluster.direct.patch(PODS, NAMESPACE, "job-master-0", {"metadata": {"annotations": {ANNOTATION: text}}})
            await operator.settle()
            assert "progress" not in cluster.status(PYTORCH_JOBS)
            cluster.run_all()
            await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1] == "Running=True")

    test()
