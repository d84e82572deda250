"""A reconciliation does not begin on a state that is older than what was written for its key (KEP-5647)."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.informer import Informer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client, DeleteOptions, Patch, PatchType, Preconditions, WriteOptions
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import AlreadyExists, InternalError, TransportError
from kdl_runtime.observe.logging import Reconciliation, reconciliation
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import CONFIGMAPS, NODES, PODS, SECRETS
from kdl_runtime.transport.http import HttpRequest, HttpResponse, StreamResponse
from kdl_runtime.types import ObjectKey
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

OWNER = ObjectKey("default", "owner")
KEY = ObjectKey("default", "a")


class LossyTransport:
    """Loses the answers of writes (``lose``), or answers all but watches with ``failure``; holds the watches back."""

    def __init__(self, inner: DirectTransport) -> None:
        self.inner = inner
        self.lose = False
        self.done = asyncio.Event()
        self.hang = False
        self.failure: Exception | None = None
        self.answer: HttpResponse | None = None
        self.requests: list[str] = []
        self.watches = asyncio.Event()
        self.watches.set()

    async def request(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request.method)
        if self.failure is not None:
            raise self.failure
        response = await self.inner.request(request)
        self.done.set()
        if request.method != "GET":
            if self.hang:
                await asyncio.Event().wait()
            if self.lose:
                raise TransportError("the connection broke before the answer came")
            if self.answer is not None:
                return self.answer
        return response

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[StreamResponse]:
        async with self.inner.stream(request) as stream:
            yield _Held(stream, self.watches)

    async def close(self) -> None:
        await self.inner.close()


class _Held:
    def __init__(self, stream: StreamResponse, gate: asyncio.Event) -> None:
        self.status, self.headers, self._stream, self._gate = stream.status, stream.headers, stream, gate

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream.chunks():
            await self._gate.wait()
            yield chunk

    async def read(self) -> bytes:
        return await self._stream.read()


class World:
    """A cache whose watches tell nothing once it is synced, so that only what is written and read anew is shown."""

    def __init__(self) -> None:
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        self.server = ApiServer(self.clock, random.Random(1))
        self.transport = LossyTransport(DirectTransport(self.server))
        self.client = Client(self.transport, self.clock)
        self.stranger = Client(DirectTransport(self.server), self.clock)
        self.metrics = Metrics()
        self.cache = Cache(self.client, self.clock, random.Random(1), self.metrics)
        self.informer: Informer[Any] = self.cache.declare(WatchSpec(CONFIGMAPS))

    async def start(self) -> None:
        await self.cache.start()
        await self.cache.wait_synced(10)
        self.transport.watches.clear()
        self.transport.requests.clear()

    def data(self) -> Any:
        return (self.informer.object(KEY) or {}).get("data")

    def waits(self, result: str) -> float:
        return self.metrics.value("kdl_runtime_consistency_waits_total", result=result) or 0.0


def in_a_world(body: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()
        try:
            await body(world)
        finally:
            await world.cache.stop()

    run(main())


def work() -> Any:
    identity: Any = 1
    return reconciliation(Reconciliation("owners", OWNER, identity))


def config_map(**data: str) -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "default"}, "data": data}


def test_nothing_is_asked_when_every_answer_came() -> None:
    async def body(world: World) -> None:
        await world.start()
        with work():
            await world.client.create(CONFIGMAPS, config_map(n="1"))
        world.transport.requests.clear()
        await world.cache.wait_caught_up(OWNER)
        assert world.transport.requests == []
        assert world.waits("caught_up") == 0

    in_a_world(body)


@pytest.mark.parametrize("verb", ["create", "patch", "delete"])
def test_a_write_whose_answer_was_lost_is_looked_up(verb: str) -> None:
    async def body(world: World) -> None:
        if verb != "create":
            await world.stranger.create(CONFIGMAPS, config_map(n="0"))
        await world.start()
        before = world.data()
        world.transport.lose = True
        with work(), pytest.raises(TransportError):
            if verb == "create":
                await world.client.create(CONFIGMAPS, config_map(n="1"))
            elif verb == "patch":
                await world.client.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"n": "1"}}))
            else:
                await world.client.delete(CONFIGMAPS, KEY)
        assert world.data() == before
        await world.cache.wait_caught_up(ObjectKey("default", "other"))
        assert world.data() == before
        await world.cache.wait_caught_up(OWNER)
        assert world.data() == (None if verb == "delete" else {"n": "1"})
        world.transport.requests.clear()
        await world.cache.wait_caught_up(OWNER)
        assert world.transport.requests == []
        assert world.waits("caught_up") == 1

    in_a_world(body)


def test_a_write_that_was_cancelled_is_looked_up() -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.hang = True
        world.transport.done.clear()

        async def write() -> None:
            with work():
                await world.client.create(CONFIGMAPS, config_map(n="1"))

        task = asyncio.create_task(write())
        await world.transport.done.wait()
        task.cancel()
        await asyncio.wait({task})
        assert world.data() is None
        await world.cache.wait_caught_up(OWNER)
        assert world.data() == {"n": "1"}

    in_a_world(body)


def test_a_refusal_is_an_answer_and_a_failure_of_the_server_is_none() -> None:
    async def body(world: World) -> None:
        await world.start()
        with work():
            await world.client.create(CONFIGMAPS, config_map(n="1"))
            with pytest.raises(AlreadyExists):
                await world.client.create(CONFIGMAPS, config_map(n="2"))
            assert not world.cache._consistency.pending(OWNER)
            world.transport.answer = HttpResponse(500, {}, encode({"kind": "Status", "reason": "InternalError"}))
            with pytest.raises(InternalError):
                await world.client.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"n": "3"}}))
        await world.cache.wait_caught_up(OWNER)
        assert world.data() == {"n": "3"}

    in_a_world(body)


def test_dry_runs_and_kinds_that_nobody_reads_raise_no_doubts() -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.lose = True
        with work():
            with pytest.raises(TransportError):
                await world.client.create(CONFIGMAPS, config_map(n="1"), WriteOptions(dry_run=True))
            with pytest.raises(TransportError):
                await world.client.create(SECRETS, config_map())
        assert not world.cache._consistency.pending(OWNER)

    in_a_world(body)


def test_a_subresource_that_answers_with_something_else_has_its_object_read_anew() -> None:
    async def body(world: World) -> None:
        pod = {"metadata": config_map()["metadata"], "spec": {"containers": [{"name": "main", "image": "main"}]}}
        await world.stranger.create(PODS, pod)
        await world.stranger.create(NODES, {"metadata": {"name": "node"}})
        pods = world.cache.declare(WatchSpec(PODS))
        await world.start()
        binding = {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "node"}}
        with work():
            await world.client.create(
                PODS, binding | {"metadata": config_map()["metadata"]}, WriteOptions(subresource="binding")
            )
        assert "nodeName" not in (pods.object(KEY) or {})["spec"]
        await world.cache.wait_caught_up(OWNER)
        assert (pods.object(KEY) or {})["spec"]["nodeName"] == "node"

    in_a_world(body)


def test_a_server_that_is_away_holds_a_reconciliation_up_for_seconds_and_is_asked_again() -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.lose = True
        with work(), pytest.raises(TransportError):
            await world.client.create(CONFIGMAPS, config_map(n="1"))
        world.transport.failure = TransportError("refused")
        started = world.clock.monotonic()
        await world.cache.wait_caught_up(OWNER)
        assert world.clock.monotonic() - started <= 5
        assert world.waits("gave_up") == 1
        world.transport.failure = None
        await world.cache.wait_caught_up(OWNER)
        assert world.data() == {"n": "1"}

    in_a_world(body)


def test_an_object_whose_name_was_to_be_made_is_waited_for_a_while() -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.lose = True
        with work(), pytest.raises(TransportError):
            await world.client.create(CONFIGMAPS, {"metadata": {"generateName": "a-", "namespace": "default"}})
        started = world.clock.monotonic()
        await world.cache.wait_caught_up(OWNER)
        assert world.clock.monotonic() - started == pytest.approx(5)
        assert world.waits("gave_up") == 1
        world.transport.watches.set()
        await world.cache.wait_caught_up(OWNER)
        assert [obj.metadata.name.startswith("a-") for obj in world.informer.list()] == [True]
        assert world.waits("caught_up") == 1

    in_a_world(body)


def test_a_write_outside_of_a_reconciliation_counts_for_the_object_itself() -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.lose = True
        with pytest.raises(TransportError):
            await world.client.create(CONFIGMAPS, config_map(n="1"))
        await world.cache.wait_caught_up(KEY)
        assert world.data() == {"n": "1"}

    in_a_world(body)


def test_what_another_client_writes_is_shown_if_it_is_followed() -> None:
    async def body(world: World) -> None:
        await world.start()
        world.cache.follow(world.stranger)
        await world.stranger.create(CONFIGMAPS, config_map(n="1"))
        assert world.data() == {"n": "1"}
        uid = (world.informer.object(KEY) or {})["metadata"]["uid"]
        await world.stranger.delete(CONFIGMAPS, KEY, DeleteOptions(preconditions=Preconditions(uid=uid)))
        assert world.data() is None

    in_a_world(body)


def test_doubts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdl_runtime.cache.consistency.MAX_REQUESTS", 3)

    async def body(world: World) -> None:
        for number in range(5):
            world.cache._consistency.doubt(world.client, CONFIGMAPS, ObjectKey("default", str(number)))
        pending = [world.cache._consistency.pending(ObjectKey("default", str(number))) for number in range(5)]
        assert pending == [False, False, True, True, True]

    in_a_world(body)
