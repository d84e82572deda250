"""Progress on a real API server: by annotation, and by HTTP with what the pods of the job were given."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp
import pytest

from envtest.controllers.world import World, until
from envtest.jobs.conftest import CRDS, NUMBERS
from envtest.jobs.elastic import job, pods, resource, running
from kdl_runtime import Manager
from kdl_runtime.client.options import Patch, PatchType
from kdl_runtime.codec.json import encode
from kdl_runtime.resources.registry import PODS
from kdl_runtime.serve.address import Address
from kdl_testing.envtest import Cluster
from kdl_testing.envtest.ports import free_port
from kdl_workloads.operator import OperatorOptions, build
from kdl_workloads.progress.reporting import EndpointOptions
from kdl_workloads.progress.tokens import shared_key

KIND = "JAXJob"
OF = resource(KIND)


@pytest.fixture
async def listening(fake_cluster: Cluster) -> AsyncIterator[World]:
    """A namespace whose operator takes reports by HTTP, with a key that it keeps there."""
    rng = random.SystemRandom()
    address = Address("127.0.0.1", free_port("127.0.0.1", rng))
    async with AsyncExitStack() as stack:
        world = await World.create(fake_cluster, f"progress-{next(NUMBERS)}", stack)
        keys = {await shared_key(world.user, world.namespace, rng.randbytes) for _ in range(2)}
        progress = EndpointOptions(address, f"http://{address}", keys.pop())
        assert keys == set(), "the second operator reads the key of the first"

        def run(manager: Manager) -> None:
            build(manager, OperatorOptions(workloads=KIND, late_kinds=False, progress=progress), [OF])

        await world.install(CRDS / f"{OF.plural}.{OF.group}.yaml")
        await stack.enter_async_context(world.operator(run))
        yield world


async def has_reported(world: World, **fields: Any) -> bool:
    found = await world.find(OF, "job") or {}
    progress = found.get("status", {}).get("progress") or {}
    return {name: progress.get(name) for name in fields} == fields


async def test_pods_report(listening: World) -> None:
    world = listening
    await world.apply(OF, "job", spec=job(KIND, 2))

    async def both_run() -> bool:
        return len(await running(world)) == 2

    await until(both_run, "two workers run")
    (container,) = (await pods(world))["job-worker-0"]["spec"]["containers"]
    given = {variable["name"]: variable.get("value") for variable in container["env"]}
    headers = {"Authorization": f"Bearer {given['KDL_PROGRESS_TOKEN']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        report = {"step": 1, "total": 4, "metrics": {"loss": 0.5}}
        async with session.post(given["KDL_PROGRESS_URL"], json=report) as response:
            assert response.status == 202
        wanted = {"percentage": 25, "step": 1, "metrics": [{"name": "loss", "value": "0.5"}]}
        await until(partial(has_reported, world, **wanted), "the report is in the status")
        async with session.post(given["KDL_PROGRESS_URL"].replace("/job/", "/other/"), json=report) as response:
            assert response.status == 401
    annotation = {"kdl.io/progress": encode({"percentage": 50}).decode()}
    await world.user.patch(
        PODS, world.key("job-worker-1"), Patch(PatchType.MERGE, {"metadata": {"annotations": annotation}})
    )
    await until(partial(has_reported, world, percentage=50, step=None, metrics=None), "the annotation replaces it")
