"""The operator on a local API server in this process, and a storage service that listens on a port of its own."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from bucket.bucket import BUCKETS, FINALIZER, Storage, build
from kdl_local.apiserver.server import ApiServer
from kdl_runtime import Client, Manager, ManagerOptions, ObjectKey, Patch, PatchType, SystemClock
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import CRDS, EVENTS
from kdl_testing.direct import DirectTransport

HERE = Path(__file__).parent
KEY = ObjectKey("default", "photos")
NAME = "default.photos"
LOOK_AGAIN = 0.05


class Service:
    """A storage service: buckets with a size and contents. ``down`` answers every request with 503."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.contents: dict[str, list[str]] = {}
        self.down = False
        self.asked_in_vain = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if self.down:
            self.asked_in_vain.set()
            return web.Response(status=503)
        if request.method == "PUT":
            megabytes = (await request.json())["megabytes"]
            if megabytes > 1000:
                return web.Response(status=422, text="1000 MB is the limit")
            self.sizes[name] = megabytes
        elif name not in self.sizes:
            return web.Response(status=404)
        elif self.contents.get(name):
            return web.Response(status=409)
        else:
            del self.sizes[name]
        return web.Response(status=204)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/buckets/{name}", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


class World:
    """A user, the operator, and the service that it looks after."""

    def __init__(self, user: Client, service: Service) -> None:
        self.user = user
        self.service = service

    async def create(self, megabytes: int = 100) -> None:
        bucket = yaml.safe_load((HERE / "sample.yaml").read_text())
        bucket["metadata"]["namespace"] = KEY.namespace
        bucket["spec"]["megabytes"] = megabytes
        await self.user.create(BUCKETS, bucket)

    async def phase(self) -> str:
        return str((await self.user.get(BUCKETS, KEY)).get("status", {}).get("phase", ""))

    async def gone(self) -> bool:
        try:
            await self.user.get(BUCKETS, KEY)
        except NotFound:
            return True
        return False

    async def reasons(self) -> set[str]:
        return {event["reason"] for event in await self.user.list(EVENTS, KEY.namespace)}


async def until(check: Callable[[], Awaitable[Any]], wanted: Any = True) -> None:
    """Asks again for up to ten seconds: the way to the service and back takes real time."""
    for _ in range(1000):
        if await check() == wanted:
            return
        await asyncio.sleep(0.01)
    assert await check() == wanted


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock, rng, service = SystemClock(), random.Random(1), Service()
    server = ApiServer(clock, rng)
    user = Client(DirectTransport(server), clock)
    await user.create(CRDS, yaml.safe_load((HERE / "crd.yaml").read_text()))
    options = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")
    manager = Manager(Client(DirectTransport(server), clock), options, clock, rng)
    async with service.running() as url, aiohttp.ClientSession() as session:
        build(manager, Storage(session, url), LOOK_AGAIN)
        operator = asyncio.create_task(manager.start())
        yield World(user, service)
        manager.stop()
        await operator


async def test_a_bucket_is_made_and_mended(world: World) -> None:
    await world.create()
    await until(world.phase, "Ready")
    assert world.service.sizes == {NAME: 100}
    world.service.sizes.clear()

    async def sizes() -> dict[str, int]:
        return world.service.sizes

    await until(sizes, {NAME: 100})
    await world.user.patch(BUCKETS, KEY, Patch(PatchType.MERGE, {"spec": {"megabytes": 200}}))
    await until(sizes, {NAME: 200})


async def test_a_bucket_stays_until_the_service_has_removed_it(world: World) -> None:
    await world.create()
    await until(world.phase, "Ready")
    world.service.contents[NAME] = ["cat.jpg"]
    left = await world.user.delete(BUCKETS, KEY)
    assert left is not None
    assert left["metadata"]["finalizers"] == [FINALIZER]
    await until(world.phase, "Deleting")
    await until(world.reasons, {"NotEmpty"})
    assert world.service.sizes == {NAME: 100}
    world.service.contents.clear()
    await until(world.gone)
    assert world.service.sizes == {}


async def test_a_service_that_is_down_delays_and_loses_nothing(world: World) -> None:
    world.service.down = True
    await world.create()
    await world.service.asked_in_vain.wait()
    assert await world.phase() == ""
    world.service.down = False
    await until(world.phase, "Ready")
    world.service.down = True
    world.service.asked_in_vain.clear()
    await world.user.delete(BUCKETS, KEY)
    await world.service.asked_in_vain.wait()
    assert not await world.gone()
    world.service.down = False
    await until(world.gone)
    assert world.service.sizes == {}


async def test_what_the_service_refuses_is_told(world: World) -> None:
    await world.create(megabytes=5000)
    await until(world.phase, "Refused")
    message = (await world.user.get(BUCKETS, KEY))["status"]["message"]
    assert message == "the storage service refuses 5000 MB: 1000 MB is the limit"
    await world.user.patch(BUCKETS, KEY, Patch(PatchType.MERGE, {"spec": {"megabytes": 500}}))
    await until(world.phase, "Ready")
