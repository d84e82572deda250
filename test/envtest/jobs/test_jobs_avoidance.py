"""The real scheduler puts pods on other nodes than those that they keep off, and on these if there is no other."""

from typing import Any

from envtest.controllers.world import World, until
from envtest.jobs.elastic import pods
from kdl_runtime.resources.registry import PODS
from kdl_workloads.engine.avoidance import keep_off


async def nodes_of(world: World, count: int) -> set[str]:
    async def bound() -> bool:
        found = await pods(world)
        return len(found) == count and all(pod["spec"].get("nodeName") for pod in found.values())

    await until(bound, f"{count} pods have a node")
    return {pod["spec"]["nodeName"] for pod in (await pods(world)).values()}


async def create(world: World, nodes: list[str], count: int) -> None:
    for number in range(count):
        pod: dict[str, Any] = {
            "metadata": {"namespace": world.namespace, "name": f"pod-{number}"},
            "spec": {"containers": [{"name": "a", "image": "a"}]},
        }
        await world.user.create(PODS, keep_off(pod, nodes))


async def test_pods_keep_off_a_node(world: World) -> None:
    await create(world, ["fake-0", "gone"], 6)
    assert await nodes_of(world, 6) == {"fake-1"}


async def test_a_node_is_better_than_none(world: World) -> None:
    await create(world, ["fake-0", "fake-1"], 2)
    assert await nodes_of(world, 2) <= {"fake-0", "fake-1"}
