"""A cache behind a connection that a test can break, and an API server that it can replace."""

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
from kdl_runtime.errors import TransportError
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
