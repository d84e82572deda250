"""What goes on over HTTP when an answer is a WebSocket."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import WSMsgType

from kdl_local.apiserver import websocket
from kdl_local.apiserver.auth import User
from kdl_local.apiserver.http import Credentials, HttpOptions, HttpServer, create_credentials
from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.server import ApiServer
from kdl_local.apiserver.streams.socket import Socket, Upgrade
from kdl_runtime.clock import SystemClock

PROTOCOL = "v5.channel.k8s.io"
PATIENCE = 10.0

Serve = Callable[[Socket], Awaitable[None]]


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return create_credentials(datetime.now(UTC))


class Server(ApiServer):
    """Answers every request with a WebSocket."""

    def __init__(self, serve: Serve) -> None:
        super().__init__(SystemClock(), random.Random(1))
        self._serve = serve

    async def handle(self, request: Request) -> Response:
        return Response(101, upgrade=Upgrade(PROTOCOL, self._serve))


@asynccontextmanager
async def front(credentials: Credentials, serve: Serve) -> AsyncIterator[HttpServer]:
    options = HttpOptions(tokens={"s3cret": User("robot", ("machines",))})
    async with HttpServer(Server(serve), credentials, options) as server:
        yield server


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        headers={"Authorization": "Bearer s3cret"}, connector=aiohttp.TCPConnector(ssl=False)
    ) as found:
        yield found


@asynccontextmanager
async def connection(server: HttpServer) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with session() as client, client.ws_connect(server.url, protocols=(PROTOCOL,), max_msg_size=0) as found:
        yield found


async def echo(socket: Socket) -> None:
    while (message := await socket.receive()) is not None:
        await socket.send(b"said: ", message)


async def test_messages_go_both_ways_of_text_and_bytes(credentials: Credentials) -> None:
    async with front(credentials, echo) as server, connection(server) as client:
        assert client.protocol == PROTOCOL
        await client.send_bytes(b"bytes")
        answer = await client.receive()
        assert (answer.type, answer.data) == (WSMsgType.BINARY, b"said: bytes")
        await client.send_str("tëxt")
        assert (await client.receive()).data == "said: tëxt".encode()
        large = b"x" * (websocket.MAX_MESSAGE - 1)
        await client.send_bytes(large)
        assert len((await client.receive()).data) == len(large) + 6


async def test_a_message_that_is_too_large_ends_the_connection(credentials: Credentials) -> None:
    async with front(credentials, echo) as server, connection(server) as client:
        await client.send_bytes(b"x" * (websocket.MAX_MESSAGE + 1))
        assert (await client.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_the_connection_is_closed_when_all_is_said(credentials: Credentials) -> None:
    async def greet(socket: Socket) -> None:
        await socket.send(b"hello")

    async with front(credentials, greet) as server, connection(server) as client:
        assert (await client.receive()).data == b"hello"
        assert (await client.receive()).type is WSMsgType.CLOSE
        assert client.close_code == 1000


class Waiting:
    """Waits for something that never comes, and says how that has ended."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self, socket: Socket) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended.set_result("cancelled")
            raise


async def test_a_client_that_goes_ends_what_was_done_for_it(credentials: Credentials) -> None:
    waiting = Waiting()
    async with front(credentials, waiting) as server, session() as client, asyncio.timeout(PATIENCE):
        found = await client.ws_connect(server.url, protocols=(PROTOCOL,))
        await waiting.began.wait()
        await client.close()
        assert await waiting.ended == "cancelled"
        await found.close()


async def test_a_server_that_stops_ends_what_it_does(credentials: Credentials) -> None:
    waiting = Waiting()
    async with front(credentials, waiting) as server, connection(server) as client, asyncio.timeout(PATIENCE):
        await waiting.began.wait()
        await server.stop()
        assert await waiting.ended == "cancelled"
        assert (await client.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_a_client_that_vanished_unread_is_noticed(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``cat file | kubectl exec -i`` does, when it is stopped while the command reads nothing."""
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.05)
    waiting = Waiting()
    async with front(credentials, waiting) as server, session() as client, asyncio.timeout(PATIENCE):
        found = await client.ws_connect(server.url, protocols=(PROTOCOL,))
        await waiting.began.wait()
        writing = asyncio.ensure_future(_write_for_ever(found))
        await asyncio.sleep(0.1)
        assert not writing.done()
        _abort(found)
        assert await waiting.ended == "cancelled"
        await asyncio.gather(writing, return_exceptions=True)
        await found.close()


def _abort(client: aiohttp.ClientWebSocketResponse) -> None:
    """What a kernel does for a process that was killed."""
    connection = client._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()


async def _write_for_ever(client: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await client.send_bytes(b"x" * 65536)


async def test_a_client_that_does_not_read_makes_the_server_wait(credentials: Credentials) -> None:
    sent = 0

    async def flood(socket: Socket) -> None:
        nonlocal sent
        for _ in range(1000):
            await socket.send(b"x" * 65536)
            sent += 65536

    async with front(credentials, flood) as server, connection(server) as client, asyncio.timeout(PATIENCE):
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.1)
        # What the kernel and both ends have room for, far from all of it.
        assert sent < 32 * 1024 * 1024
        received = 0
        async for message in client:
            received += len(message.data)
        assert received == 1000 * 65536


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "not a WebSocket handshake: No WebSocket UPGRADE hdr"),
        (
            {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "1"},
            "not a WebSocket handshake: Unsupported version: 1",
        ),
        (
            {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"},
            "not a WebSocket handshake: Handshake error: 'x'",
        ),
    ],
)
async def test_what_is_no_handshake(credentials: Credentials, headers: dict[str, str], message: str) -> None:
    async with (
        front(credentials, echo) as server,
        session() as client,
        client.get(server.url, headers=headers) as answer,
    ):
        status = await answer.json()
        assert (answer.status, status["reason"]) == (400, "BadRequest")
        assert status["message"].startswith(message)
