"""Elastic jobs are scaled as a Deployment is: by kubectl, and by a HorizontalPodAutoscaler of the real controller."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from conformance.kubectl import Kubectl
from envtest.controllers.world import World, until
from envtest.jobs.conftest import ELASTIC
from envtest.jobs.elastic import job, pods, resource, running
from kdl_runtime.resources.registry import HORIZONTAL_POD_AUTOSCALERS

AUTOSCALER_SECONDS = 90.0
"""The controller looks for new kinds every 30 s."""


async def has_running(world: World, count: int) -> bool:
    return len(await running(world)) == count == len(await pods(world))


@pytest.mark.parametrize("kind", ELASTIC)
async def test_kubectl_scale(world: World, kubectl: Callable[[World], Kubectl], kind: str) -> None:
    command, plural = kubectl(world), resource(kind).plural
    await world.apply(resource(kind), "job", spec=job(kind, 2))
    await until(partial(has_running, world, 2), "two workers run")

    def shown() -> tuple[int, int, str]:
        found = command.try_("get", "--raw", f"{path}/scale").object
        return found["spec"]["replicas"], found["status"]["replicas"], found["status"]["selector"]

    path = f"/apis/kubeflow.org/v1/namespaces/{world.namespace}/{plural}/job"
    for wanted in (4, 1):
        answer = await asyncio.to_thread(command.try_, "scale", f"{plural}/job", f"--replicas={wanted}")
        assert answer.code == 0, answer.err
        await until(partial(has_running, world, wanted), f"{wanted} workers run")
        assert sorted(await pods(world)) == [f"job-worker-{i}" for i in range(wanted)]

        async def told(wanted: int = wanted) -> bool:
            return (await asyncio.to_thread(shown))[:2] == (wanted, wanted)

        await until(told, f"the scale subresource tells of {wanted}")
        selector = (await asyncio.to_thread(shown))[2]
        assert len(await pods(world, selector)) == wanted
    refused = await asyncio.to_thread(command.try_, "scale", f"{plural}/job", "--current-replicas=7", "--replicas=3")
    assert refused.code != 0


@pytest.mark.parametrize("kind", ELASTIC)
async def test_an_autoscaler(world: World, kind: str) -> None:
    """Without metrics the controller still holds the bounds: too few replicas become the least, too many the most."""
    await world.apply(resource(kind), "job", spec=job(kind, 1))
    target = {"apiVersion": "kubeflow.org/v1", "kind": kind, "name": "job"}
    await world.apply(
        HORIZONTAL_POD_AUTOSCALERS, "job", spec={"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4}
    )
    await until(partial(has_running, world, 3), "the autoscaler has made it three workers", AUTOSCALER_SECONDS)
    found = await world.find(HORIZONTAL_POD_AUTOSCALERS, "job")
    assert found is not None
    conditions = {item["type"]: item["status"] for item in found["status"]["conditions"]}
    assert conditions["AbleToScale"] == "True"
    assert found["status"]["desiredReplicas"] == 3


@pytest.mark.parametrize("kind", ["PaddleJob", "PyTorchJob"])
async def test_the_autoscaler_of_an_elastic_policy(world: World, kind: str) -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    policy = {"minReplicas": 2, "maxReplicas": 3, "metrics": [cpu]}
    await world.apply(resource(kind), "job", spec=job(kind, 1, {"elasticPolicy": policy}))
    await until(partial(has_running, world, 2), "the autoscaler has made it two workers", AUTOSCALER_SECONDS)
    found = await world.find(HORIZONTAL_POD_AUTOSCALERS, "job")
    assert found is not None
    assert (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) == (2, 3)


async def test_groups_are_not_scaled_away(world: World, kubectl: Callable[[World], Kubectl]) -> None:
    groups = [{"name": "big", "replicas": 2, "template": {"spec": {"terminationGracePeriodSeconds": 5}}}]
    await world.apply(resource("JAXJob"), "job", spec=job("JAXJob", 3, groups=groups))
    await until(partial(has_running, world, 3), "three workers run")
    grouped = await pods(world, "kdl.io/replica-group=big")
    assert sorted(grouped) == ["job-worker-0", "job-worker-1"]
    assert {pod["spec"]["terminationGracePeriodSeconds"] for pod in grouped.values()} == {5}
    answer = await asyncio.to_thread(kubectl(world).try_, "scale", "jaxjobs/job", "--replicas=1")
    assert answer.code != 0
    assert "replicas must not be less than the replicas of its groups together" in answer.err
