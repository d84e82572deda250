"""Streams message by message, as they go over the wire."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType
from yarl import URL

from conformance.api import PATIENCE, Api
from conformance.streams import sleeper
from kdl_runtime.codec.json import decode
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.tls import client_context

pytestmark = pytest.mark.node

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
STDIN, STDOUT, STDERR, ERROR = range(4)
"""Channels of exec and attach."""

START_PATIENCE = 60.0


class Streams:
    """Streams of the pod ``sleeper``, which runs."""

    def __init__(self, session: aiohttp.ClientSession, server: str, api: Api) -> None:
        self._session = session
        self._server = server
        self._api = api

    def url(self, path: str) -> URL:
        return URL(f"{self._server}{self._api.path('pods', path)}", encoded=True)

    @asynccontextmanager
    async def connect(self, query: str, *protocols: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with asyncio.timeout(PATIENCE):
            async with self._session.ws_connect(self.url(f"sleeper/{query}"), protocols=protocols) as socket:
                yield socket

    async def refusal(self, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Code and text of an answer that is no stream."""
        async with self._session.get(self.url(path), headers=headers) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def streams(api: Api, cluster_config: ClusterConfig) -> AsyncIterator[Streams]:
    user = cluster_config.user
    certificate = user.client_certificate.read() + b"\n" + user.client_key.read() if user.client_certificate else b""
    context = client_context(cluster_config.ca.read(), certificate, insecure=cluster_config.insecure_skip_tls_verify)
    headers = {"Authorization": f"Bearer {user.token}"} if user.token else {}
    await api.create("pods", sleeper())
    async with asyncio.timeout(START_PATIENCE):
        await _runs(api)
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Streams(session, cluster_config.server.rstrip("/"), api)


async def _runs(api: Api) -> None:
    while True:
        pod = await api.ok("GET", api.path("pods", "sleeper"))
        if pod.get("status", {}).get("phase") == "Running":
            return
        await asyncio.sleep(0.1)


async def rest(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """Everything that comes until the server closes, by channel; a channel that only ever was empty is left out."""
    found: dict[int, bytes] = {}
    async for message in socket:
        assert message.type is WSMsgType.BINARY
        if message.data[1:]:
            found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
    return found


def exec_query(*command: str, **streams: str) -> str:
    asked = [("command", word) for word in command] + list(streams.items())
    return "exec?" + str(URL.build(query=asked)).removeprefix("?")


@pytest.mark.parametrize("protocol", [V4, V5])
async def test_exec(streams: Streams, protocol: str) -> None:
    query = exec_query("sh", "-c", "echo out; echo err >&2; exit 3", stdout="true", stderr="true")
    async with streams.connect(query, protocol) as socket:
        assert socket.protocol == protocol
        found = await rest(socket)
    status = decode(found.pop(ERROR))
    assert found == {STDOUT: b"out\n", STDERR: b"err\n"}
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_success(streams: Streams) -> None:
    async with streams.connect(exec_query("true", stdout="true"), V5) as socket:
        found = await rest(socket)
    assert (set(found), decode(found[ERROR])["status"]) == ({ERROR}, "Success")


async def test_input_and_its_end(streams: Streams) -> None:
    async with streams.connect(exec_query("cat", stdin="true", stdout="true"), V5) as socket:
        await socket.send_bytes(b"\x00one ")
        await socket.send_bytes(b"\x00")
        await socket.send_bytes(b"\x00two")
        await socket.send_bytes(b"\xff\x00")
        found = await rest(socket)
    assert (found[STDOUT], decode(found[ERROR])["status"]) == (b"one two", "Success")


async def test_channels_that_were_not_asked_for(streams: Streams) -> None:
    query = exec_query("sh", "-c", "cat; echo out; echo err >&2", stderr="true")
    async with streams.connect(query, V5) as socket:
        await socket.send_bytes(b"\x00ignored")
        await socket.send_bytes(b"\x01ignored")
        found = await rest(socket)
    assert (set(found), found[STDERR]) == ({STDERR, ERROR}, b"err\n")


async def test_a_terminal_of_the_size_that_was_sent(streams: Streams) -> None:
    script = "while [ \"$(stty size 2>/dev/null)\" != '33 101' ]; do sleep 0.1; done; echo seen"
    query = exec_query("sh", "-c", script, stdin="true", stdout="true", tty="true")
    async with streams.connect(query, V5) as socket:
        await socket.send_bytes(b'\x04{"Width":101,"Height":33}')
        found = await rest(socket)
    assert (found[STDOUT], decode(found[ERROR])["status"]) == (b"seen\r\n", "Success")


async def test_the_first_protocol_that_is_known_is_taken(streams: Streams) -> None:
    async with streams.connect(exec_query("true", stdout="true"), "v9.channel.k8s.io", V5, V4) as socket:
        assert socket.protocol == V5
        await rest(socket)


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("nobody/exec?command=true&stdout=true", 404, 'pods "nobody" not found'),
        ("sleeper/exec?command=true&stdout=true&container=c", 400, "container c is not valid for pod sleeper"),
        ("sleeper/exec?command=true&stdout=true", 400, "Upgrade request required"),
        ("sleeper/attach?stdout=true", 400, "Upgrade request required"),
        ("sleeper/portforward", 400, "Upgrade request required"),
    ],
)
async def test_what_does_not_come_to_a_stream(streams: Streams, path: str, code: int, message: str) -> None:
    found, text = await streams.refusal(path, {})
    assert (found, decode(text)["message"]) == (code, message)


async def test_a_forwarded_port_begins_with_its_number(streams: Streams) -> None:
    async with streams.connect("portforward?ports=1", V5, V4) as socket:
        assert socket.protocol == V4
        first, second = await socket.receive_bytes(), await socket.receive_bytes()
        assert {first, second} == {b"\x00\x01\x00", b"\x01\x01\x00"}
        found = await rest(socket)
    assert set(found) == {1}
    assert b"error forwarding port 1 to pod " in found[1]
    assert b"connection refused" in found[1]


async def test_a_tunnel_answers_pings_and_opens_streams(streams: Streams) -> None:
    ping = bytes.fromhex("80030006 00000004 00000001")
    async with streams.connect("portforward", TUNNEL) as socket:
        assert socket.protocol == TUNNEL
        await socket.send_bytes(ping[:5])
        await socket.send_bytes(ping[5:])
        found = b""
        while len(found) < len(ping):
            found += await socket.receive_bytes()
    assert found == ping
