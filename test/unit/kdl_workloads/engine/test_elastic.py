"""Jobs whose pods know how many they are, and that are scaled while they run: KubeDL's elastic PyTorchJobs."""

from dataclasses import replace
from typing import Any

import pytest

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.engine.pods import desired_pod
from kdl_workloads.frameworks.pytorch import ELASTIC, WORLD_SIZE, PyTorch
from kdl_workloads.job import ConditionType, Job, RestartPolicy, RestartScope, RunPolicy
from unit.kdl_workloads.engine.world import KUBEDL, MASTER, PYTORCH_KUBEDL, WORKER, World, make_job

PODS = ["job-master-0", "job-worker-0", "job-worker-1"]


def manifest(**annotations: str) -> dict[str, Any]:
    """As KubeDL's documentation has it."""
    template = {"spec": {"containers": [{"name": "pytorch", "image": "train:1"}]}}
    roles = {MASTER: {"replicas": 1, "template": template}, WORKER: {"replicas": 2, "template": template}}
    metadata = {"name": "job", "namespace": "ns", "uid": "job-uid", "annotations": annotations}
    return {"apiVersion": KUBEDL, "kind": "PyTorchJob", "metadata": metadata, "spec": {"pytorchReplicaSpecs": roles}}


def decoded(**changes: Any) -> Job:
    obj = manifest(**{ELASTIC: changes.pop("elastic", "true")})
    obj["spec"] |= changes
    return dialect_for(KUBEDL).decode(obj, PyTorch())


def elastic(workers: int, value: str = "true") -> Job:
    job = make_job(PYTORCH_KUBEDL, {MASTER: 1, WORKER: workers}, RestartPolicy.EXIT_CODE, RunPolicy(backoff_limit=0))
    return replace(job, annotations={ELASTIC: value})


def running(workers: int = 2, value: str = "true") -> World:
    world = World(elastic(workers, value), PYTORCH_KUBEDL)
    for _ in range(2):
        world.step()
        world.run()
    world.step()
    assert world.job.status.has(ConditionType.RUNNING)
    return world


def scale(world: World, workers: int) -> None:
    roles = {**world.job.roles, WORKER: replace(world.job.roles[WORKER], replicas=workers)}
    world.job = replace(world.job, roles=roles, generation=world.job.generation + 1)


def world_sizes(job: Job) -> list[str]:
    pods = [desired_pod(PYTORCH_KUBEDL, job, role, 0) for role in job.roles]
    return [pod["metadata"]["annotations"][WORLD_SIZE] for pod in pods]


def test_pods_read_their_number_from_an_annotation() -> None:
    pod = desired_pod(PYTORCH_KUBEDL, decoded(), WORKER, 1)
    env = {item["name"]: item for item in pod["spec"]["containers"][0]["env"]}
    field = {"fieldPath": f"metadata.annotations['{WORLD_SIZE}']"}
    assert env["WORLD_SIZE"] == {"name": "WORLD_SIZE", "valueFrom": {"fieldRef": field}}
    assert env["RANK"]["value"] == "2"
    assert world_sizes(decoded()) == ["3", "3"]


def test_other_jobs_have_a_plain_number() -> None:
    pod = desired_pod(PYTORCH_KUBEDL, decoded(elastic="false"), WORKER, 1)
    assert {"name": "WORLD_SIZE", "value": "3"} in pod["spec"]["containers"][0]["env"]
    assert WORLD_SIZE not in pod["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({}, RestartScope.JOB),
        ({"restartScope": "Pod"}, RestartScope.POD),
        ({"elastic": "false"}, RestartScope.POD),
    ],
)
def test_a_replica_is_never_replaced_alone_unless_the_user_says_so(changes: Any, scope: RestartScope) -> None:
    assert decoded(**changes).run_policy.restart_scope is scope


@pytest.mark.parametrize("workers", [1, 4])
def test_a_job_that_is_scaled_starts_again_as_a_whole(workers: int) -> None:
    world = running()
    scale(world, workers)
    plan = world.step()
    assert plan.create_pods == ()
    assert sorted(delete.name for delete in plan.delete_pods) == PODS
    restarting = world.job.status.condition(ConditionType.RESTARTING)
    assert restarting is not None
    assert restarting.message == "PyTorchJob job is restarting because its number of replicas has changed."
    for name in PODS:
        world.stopped(name)
    world.step()
    world.step()
    master = world.pods["job-master-0"]
    assert master.metadata.annotations[WORLD_SIZE] == str(workers + 1)
    world.run()
    world.step()
    world.run()
    world.step()
    assert len(world.pods) == workers + 1
    assert world.job.status.has(ConditionType.RUNNING)
    assert (world.job.status.attempts, world.job.status.restarts) == (0, 1)
    assert world.job.status.first_failure is None


@pytest.mark.parametrize("value", ["false", ""])
def test_a_job_that_is_not_elastic_keeps_its_pods(value: str) -> None:
    world = running(value=value)
    scale(world, 3)
    plan = world.step()
    assert [pod["metadata"]["name"] for pod in plan.create_pods] == ["job-worker-2"]
    assert plan.delete_pods == ()


def test_pods_from_before_the_job_was_elastic_are_left_alone() -> None:
    world = running(value="false")
    world.job = replace(world.job, annotations={ELASTIC: "true"})
    scale(world, 3)
    assert world.step().delete_pods == ()


def test_a_second_change_of_mind_on_the_way_starts_nothing_twice() -> None:
    world = running()
    scale(world, 4)
    world.step()
    scale(world, 2)
    world.step()
    assert world.job.status.restarts == 1
    for name in PODS:
        world.stopped(name)
    world.step()
    world.step()
    assert world.pods["job-master-0"].metadata.annotations[WORLD_SIZE] == "3"
