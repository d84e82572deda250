"""What goes wrong between the API server and the cache: in each case the cache equals the server in the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.collection import WatcherOptions
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.json import decode, encode
from kdl_runtime.errors import ApiError, KdlError, NotSyncedError, TransportError
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.transport.http import HttpRequest, HttpResponse, StreamResponse
from kdl_runtime.types import ObjectKey
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run


def config_map(name: str, n: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"n": str(n)}}


class Front:
    """The one address behind which an API server is, and may be replaced by one with other data."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    async def handle(self, request: Request) -> Response:
        return await self.server.handle(request)


class Lines:
    """A stream whose lines ``change`` may drop, repeat or reorder: it is given a line and gives none or several."""

    def __init__(self, stream: StreamResponse, change: Callable[[bytes], list[bytes]]) -> None:
        self.status = stream.status
        self.headers = stream.headers
        self._stream = stream
        self._change = change

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream.chunks():
            for line in chunk.splitlines(keepends=True):
                for changed in self._change(line):
                    yield changed

    async def read(self) -> bytes:
        return await self._stream.read()


class FaultyTransport:
    """A transport whose watches are changed by ``change``; ``pause`` holds every answer back while it is set."""

    def __init__(self, inner: DirectTransport) -> None:
        self.inner = inner
        self.change: Callable[[bytes], list[bytes]] = lambda line: [line]
        self.open = asyncio.Event()
        self.open.set()
        self.lists = 0
        self.fail_list: Callable[[HttpRequest], HttpResponse | None] = lambda _: None

    async def _opened(self) -> None:
        try:
            async with asyncio.timeout(60):
                await self.open.wait()
        except TimeoutError:
            raise TransportError("no answer in time") from None

    async def request(self, request: HttpRequest) -> HttpResponse:
        await self._opened()
        if request.method == "GET" and request.path.endswith("configmaps"):
            self.lists += 1
            if (failure := self.fail_list(request)) is not None:
                return failure
        return await self.inner.request(request)

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[StreamResponse]:
        await self._opened()
        async with self.inner.stream(request) as stream:
            yield Lines(stream, lambda line: self.change(line))

    async def close(self) -> None:
        await self.inner.close()


class World:
    def __init__(self, options: WatcherOptions) -> None:
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        self.rng = random.Random(1)
        self.front = Front(ApiServer(self.clock, self.rng))
        self.direct = DirectTransport(self.front)
        self.transport = FaultyTransport(self.direct)
        self.client = Client(self.transport, self.clock)
        self.stranger = Client(DirectTransport(self.front), self.clock)
        self.cache = Cache(self.client, self.clock, self.rng, options=options)
        self.informer = self.cache.declare(WatchSpec(CONFIGMAPS))
        self.told: list[str] = []
        self.informer.add_handler(lambda event: self.told.append(f"{event.type} {event.object.metadata.name}"))

    async def start(self) -> None:
        await self.cache.start()
        await self.cache.wait_synced(100)

    async def write(self, count: int, prefix: str = "m") -> None:
        """Objects that change, and every third of which goes again."""
        for number in range(count):
            key = ObjectKey("default", f"{prefix}{number}")
            await self.stranger.create(CONFIGMAPS, config_map(key.name))
            await self.stranger.patch(CONFIGMAPS, key, Patch(PatchType.MERGE, {"data": {"n": "1"}}))
            if number % 3 == 0:
                await self.stranger.delete(CONFIGMAPS, key)
            await self.clock.sleep(0.01)

    async def served(self) -> dict[str, str]:
        listed = await self.stranger.list(CONFIGMAPS)
        return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in listed}

    def shown(self) -> dict[str, str]:
        return {obj.metadata.name: obj.metadata.resource_version for obj in self.informer.list()}

    async def equal(self, within: float = 60.0) -> None:
        for _ in range(int(within)):
            await self.clock.sleep(1)
            if self.shown() == await self.served():
                return
        assert self.shown() == await self.served()


STREAMED = WatcherOptions()
LISTED = WatcherOptions(stream_lists=False, page_size=3)
both = pytest.mark.parametrize("options", [pytest.param(STREAMED, id="streamed"), pytest.param(LISTED, id="listed")])


