"""Kinds that are served later, or not any more."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.served import ServedKinds
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import Forbidden, NotFound, NotSyncedError, TransportError
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

GHOSTS = Resource("example.com", "v1", "Ghost", "ghosts")
SPIRITS = Resource("example.com", "v1", "Spirit", "spirits")
JOBS_LIKE = Resource("other.com", "v1", "Thing", "things")
KEY = ObjectKey("default", "a")


class Discoveries:
    """Discovery that serves what ``resources`` says, or fails as ``error`` says."""

    def __init__(self, *resources: Resource) -> None:
        self.resources = set(resources)
        self.error: Exception | None = None
        self.asked: list[str] = []

    async def get_path(self, path: str, query: Mapping[str, str] = {}, *, accept: str = "") -> bytes:
        self.asked.append(path)
        if self.error is not None:
            raise self.error
        version = path.removeprefix("/apis/").removeprefix("/api/")
        served = [of for of in self.resources if of.api_version == version]
        if not served:
            raise NotFound("404 page not found")
        items = [{"name": of.plural, "kind": of.kind, "namespaced": of.namespaced} for of in served]
        return encode({"groupVersion": version, "resources": items})


class Waits:
    """Who waits for which kind, and since when it need not any more."""

    def __init__(self, *served: Resource) -> None:
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        self.discovery = Discoveries(*served)
        self.served = ServedKinds(self.discovery, self.clock)

    def start(self, resource: Resource) -> "asyncio.Task[float]":
        async def wait() -> float:
            await self.served.wait(resource)
            return self.clock.monotonic()

        return asyncio.create_task(wait())


def test_what_is_served_is_not_waited_for() -> None:
    async def main() -> None:
        waits = Waits(GHOSTS)
        before = waits.clock.monotonic()
        assert await waits.start(GHOSTS) == before
        assert waits.discovery.asked == ["/apis/example.com/v1"]

    run(main())


def test_one_look_is_for_all_who_wait() -> None:
    async def main() -> None:
        waits = Waits()
        tasks = [waits.start(GHOSTS) for _ in range(20)] + [waits.start(SPIRITS), waits.start(JOBS_LIKE)]
        await waits.clock.sleep(600)
        looks = len(waits.discovery.asked)
        assert looks < 60, "one for each group and version, and no more"
        waits.discovery.resources.add(GHOSTS)
        done_at = await asyncio.gather(*tasks[:20])
        assert max(done_at) <= 600 + 31
        assert not tasks[-1].done()
        waits.discovery.resources |= {SPIRITS, JOBS_LIKE}
        await asyncio.gather(*tasks)
        assert waits.served._waiting.total() == 0

    run(main())


def test_who_came_at_different_times_soon_shares_looks() -> None:
    async def main() -> None:
        waits = Waits()
        for _ in range(20):
            waits.start(GHOSTS)
            await waits.clock.sleep(7)
        await waits.clock.sleep(120)
        waits.discovery.asked.clear()
        await waits.clock.sleep(600)
        assert len(waits.discovery.asked) <= 21, "twice a minute"
        waits.discovery.resources.add(GHOSTS)
        await asyncio.wait_for(waits.start(GHOSTS), 31)

    run(main())


def test_what_is_not_served_is_said_once_and_together() -> None:
    async def main() -> None:
        waits = Waits(JOBS_LIKE)
        tasks = [waits.start(of) for of in (GHOSTS, SPIRITS, GHOSTS, JOBS_LIKE)]
        with structlog.testing.capture_logs() as lines:
            await waits.clock.sleep(300)
            waits.discovery.resources |= {GHOSTS, SPIRITS}
            await asyncio.gather(*tasks)
        warnings = [line["kinds"] for line in lines if line["log_level"] == "warning"]
        assert warnings == [["Ghost.example.com/v1", "Spirit.example.com/v1"]]
        served = sorted(line["resource"] for line in lines if line["log_level"] == "info")
        assert served == ["ghosts.example.com", "spirits.example.com"]

    run(main())


def test_a_server_that_is_away_is_asked_again() -> None:
    async def main() -> None:
        waits = Waits()
        waits.discovery.error = TransportError("refused")
        task = waits.start(GHOSTS)
        await waits.clock.sleep(300)
        assert not task.done()
        waits.discovery.error = None
        waits.discovery.resources.add(GHOSTS)
        assert await task <= 331

    run(main())


def test_who_may_not_ask_finds_out_by_trying() -> None:
    async def main() -> None:
        waits = Waits()
        waits.discovery.error = Forbidden("no discovery for you")
        assert 0.5 <= await waits.start(GHOSTS) <= 5

    run(main())


def crd() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": GHOSTS.group_resource},
        "spec": {
            "group": GHOSTS.group,
            "scope": "Namespaced",
            "names": {"plural": GHOSTS.plural, "singular": "ghost", "kind": GHOSTS.kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


class World:
    def __init__(self) -> None:
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        rng = random.Random(1)
        self.server = ApiServer(self.clock, rng)
        self.asked: list[str] = []
        self.client = Client(DirectTransport(self), self.clock)
        self.stranger = Client(DirectTransport(self.server), self.clock)
        self.cache = Cache(self.client, self.clock, rng)

    async def handle(self, request: Request) -> Response:
        self.asked.append(request.path)
        return await self.server.handle(request)


def in_a_world(body: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()
        try:
            await body(world)
        finally:
            await world.cache.stop()

    run(main())


def test_a_watch_begins_when_its_kind_is_served_and_holds_nothing_up_before() -> None:
    async def body(world: World) -> None:
        ghosts = world.cache.declare(WatchSpec(GHOSTS, required=False))
        world.cache.declare(WatchSpec(CONFIGMAPS))
        await world.cache.start()
        await world.cache.wait_synced(10)
        await world.clock.sleep(7200)
        assert not ghosts.synced
        assert ghosts.trouble == "the kind is not served"
        assert [path for path in world.asked if path.endswith("/ghosts")] == [], "only discovery is asked"
        world.cache.check_alive()
        world.cache.check_ready()
        await world.stranger.create(CRDS, crd())
        await asyncio.wait_for(ghosts.wait_synced(), 40)
        assert ghosts.trouble == ""
        await world.stranger.create(GHOSTS, {"metadata": {"name": "a", "namespace": "default"}})
        await world.clock.sleep(1)
        assert ghosts.get(KEY) is not None

    in_a_world(body)


@pytest.mark.parametrize("required", [True, False])
def test_a_kind_that_is_deleted_and_made_again_is_followed_again(required: bool) -> None:
    async def body(world: World) -> None:
        await world.stranger.create(CRDS, crd())
        await world.stranger.create(GHOSTS, {"metadata": {"name": "a", "namespace": "default"}})
        ghosts = world.cache.declare(WatchSpec(GHOSTS, required=required))
        await world.cache.start()
        await ghosts.wait_synced()
        first = ghosts.get(KEY)
        assert first is not None
        await world.stranger.delete(CRDS, ObjectKey("", GHOSTS.group_resource))
        await world.clock.sleep(1200)
        world.cache.check_alive()
        if required:
            with pytest.raises(NotSyncedError, match=r"the watch on ghosts\.example\.com is lost for .* NotFound"):
                world.cache.check_ready()
        else:
            world.cache.check_ready()
        await world.stranger.create(CRDS, crd())
        await world.stranger.create(GHOSTS, {"metadata": {"name": "a", "namespace": "default"}})
        await world.clock.sleep(120)
        again = ghosts.get(KEY)
        assert again is not None
        assert again.metadata.uid != first.metadata.uid
        world.cache.check_ready()

    in_a_world(body)
