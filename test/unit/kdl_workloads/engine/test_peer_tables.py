"""Cases that KubeDL's tests have as tables, asked of this engine: scaling, failures, order, clean-up, counts."""

from dataclasses import replace
from typing import Any

import pytest

from kdl_workloads.frameworks.tensorflow import TensorFlow
from kdl_workloads.job import CleanPodPolicy, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.world import KUBEDL, PYTORCH_KUBEDL, WORKER, World, make_job, make_pod, workload

TENSORFLOW = workload(TensorFlow(), KUBEDL)
PS, CHIEF = "PS", "Chief"


def world_of(workers: int, pods: dict[str, str], policy: RestartPolicy = RestartPolicy.EXIT_CODE) -> World:
    """A job of so many Workers, and the phases of the pods that it has."""
    job = make_job(PYTORCH_KUBEDL, {WORKER: workers}, policy)
    made = {name: make_pod(name, phase, policy="Never") for name, phase in pods.items()}
    return World(job, PYTORCH_KUBEDL, pods=made)


def named(workers: int) -> list[str]:
    return [f"job-worker-{index}" for index in range(workers)]


@pytest.mark.parametrize(
    ("there", "wanted", "created", "deleted"),
    [
        (0, 2, ["job-worker-0", "job-worker-1"], []),
        (1, 2, ["job-worker-1"], []),
        (2, 2, [], []),
        (3, 2, [], ["job-worker-2"]),
        (5, 3, [], ["job-worker-3", "job-worker-4"]),
    ],
)
def test_scaling(there: int, wanted: int, created: list[str], deleted: list[str]) -> None:
    plan = world_of(wanted, dict.fromkeys(named(there), "Running")).step()
    assert [pod["metadata"]["name"] for pod in plan.create_pods] == created
    assert [delete.name for delete in plan.delete_pods] == deleted


def test_a_hole_is_filled() -> None:
    plan = world_of(3, {"job-worker-0": "Running", "job-worker-2": "Running"}).step()
    assert [pod["metadata"]["name"] for pod in plan.create_pods] == ["job-worker-1"]


@pytest.mark.parametrize(
    ("end", "replaced"),
    [
        ({"reason": "Killed", "exit_code": 1}, True),
        ({"reason": "Evicted", "exit_code": 1}, True),
        ({"reason": "OOMKilled", "exit_code": 1}, True),
        ({"exit_code": 137}, True),
        ({"exit_code": 138}, True),
        ({"reason": "Unknown", "exit_code": 1}, False),
        ({"exit_code": 1}, False),
        ({"exit_code": 3}, False),
    ],
)
def test_which_failures_are_replaced(end: dict[str, Any], replaced: bool) -> None:
    world = world_of(2, {"job-worker-0": "Running"})
    world.pods["job-worker-1"] = make_pod("job-worker-1", "Failed", policy="Never", **end)
    assert [delete.name for delete in world.step().delete_pods] == (["job-worker-1"] if replaced else [])
    assert world.job.status.finished is not replaced


@pytest.mark.parametrize(
    ("servers", "phases", "starts"),
    [
        (0, [], True),
        (1, [], False),
        (1, ["Pending"], False),
        (1, ["Running"], True),
        (1, ["Failed"], False),
        (2, ["Running"], False),
        (2, ["Running", "Pending"], False),
        (2, ["Running", "Running"], True),
    ],
)
def test_workers_wait_for_parameter_servers(servers: int, phases: list[str], starts: bool) -> None:
    roles = {PS: servers, WORKER: 1} if servers else {WORKER: 1}
    pods = {f"job-ps-{index}": make_pod(f"job-ps-{index}", phase) for index, phase in enumerate(phases)}
    plan = World(make_job(TENSORFLOW, roles), TENSORFLOW, pods=pods).step()
    assert ("job-worker-0" in [pod["metadata"]["name"] for pod in plan.create_pods]) is starts


@pytest.mark.parametrize(("server", "chief", "starts"), [("R", "R", True), ("R", "P", False), ("P", "R", False)])
def test_workers_wait_for_two_roles(server: str, chief: str, starts: bool) -> None:
    phases = {"R": "Running", "P": "Pending"}
    job = make_job(TENSORFLOW, {PS: 1, CHIEF: 1, WORKER: 1})
    waits = replace(job.roles[WORKER], depends_on={PS: "Running", CHIEF: "Running"})
    pods = {"job-ps-0": make_pod("job-ps-0", phases[server]), "job-chief-0": make_pod("job-chief-0", phases[chief])}
    plan = World(replace(job, roles={**job.roles, WORKER: waits}), TENSORFLOW, pods=pods).step()
    assert ("job-worker-0" in [pod["metadata"]["name"] for pod in plan.create_pods]) is starts


@pytest.mark.parametrize(
    ("policy", "phases", "deleted"),
    [
        (CleanPodPolicy.RUNNING, ["Running", "Succeeded", "Pending"], [0, 2]),
        (CleanPodPolicy.ALL, ["Running", "Succeeded", "Pending"], [0, 1, 2]),
        (CleanPodPolicy.NONE, ["Running", "Succeeded", "Pending"], []),
        (CleanPodPolicy.RUNNING, ["Succeeded", "Succeeded"], []),
        (CleanPodPolicy.ALL, ["Succeeded", "Succeeded"], [0, 1]),
    ],
)
def test_what_is_cleaned_up(policy: CleanPodPolicy, phases: list[str], deleted: list[int]) -> None:
    """Services go in any case."""
    roles = {"Master": 1, WORKER: len(phases)}
    world = World(make_job(roles=roles, run_policy=RunPolicy(policy)))
    world.step()
    world.run("job-master-0")
    for index, phase in enumerate(phases):
        if phase != "Pending":
            world.run(f"job-worker-{index}")
    world.step()
    for index, phase in enumerate(phases):
        if phase == "Succeeded":
            world.end(f"job-worker-{index}")
    world.end("job-master-0")
    gone = {delete.name for delete in world.step().delete_pods if "worker" in delete.name}
    assert gone == {f"job-worker-{index}" for index in deleted}
    assert world.services == {}


@pytest.mark.parametrize(
    ("phases", "active", "succeeded", "failed"),
    [
        (["Pending", "Pending"], 0, 0, 0),
        (["Running", "Running"], 2, 0, 0),
        (["Running", "Succeeded"], 1, 1, 0),
        (["Running", "Failed"], 1, 0, 1),
        (["Unknown", "Running"], 1, 0, 0),
    ],
)
def test_how_replicas_are_counted(phases: list[str], active: int, succeeded: int, failed: int) -> None:
    world = world_of(2, dict(zip(named(2), phases, strict=True)), RestartPolicy.ON_FAILURE)
    world.step()
    counts = world.job.status.replicas[WORKER]
    assert (counts.active, counts.succeeded, counts.failed) == (active, succeeded, failed)
