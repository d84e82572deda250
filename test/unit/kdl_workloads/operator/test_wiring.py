"""Which events reach a job, which controllers there are, and what is asked about nodes."""

import asyncio

import pytest

from kdl_local.apiserver.request import Request, Response, error_response
from kdl_runtime.cache.event import Event, EventType
from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.errors import Forbidden
from kdl_runtime.resources.registry import CRDS, NODES
from kdl_workloads.crds import crd
from kdl_workloads.engine.nodes import node_states
from kdl_workloads.engine.observed import NodeState
from kdl_workloads.engine.reconciler import job_index
from kdl_workloads.engine.view import ConditionView, JobView, StatusView
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.operator import OperatorOptions, build, needs_reconcile
from unit.kdl_workloads.operator.cluster import (
    PYTORCH_JOBS,
    RESOURCES,
    XGBOOST_JOBS,
    Cluster,
    Operator,
    on_virtual_time,
)

BEFORE = ObjectMeta(name="job", uid="u", resource_version="1", generation=1)


@pytest.mark.parametrize(
    ("after", "needed"),
    [
        (ObjectMeta(name="job", uid="u", resource_version="2", generation=1), False),
        (ObjectMeta(name="job", uid="u", resource_version="2", generation=2), True),
        (ObjectMeta(name="job", uid="u", resource_version="2", generation=1, labels={"a": "b"}), True),
        (ObjectMeta(name="job", uid="u", resource_version="2", generation=1, annotations={"a": "b"}), True),
        (ObjectMeta(name="job", uid="u", generation=1, deletion_timestamp="2026-01-01T12:00:00Z"), True),
        (ObjectMeta(name="job", uid="u", generation=1, finalizers=("a/b",)), False),
    ],
)
def test_updates_of_the_status_alone_are_dropped(after: ObjectMeta, needed: bool) -> None:
    old, new = JobView(metadata=BEFORE), JobView(metadata=after)
    assert needs_reconcile(Event(EventType.MODIFIED, old, new)) is needed


def test_a_finished_job_is_looked_at_for_its_spec_and_its_deletion() -> None:
    status = StatusView((ConditionView("Succeeded", "True"),))
    old, relabelled, edited, deleted = (
        JobView(metadata=ObjectMeta(name="job", uid="u", **changes), status=status)
        for changes in (
            {"generation": 1},
            {"generation": 1, "labels": {"a": "b"}},
            {"generation": 2},
            {"generation": 1, "deletion_timestamp": "2026-01-01T12:00:00Z"},
        )
    )
    needed = [needs_reconcile(Event(EventType.MODIFIED, old, new)) for new in (relabelled, edited, deleted)]
    assert needed == [False, True, True]


def test_jobs_that_come_and_go_are_looked_at() -> None:
    job = JobView(metadata=BEFORE)
    assert needs_reconcile(Event(EventType.ADDED, None, job))
    assert needs_reconcile(Event(EventType.DELETED, job, None))


def test_children_without_a_controller_are_in_no_job() -> None:
    assert list(job_index(PartialObject(metadata=BEFORE))) == []


@pytest.mark.parametrize(
    ("workloads", "names"),
    [
        (
            "auto",
            ["pytorchjob-kubedl", "pytorchjob-kubeflow", "xgboostjob-kubedl", "xgboostjob-kubeflow"],
        ),
        ("-PyTorchJob", ["xgboostjob-kubedl", "xgboostjob-kubeflow"]),
        ("pytorchjob", ["pytorchjob-kubedl", "pytorchjob-kubeflow"]),
    ],
)
def test_one_controller_per_kind_and_group(workloads: str, names: list[str]) -> None:
    @on_virtual_time
    async def scenario() -> None:
        manager = Operator(Cluster(), build_controllers=False).manager
        controllers = build(manager, OperatorOptions(workloads=workloads, late_kinds=False), RESOURCES)
        assert [controller.name for controller in controllers] == names
        watches = sorted(informer.spec.watch_name for informer in manager.cache.informers)
        kinds = len({name.partition("-")[0] for name in names})
        assert len(watches) == 2 * kinds + 6, "pods, services and claims are watched once per group, not once per kind"

    scenario()


@on_virtual_time
async def test_a_kind_without_its_crd_is_not_run() -> None:
    cluster = Cluster(PYTORCH_JOBS)
    async with cluster.operator() as operator:
        assert [controller.name for controller in operator.controllers] == ["pytorchjob-kubeflow"]


@on_virtual_time
async def test_a_kind_is_run_from_when_its_crd_comes() -> None:
    cluster = Cluster(XGBOOST_JOBS)
    async with cluster.operator(late_kinds=True) as operator:
        jobs = operator.manager.cache.informer(PYTORCH_JOBS)
        await asyncio.sleep(60)
        operator.manager.cache.check_ready()
        assert not jobs.synced
        cluster.direct.create(CRDS, crd(PyTorch(), PYTORCH_JOBS.api_version))
        await operator.until(lambda: jobs.synced, seconds=31)
        await operator.run_job()
        assert cluster.conditions(PYTORCH_JOBS) == ["Created=True", "Running=True"]


@on_virtual_time
async def test_kinds_are_waited_for_with_few_requests_and_through_failures() -> None:
    cluster = Cluster(XGBOOST_JOBS)
    asked: list[str] = []

    async def handle(request: Request) -> Response:
        if request.path.startswith("/apis/") and request.path.count("/") == 3:
            asked.append(request.path)
            if len(asked) < 4:
                return error_response(Forbidden("not now"))
        return await cluster.server.handle(request)

    cluster.gateway.handle = handle
    async with cluster.operator(late_kinds=True) as operator:
        await asyncio.sleep(600)
        assert 40 <= len(asked) <= 70, "two API groups, twice a minute"
        everything = [crd(of, version) for of in frameworks().values() for version in of.stored_versions()]
        for name, definition in {each["metadata"]["name"]: each for each in everything}.items():
            if name != XGBOOST_JOBS.group_resource:
                cluster.direct.create(CRDS, definition)
        await asyncio.sleep(300)
        asked.clear()
        await asyncio.sleep(600)
        assert asked == [], "nothing is missing any more"
        assert operator.manager.cache.informers


@on_virtual_time
async def test_what_is_asked_about_nodes() -> None:
    cluster = Cluster()
    for name, ready in (("up", "True"), ("down", "Unknown")):
        conditions = [{"type": "Ready", "status": ready}]
        cluster.direct.create(NODES, {"metadata": {"name": name}, "status": {"conditions": conditions}})
    client = Operator(cluster, build_controllers=False).manager.client
    states = await node_states(client, ["up", "down", "gone"])
    assert states == {"up": NodeState.READY, "down": NodeState.LOST, "gone": NodeState.LOST}

    async def refuse(_request: Request) -> Response:
        return error_response(Forbidden("nodes is forbidden"))

    cluster.gateway.handle = refuse
    assert await node_states(client, ["up"]) == {"up": NodeState.UNKNOWN}
