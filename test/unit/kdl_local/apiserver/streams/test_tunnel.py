import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from kdl_local.apiserver.streams import tunnel
from kdl_local.apiserver.streams.provider import StreamError
from kdl_local.apiserver.streams.spdy_frames import Data, Decoder, Encoder, Frame, GoAway, Open, Ping, Reply, Reset
from kdl_local.apiserver.streams.tunnel import Purpose, purpose, serve_tunnel
from unit.kdl_local.apiserver.streams.rig import PATIENCE, FakeConnection, FakeSocket, until

PIECE = 64 * 1024


class Client:
    """A client of port-forward, and the pod that it is connected to."""

    def __init__(self) -> None:
        self.socket = FakeSocket()
        self.connections: list[FakeConnection] = []
        self.refused: set[int] = set()
        self.task = asyncio.ensure_future(serve_tunnel(self.socket, self._connect))
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._frames: list[Frame] = []

    async def _connect(self, port: int) -> FakeConnection:
        if port in self.refused:
            raise StreamError(f"{port}: connection refused")
        self.connections.append(FakeConnection())
        return self.connections[-1]

    def send(self, *frames: Frame) -> None:
        self.socket.say(*map(self._encoder.encode, frames))

    @property
    def heard(self) -> list[Frame]:
        """All frames of the server so far."""
        messages, self.socket.heard = self.socket.heard, []
        for message in messages:
            self._frames += self._decoder.feed(message)
        return self._frames

    async def hears(self, *frames: Frame) -> None:
        await until(lambda: all(frame in self.heard for frame in frames))

    def open(self, first: int, request: str, port: int = 80) -> None:
        """What kubectl sends for a connection: an error stream that it will not write to, and a data stream."""
        self.send(Open(first, headers("error", port, request)), Data(first, last=True))
        self.send(Open(first + 2, headers("data", port, request)))

    async def connected(self, number: int) -> FakeConnection:
        await until(lambda: len(self.connections) >= number)
        return self.connections[number - 1]


def headers(kind: str, port: int | str, request: str = "") -> Mapping[str, str]:
    found = {"streamtype": kind, "port": str(port)}
    return {**found, "requestid": request} if request else found


@asynccontextmanager
async def tunnelled() -> AsyncIterator[Client]:
    client = Client()
    try:
        yield client
    finally:
        client.task.cancel()
        await asyncio.gather(client.task, return_exceptions=True)


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        (Open(1, headers("error", 80, "7")), Purpose(80, True, "7")),
        (Open(3, headers("data", 80, "7")), Purpose(80, False, "7")),
        (Open(5, headers("error", 80)), Purpose(80, True, "stream 5")),
        (Open(7, headers("data", 80)), Purpose(80, False, "stream 5")),
        (Open(1, headers("other", 80)), None),
        (Open(1, headers("data", 0)), None),
        (Open(1, headers("data", 65536)), None),
        (Open(1, headers("data", "http")), None),
        (Open(1, {}), None),
    ],
)
def test_what_a_stream_is_for(opened: Open, expected: Purpose | None) -> None:
    assert purpose(opened) == expected


async def test_a_connection_from_its_beginning_to_its_end() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        pod = await client.connected(1)
        client.send(Data(3, b"GET /"), Data(3, last=True))
        await until(lambda: pod.input_closed)
        assert pod.heard == b"GET /"
        pod.says.put_nowait(b"200 OK")
        pod.says.put_nowait(None)
        await client.hears(Data(3, last=True))
        assert client.heard == [
            Reply(1),
            Reply(3),
            Data(3, b"200 OK"),
            Data(1, last=True),
            Data(3, last=True),
        ]
        assert pod.closed == 1


async def test_connections_do_not_mix() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        client.open(5, "1")
        first, second = await client.connected(1), await client.connected(2)
        client.send(Data(7, b"two"), Data(3, b"one"))
        await until(lambda: first.heard and second.heard)
        assert (first.heard, second.heard) == (b"one", b"two")
        second.says.put_nowait(b"2")
        first.says.put_nowait(b"1")
        await client.hears(Data(7, b"2"), Data(3, b"1"))


async def test_a_closed_port_is_told_on_the_error_stream() -> None:
    async with tunnelled() as client:
        client.refused = {9}
        client.open(1, "0", 9)
        await client.hears(Data(1, b"9: connection refused", last=True), Reset(3))
        client.open(5, "1")
        await client.connected(1)


