"""Commands through an API server that speaks one protocol or the other, and does not always keep its word."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from kdl_rsh.agent import Agent
from kdl_rsh.commands import CommandError, CommandOptions, PodCommands, Streams
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.config import ClusterConfig
from kdl_testing.eventually import eventually

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, CLOSE = b"\x00", b"\x01", b"\x02", b"\x03", b"\xff"
SUCCESS = ERROR + b'{"status":"Success"}'
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
DEADLINE = 20.0

Session = Callable[[web.WebSocketResponse, list[bytes]], Awaitable[None]]
"""What the server does once a command has begun. The list has what it has received, in order."""


@dataclass
class FakeServer:
    """Has one pod, ``job-worker-0``."""

    session: Session
    protocols: tuple[str, ...] = (V5, V4)
    pod: dict[str, Any] = field(default_factory=lambda: {"metadata": {"name": "job-worker-0"}, "status": READY})
    received: list[bytes] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    chosen: str | None = None
    looks: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The client has gone."""

    async def get(self, request: web.Request) -> web.Response:
        self.looks += 1
        if not self.pod:
            status = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"}
            return web.json_response(status, status=404)
        return web.json_response({"apiVersion": "v1", "kind": "Pod", **self.pod})

    async def exec(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=self.protocols)
        await socket.prepare(request)
        self.chosen = socket.ws_protocol
        self.commands.append(request.query.getall("command"))
        try:
            await self.session(socket, self.received)
        finally:
            self.ended.set()
        return socket


@asynccontextmanager
async def commands(server: FakeServer, patience: float = DEADLINE) -> AsyncIterator[PodCommands]:
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/team/pods/job-worker-0", server.get)
    app.router.add_get("/api/v1/namespaces/team/pods/job-worker-0/exec", server.exec)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    config = ClusterConfig(f"http://127.0.0.1:{port}", namespace="team")
    try:
        async with PodCommands(config, SystemClock(), CommandOptions("job-worker-", patience=patience)) as of:
            yield of
    finally:
        await runner.cleanup()


class Kept:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


@dataclass
class Given:
    """The streams of one command, with all of its input there already."""

    stdin: asyncio.StreamReader = field(default_factory=asyncio.StreamReader)
    stdout: Kept = field(default_factory=Kept)
    stderr: Kept = field(default_factory=Kept)

    @property
    def streams(self) -> Streams:
        return Streams(self.stdin, self.stdout, self.stderr)


def given(data: bytes = b"", *, ended: bool = True) -> Given:
    streams = Given()
    streams.stdin.feed_data(data)
    if ended:
        streams.stdin.feed_eof()
    return streams


async def read_until(socket: web.WebSocketResponse, received: list[bytes], last: bytes) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            received.append(message.data)
        if last in received:
            return


async def echo(socket: web.WebSocketResponse, received: list[bytes]) -> None:
    """A command that answers after its first line."""
    await read_until(socket, received, STDIN + b"line\n")
    await socket.send_bytes(STDOUT + b"out")
    await socket.send_bytes(STDERR + b"err")
    await socket.send_bytes(SUCCESS)


async def to_the_end_of_input(socket: web.WebSocketResponse, received: list[bytes]) -> None:
    await read_until(socket, received, CLOSE + STDIN)
    await socket.send_bytes(SUCCESS)


async def until_the_client_goes(socket: web.WebSocketResponse, received: list[bytes]) -> None:
    await socket.send_bytes(STDOUT + b"begun\n")
    await read_until(socket, received, b"never")


async def lost(socket: web.WebSocketResponse, received: list[bytes]) -> None:
    """The connection breaks without a goodbye."""
    await socket.send_bytes(STDOUT + b"begun\n")
    connection = socket.get_extra_info("socket")
    connection.shutdown(SHUT_RDWR)


async def closed(socket: web.WebSocketResponse, received: list[bytes]) -> None:
    """The server ends in order, as one does that is restarted."""
    await socket.send_bytes(STDOUT + b"begun\n")
    await socket.close()


@pytest.mark.parametrize(("protocols", "chosen"), [((V5, V4), V5), ((V4,), V4)])
async def test_the_newest_protocol_that_the_server_has(protocols: tuple[str, ...], chosen: str) -> None:
    server, streams = FakeServer(echo, protocols), given(b"line\n", ended=False)
    async with commands(server) as of, asyncio.timeout(DEADLINE):
        assert await of.run("job-worker-0", "train --all", streams.streams) == 0
    assert (server.chosen, server.commands) == (chosen, [["/bin/sh", "-c", "train --all"]])
    assert (streams.stdout.data, streams.stderr.data) == (b"out", b"err")