def in_a_world(options: WatcherOptions, body: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World(options)
        try:
            await body(world)
        finally:
            await world.cache.stop()

    run(main())


def every(number: int, change: Callable[[bytes], list[bytes]]) -> Callable[[bytes], list[bytes]]:
    """Change every so many-th line."""
    count = 0

    def one(line: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        return change(line) if count % number == 0 else [line]

    return one


def repeated(number: int, after: int) -> Callable[[bytes], list[bytes]]:
    """Every so many-th line comes again, ``after`` lines later."""
    past: list[bytes] = []
    count = 0

    def one(line: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        past.append(line)
        return [line, past[-1 - after]] if count % number == 0 and len(past) > after else [line]

    return one


@both
@pytest.mark.parametrize("after", [0, 1, 7])
def test_events_that_come_twice(options: WatcherOptions, after: int) -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.change = repeated(5, after)
        await world.write(30)
        world.transport.change = lambda line: [line]
        await world.equal(180)

    in_a_world(options, body)


@both
def test_a_watch_with_gaps_ends_with_the_next_list(options: WatcherOptions) -> None:
    """A gap in the middle of a stream cannot be seen; what can is the garbage in which it ends."""

    async def body(world: World) -> None:
        await world.start()
        world.transport.change = lambda line: [] if b'"MODIFIED"' in line or b'"DELETED"' in line else [line]
        await world.write(12)
        world.transport.change = lambda line: [b"not an event\n"]
        await world.write(1, "x")
        await world.clock.sleep(600)
        world.transport.change = lambda line: [line]
        await world.equal(180)

    in_a_world(options, body)


@both
def test_bookmarks_that_come_late_and_twice(options: WatcherOptions) -> None:
    def bookmark(version: int) -> bytes:
        return encode({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}) + b"\n"

    async def body(world: World) -> None:
        await world.start()
        world.transport.change = lambda line: [bookmark(2), line, bookmark(1), bookmark(1)]
        await world.write(10)
        versions = [watcher.resource_version for watcher in world.informer._watchers.values()]
        assert int(versions[0]) > 2
        world.direct.sever()
        world.direct.heal()
        await world.write(10, "later")
        await world.equal()

    in_a_world(options, body)


@both
@pytest.mark.parametrize("writes", [0, 3])
def test_data_that_were_restored_from_a_backup(options: WatcherOptions, writes: int) -> None:
    async def body(world: World) -> None:
        await world.write(20)
        await world.start()
        # Pins and tombstones of own writes, at versions that the restored server has yet to reach.
        await world.client.create(CONFIGMAPS, config_map("own"))
        await world.client.delete(CONFIGMAPS, ObjectKey("default", "m1"))
        world.front.server = ApiServer(world.clock, random.Random(2))
        for number in range(5):
            await world.stranger.create(CONFIGMAPS, config_map(f"m{number}"))
        world.direct.sever()
        world.direct.heal()
        for number in range(writes):
            await world.client.create(CONFIGMAPS, config_map(f"after{number}"))
        await world.equal(1800)
        assert "m1" in world.shown()
        await world.client.create(CONFIGMAPS, config_map("now"))
        assert "now" in world.shown()
        await world.client.delete(CONFIGMAPS, ObjectKey("default", "now"))
        assert "now" not in world.shown()
        await world.equal()

    in_a_world(options, body)


def test_an_old_state_behind_newer_versions_is_shown() -> None:
    """``etcdutl snapshot restore --bump-revision`` restores old objects, and the server goes on at high versions."""

    async def body(world: World) -> None:
        await world.stranger.create(CONFIGMAPS, config_map("a"))
        await world.stranger.create(CONFIGMAPS, config_map("b"))
        backup = {obj["metadata"]["name"]: obj for obj in await world.stranger.list(CONFIGMAPS)}
        await world.start()
        await world.client.patch(CONFIGMAPS, ObjectKey("default", "a"), Patch(PatchType.MERGE, {"data": {"n": "9"}}))
        await world.stranger.delete(CONFIGMAPS, ObjectKey("default", "b"))
        await world.clock.sleep(1)
        assert set(world.shown()) == {"a"}
        bumped = encode({"metadata": {"resourceVersion": str(10**15)}, "items": [*backup.values()]})
        world.transport.fail_list = lambda _: HttpResponse(200, {}, bumped)
        compacted = encode({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}) + b"\n"
        world.transport.change = lambda line: [compacted]
        await world.stranger.create(CONFIGMAPS, config_map("c"))
        await world.clock.sleep(30)
        assert world.shown() == {name: obj["metadata"]["resourceVersion"] for name, obj in backup.items()}
        assert world.transport.lists < 20, "lists that help nothing are not asked for in a storm"

    in_a_world(LISTED, body)


def test_pages_that_expire_in_the_middle() -> None:
    async def body(world: World) -> None:
        await world.write(20)
        gone = encode({"kind": "Status", "code": 410, "reason": "Expired", "message": "the token is too old"})
        left = 3

        def fail(request: HttpRequest) -> HttpResponse | None:
            nonlocal left
            if left and any(name == "continue" for name, _ in request.query):
                left -= 1
                return HttpResponse(410, {}, gone)
            return None

        world.transport.fail_list = fail
        await world.start()
        await world.equal()

    in_a_world(LISTED, body)


def test_a_server_that_accepts_streamed_lists_and_never_ends_them() -> None:
    async def body(world: World) -> None:
        await world.write(10)
        world.transport.change = lambda line: [] if b"initial-events-end" in line else [line]
        await world.start()
        assert world.transport.lists > 0
        await world.write(10, "later")
        await world.equal()

    in_a_world(STREAMED, body)


@both
def test_a_server_that_pauses_for_long(options: WatcherOptions) -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.open.clear()
        world.direct.sever()
        world.direct.heal()
        await world.write(10)
        await world.clock.sleep(7200)
        world.cache.check_alive()
        with pytest.raises(NotSyncedError, match="the watch on configmaps is lost for"):
            world.cache.check_ready()
        world.transport.open.set()
        await world.equal(120)
        world.cache.check_ready()

    in_a_world(options, body)


@both
def test_an_object_that_cannot_be_decoded_hides_no_other(options: WatcherOptions) -> None:
    def spoil(line: bytes) -> list[bytes]:
        event = decode(line)
        if event["type"] != "BOOKMARK" and event["object"]["metadata"]["name"] == "m1":
            event["object"]["metadata"]["labels"] = 7
        return [encode(event) + b"\n"]

    async def body(world: World) -> None:
        await world.start()
        world.transport.change = spoil
        await world.write(5)
        await world.clock.sleep(1)
        assert set(world.shown()) == {"m2", "m4"}
        world.transport.change = lambda line: [line]
        await world.stranger.patch(CONFIGMAPS, ObjectKey("default", "m1"), Patch(PatchType.MERGE, {"data": {"n": "2"}}))
        await world.equal()

    in_a_world(options, body)


@pytest.mark.parametrize("seed", range(12))
def test_faults_of_all_kinds_at_once(seed: int) -> None:
    """Lines lost before a break, repeated and late ones, breaks, refusals, and own writes in between."""

    async def body(world: World) -> None:
        rng = random.Random(seed)
        await world.start()
        late: list[bytes] = []

        def change(line: bytes) -> list[bytes]:
            chance = rng.random()
            late.append(line)
            if chance < 0.05:
                return [line, line]
            if chance < 0.1:
                return [line, rng.choice(late)]
            if chance < 0.13:
                return [b"{broken\n"]
            return [line]

        world.transport.change = change
        for number in range(60):
            if rng.random() < 0.1:
                world.direct.sever()
                await world.clock.sleep(rng.random() * 5)
                world.direct.heal()
            key = ObjectKey("default", f"m{rng.randrange(12)}")
            client = world.client if rng.random() < 0.5 else world.stranger
            try:
                await (
                    client.delete(CONFIGMAPS, key)
                    if rng.random() < 0.3
                    else client.create(CONFIGMAPS, config_map(key.name))
                    if rng.random() < 0.5
                    else client.patch(CONFIGMAPS, key, Patch(PatchType.MERGE, {"data": {"n": str(number)}}))
                )
            except ApiError:
                pass
            except KdlError:
                pytest.fail("the writer's connection is whole")
            await world.clock.sleep(rng.random())
        world.transport.change = lambda line: [line]
        await world.equal(300)

    in_a_world(STREAMED if seed % 2 else LISTED, body)