async def test_a_client_that_resets_a_connection_ends_only_that() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        client.open(5, "1")
        first, second = await client.connected(1), await client.connected(2)
        client.send(Reset(3), Data(3, b"late"), Data(99, b"never opened"), Reset(99))
        await until(lambda: first.closed)
        await client.hears(Data(1, last=True))
        client.send(Data(7, b"x"))
        await until(lambda: second.heard == b"x")
        assert not second.closed


async def test_half_a_connection_that_is_reset_is_forgotten() -> None:
    async with tunnelled() as client:
        client.send(Open(1, headers("error", 80, "0")), Reset(1), Open(3, headers("data", 80, "0")))
        await client.hears(Reply(3))
        assert client.connections == []
        client.send(Open(5, headers("error", 80, "0")))
        await client.connected(1)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Open(2, headers("data", 80, "0")), 1),
        (Open(3, headers("data", 0, "0")), 3),
        (Open(3, headers("resize", 80, "0")), 3),
    ],
)
async def test_streams_that_are_refused(frame: Open, reason: int) -> None:
    async with tunnelled() as client:
        client.send(frame)
        await client.hears(Reset(frame.stream, reason))


async def test_numbers_of_streams_only_grow_and_pairs_are_pairs() -> None:
    async with tunnelled() as client:
        client.send(Open(5, headers("data", 80, "0")), Open(3, headers("error", 80, "0")))
        await client.hears(Reply(5), Reset(3, 1))
        client.send(Open(7, headers("data", 80, "0")))
        await client.hears(Reset(7, 1))
        assert client.connections == []


async def test_no_more_streams_than_a_client_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "MAX_STREAMS", 2)
    async with tunnelled() as client:
        client.open(1, "0")
        client.send(Open(5, headers("data", 80, "1")))
        await client.hears(Reset(5, 3))
        pod = await client.connected(1)
        pod.says.put_nowait(None)
        await client.hears(Data(3, last=True))
        client.open(7, "2")
        await client.connected(2)


async def test_pings_of_the_client_are_answered() -> None:
    async with tunnelled() as client:
        client.send(Ping(1), Ping(2), Ping(3))
        await client.hears(Ping(3))
        assert client.heard == [Ping(1), Ping(3)]


async def test_after_its_good_bye_a_client_opens_nothing() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        pod = await client.connected(1)
        client.send(GoAway(0), Open(5, headers("data", 80, "1")), Data(3, b"last"))
        await client.hears(Reset(5, 3))
        await until(lambda: pod.heard == b"last")


async def test_bytes_that_are_no_spdy_end_it_all() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        pod = await client.connected(1)
        client.socket.say(b"\x80\x02\x00\x01\x00\x00\x00\x00")
        async with asyncio.timeout(PATIENCE):
            await client.task
        assert client.heard[-1] == GoAway(3, 1)
        assert pod.closed == 1


async def test_a_client_that_goes_takes_its_connections_along() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        pod = await client.connected(1)
        client.socket.leave()
        async with asyncio.timeout(PATIENCE):
            await client.task
        assert pod.closed == 1


async def test_a_pod_that_does_not_read_bounds_what_is_kept_for_it() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        pod = await client.connected(1)
        pod.reads = False
        count = 3 * tunnel.STREAM_LIMIT // PIECE
        client.send(*[Data(3, b"x" * PIECE)] * count)
        await until(lambda: client.socket.unread < count)
        await asyncio.sleep(0.05)
        taken = count - client.socket.unread
        assert taken * PIECE <= tunnel.STREAM_LIMIT + 4 * PIECE
        pod.reads = True
        await until(lambda: len(pod.heard) == count * PIECE)


async def test_a_client_that_does_not_read_makes_the_pod_wait() -> None:
    async with tunnelled() as client:
        client.open(1, "0")
        pod = await client.connected(1)
        client.socket.stuck = True
        for _ in range(50):
            pod.says.put_nowait(b"x")
        await until(lambda: pod.says.qsize() < 50)
        await asyncio.sleep(0.02)
        assert pod.says.qsize() == 49
        client.socket.stuck = False
        await until(lambda: client.heard.count(Data(3, b"x")) == 50)