async def test_the_end_of_input_is_told() -> None:
    server = FakeServer(to_the_end_of_input)
    async with commands(server) as of, asyncio.timeout(DEADLINE):
        assert await of.run("job-worker-0", "cat", given(b"data").streams) == 0
    assert server.received == [STDIN + b"data", CLOSE + STDIN]


async def test_the_older_protocol_has_no_end_of_input_and_goes_on_without() -> None:
    server = FakeServer(echo, (V4,))
    async with commands(server) as of, asyncio.timeout(DEADLINE):
        assert await of.run("job-worker-0", "head -1", given(b"line\n").streams) == 0
    assert server.received == [STDIN + b"line\n"]


@pytest.mark.parametrize("session", [lost, closed])
@pytest.mark.parametrize("protocol", [V5, V4])
async def test_a_connection_that_is_lost_is_no_success(session: Session, protocol: str) -> None:
    server, streams = FakeServer(session, (protocol,)), given(ended=False)
    async with commands(server) as of, asyncio.timeout(DEADLINE):
        with pytest.raises(CommandError, match="the connection was lost before the command had ended"):
            await of.run("job-worker-0", "train", streams.streams)
    assert streams.stdout.data == b"begun\n"
    assert len(server.commands) == 1, "nobody knows how far it had come, so it is not run again"


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        ({}, "it does not exist"),
        ({"metadata": {"name": "job-worker-0"}, "status": {"phase": "Pending"}}, "its phase is Pending"),
        (
            {"metadata": {"name": "job-worker-0", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": READY},
            "it is being deleted",
        ),
    ],
)
async def test_a_worker_that_never_becomes_ready(pod: dict[str, Any], why: str) -> None:
    server = FakeServer(echo, pod=pod)
    async with commands(server, patience=0.7) as of, asyncio.timeout(DEADLINE):
        with pytest.raises(CommandError) as caught:
            await of.run("job-worker-0", "true", given().streams)
    message = f"pod job-worker-0 is not ready after 0.7 s: {why}; look at 'kubectl describe pod job-worker-0'"
    assert str(caught.value) == message
    assert server.commands == []
    assert server.looks > 1


async def test_a_worker_that_becomes_ready_late() -> None:
    server = FakeServer(echo, pod={"metadata": {"name": "job-worker-0"}, "status": {"phase": "Pending"}})

    async def start_it() -> None:
        await eventually(lambda: server.looks >= 2)
        server.pod = {"metadata": {"name": "job-worker-0"}, "status": READY}

    async with commands(server) as of, asyncio.timeout(DEADLINE):
        starting = asyncio.create_task(start_it())
        assert await of.run("job-worker-0", "true", given(b"line\n").streams) == 0
        await starting


async def test_who_is_cancelled_leaves_the_command() -> None:
    """As when the launcher is killed: the agent lets go of the connection."""
    server, streams = FakeServer(until_the_client_goes), given(ended=False)
    async with commands(server) as of, asyncio.timeout(DEADLINE):
        running = asyncio.create_task(of.run("job-worker-0", "train", streams.streams))
        await eventually(lambda: bool(streams.stdout.data))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.ended.wait()


@asynccontextmanager
async def launcher(exchange: Any, server: FakeServer) -> AsyncIterator[None]:
    """Script, agent and server together."""
    async with commands(server) as of:
        agent = asyncio.create_task(Agent(exchange.path, of, SystemClock()).run())
        try:
            yield
        finally:
            agent.cancel()
            await asyncio.gather(agent, return_exceptions=True)


async def test_a_lost_connection_is_told_to_the_launcher(exchange: Any) -> None:
    async with launcher(exchange, FakeServer(lost)):
        ended = await exchange.call("job-worker-0", "train")
    assert (ended.code, ended.out) == (255, b"begun\n")
    assert ended.err == b"the connection was lost before the command had ended\n"
    assert exchange.left == []


async def test_a_launcher_that_is_killed_without_notice_lets_go_of_its_worker(exchange: Any) -> None:
    """With the container of the launcher all of its processes end at once."""
    server = FakeServer(until_the_client_goes)
    async with launcher(exchange, server), asyncio.timeout(DEADLINE):
        process = await exchange.start("job-worker-0", "train")
        assert await process.stdout.readline() == b"begun\n"
        os.killpg(process.pid, signal.SIGKILL)
        await server.ended.wait()
        await process.communicate()
