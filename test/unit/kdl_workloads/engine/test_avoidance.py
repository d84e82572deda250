"""Nodes that pods were lost with, and the pods that keep off them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from kdl_workloads.engine.avoidance import AVOIDED_FOR, MAX_NODES, avoided, keep_off
from kdl_workloads.engine.observed import NodeState
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import JobStatus, LostNode, RestartScope, RunPolicy
from unit.kdl_workloads.engine.world import START, WORKER, World, after, make_job, make_pod

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def names(pod: Mapping[str, Any]) -> list[str]:
    """The nodes that a pod keeps off."""
    terms = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(PREFERRED, [])
    return [value for term in terms for field in term["preference"]["matchFields"] for value in field["values"]]


def running(run_policy: RunPolicy | None = None) -> World:
    world = World(make_job(roles={WORKER: 2}, run_policy=run_policy))
    world.step()
    world.run()
    world.step()
    return world


def lose(world: World, name: str) -> None:
    """Somebody deletes a pod whose node has gone; its time has passed."""
    pod = world.pods[name]
    world.delete(name)
    world.nodes = {pod.spec.node_name: NodeState.LOST}
    world.now += timedelta(seconds=61)


@pytest.mark.parametrize("scope", list(RestartScope))
def test_the_next_pods_keep_off_the_node(scope: RestartScope) -> None:
    world = running(RunPolicy(restart_scope=scope))
    lose(world, "job-worker-1")
    world.step()
    assert world.job.status.lost_nodes == (LostNode("node-1", world.now),)
    for name in list(world.pods):
        world.stopped(name)
    made = [pod for _ in range(3) for pod in world.step().create_pods]
    assert {pod["metadata"]["name"] for pod in made} >= {"job-worker-1"}
    assert all(names(pod) == ["node-1"] for pod in made)


def test_a_loss_is_remembered_once_and_the_status_comes_to_rest() -> None:
    world = running()
    lose(world, "job-worker-1")
    world.step("after")
    first = world.job.status
    world.now += timedelta(seconds=5)
    world.step("after")
    assert world.job.status.lost_nodes == first.lost_nodes


def test_later_pods_do_not_mind() -> None:
    world = running()
    lose(world, "job-worker-1")
    world.step()
    world.step()
    world.now += AVOIDED_FOR
    world.end("job-worker-0", 1)
    made = [pod for _ in range(3) for pod in world.step().create_pods]
    assert [names(pod) for pod in made if pod["metadata"]["name"] == "job-worker-0"] == [[]]


@pytest.mark.parametrize(
    ("pod", "remembered"),
    [
        (make_pod(phase="Failed", conditions={"DisruptionTarget": ("True", "DeletionByTaintManager")}), True),
        (make_pod(phase="Failed", conditions={"DisruptionTarget": ("True", "DeletionByPodGC")}), True),
        (make_pod(phase="Failed", conditions={"DisruptionTarget": ("True", "PreemptionByScheduler")}), False),
        (make_pod(phase="Failed", exit_code=1), False),
        (make_pod(phase="Succeeded", exit_code=0), False),
        (make_pod(deleted=after(-100), node=""), False),
        (make_pod(), False),
    ],
)
def test_which_ends_are_the_nodes(pod: Pod, remembered: bool) -> None:
    world = World(make_job(roles={WORKER: 1}), pods={pod.name: pod})
    world.step("after")
    assert [node.name for node in world.job.status.lost_nodes] == (["node-1"] if remembered else [])


def test_the_latest_are_kept() -> None:
    nodes = tuple(LostNode(f"n{i}", after(-i)) for i in reversed(range(MAX_NODES)))
    old = LostNode("old", START - AVOIDED_FOR)
    pod = make_pod(phase="Failed", conditions={"DisruptionTarget": ("True", "DeletionByPodGC")}, node="new")
    status = JobStatus(lost_nodes=(old, *nodes))
    world = World(make_job(roles={WORKER: 1}, status=status), pods={pod.name: pod})
    world.step("after")
    kept = world.job.status.lost_nodes
    assert len(kept) == MAX_NODES
    assert kept[-1] == LostNode("new", START)
    assert [node.name for node in kept[:-1]] == [node.name for node in nodes[1:]]


def test_what_is_avoided_when() -> None:
    status = JobStatus(lost_nodes=(LostNode("a", START), LostNode("b", after(60))))
    assert avoided(status, after(0)) == ("a", "b")
    assert avoided(status, START + AVOIDED_FOR) == ("b",)
    assert avoided(status, after(60) + AVOIDED_FOR) == ()


def test_preferences_of_the_user_stay() -> None:
    own = {"weight": 1, "preference": {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}}
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
    of_nodes = {PREFERRED: [own], "requiredDuringSchedulingIgnoredDuringExecution": required}
    pod = {"spec": {"affinity": {"nodeAffinity": of_nodes, "podAffinity": {}}}}
    result = keep_off(pod, ["a", "b"])
    affinity = result["spec"]["affinity"]
    assert affinity["podAffinity"] == {}
    assert affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] == required
    first, second = affinity["nodeAffinity"][PREFERRED]
    assert first == own
    assert second["weight"] == 100
    assert second["preference"]["matchFields"] == [
        {"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in ("a", "b")
    ]
    assert pod["spec"]["affinity"]["nodeAffinity"][PREFERRED] == [own]
    assert keep_off(pod, []) is pod
