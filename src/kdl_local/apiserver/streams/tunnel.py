"""Port-forward of kubectl and client-go: SPDY frames inside the messages of a WebSocket (KEP-4006).

Each forwarded connection is a pair of SPDY streams that the client opens, one for data and one for an error; headers
say which is which, and what belongs together (k8s.io/cri-streaming ``portforward``).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from kdl_local.apiserver.streams.port_forward import Connect, exchange
from kdl_local.apiserver.streams.provider import StreamError
from kdl_local.apiserver.streams.queues import ByteQueue
from kdl_local.apiserver.streams.socket import Socket
from kdl_local.apiserver.streams.spdy_frames import (
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Open,
    Ping,
    Reason,
    Reply,
    Reset,
    SpdyError,
    data_header,
)

PROTOCOL = "SPDY/3.1+portforward.k8s.io"

MAX_STREAMS = 2048
"""Streams that a client may have open at once."""
STREAM_LIMIT = 1024 * 1024
"""Bytes that wait for one connection. SPDY's clients here keep no flow control windows, so when a pod does not read
that much, all connections of the client wait, as they do with a kubelet."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the headers of a stream say that it is for."""

    port: int
    error: bool
    request: str


def purpose(opened: Open) -> Purpose | None:
    """None for a stream that no port-forward can use."""
    headers: Mapping[str, str] = opened.headers
    port, kind = headers.get("port", ""), headers.get("streamtype", "")
    if kind not in ("data", "error") or not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        return None
    # Old clients name no request; they open the error stream first, and the data stream right after it.
    unnamed = opened.stream if kind == "error" else opened.stream - 2
    return Purpose(int(port), kind == "error", headers.get("requestid") or f"stream {unnamed}")


@dataclass(slots=True)
class _Pair:
    """A forwarded connection; a stream is 0 until it is opened. ``task`` runs while the connection does."""

    request: str
    data: int = 0
    error: int = 0
    input: ByteQueue = field(default_factory=lambda: ByteQueue(STREAM_LIMIT))
    task: "asyncio.Task[None] | None" = None


async def serve_tunnel(socket: Socket, connect: Connect) -> None:
    """Runs until the client has gone, or does not keep to the protocol."""
    await _Tunnel(socket, connect).run()


class _Tunnel:
    def __init__(self, socket: Socket, connect: Connect) -> None:
        self._socket = socket
        self._connect = connect
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._pairs: dict[str, _Pair] = {}
        self._streams: dict[int, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_stream = 0
        self._leaving = False
        self._over = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            try:
                await self._receive(group)
            except SpdyError:
                await self._send(GoAway(self._last_stream, Reason.PROTOCOL_ERROR))
            finally:
                self._over = True
                for task in self._tasks:
                    task.cancel()

    async def _receive(self, group: asyncio.TaskGroup) -> None:
        while (message := await self._socket.receive()) is not None:
            for frame in self._decoder.feed(message):
                await self._take(frame, group)

    async def _take(self, frame: Frame, group: asyncio.TaskGroup) -> None:
        match frame:
            case Open():
                await self._open(frame, group)
            case Data(stream=stream, data=data, last=last):
                pair = self._streams.get(stream)
                if pair is not None and stream == pair.data:
                    await pair.input.put(data)
                    if last:
                        pair.input.end()
            case Reset(stream=stream):
                self._reset(stream)
            case Ping(id=number) if number % 2:
                await self._send(frame)
            case GoAway():
                self._leaving = True

    async def _open(self, frame: Open, group: asyncio.TaskGroup) -> None:
        if frame.stream % 2 == 0 or frame.stream <= self._last_stream:
            await self._send(Reset(frame.stream, Reason.PROTOCOL_ERROR))
            return
        self._last_stream = frame.stream
        wanted = purpose(frame)
        if wanted is None or self._leaving or len(self._streams) >= MAX_STREAMS:
            await self._send(Reset(frame.stream, Reason.REFUSED_STREAM))
            return
        pair = self._pairs.setdefault(wanted.request, _Pair(wanted.request))
        if (pair.error if wanted.error else pair.data) != 0:
            await self._send(Reset(frame.stream, Reason.PROTOCOL_ERROR))
            return
        if wanted.error:
            pair.error = frame.stream
        else:
            pair.data = frame.stream
            if frame.last:
                pair.input.end()
        self._streams[frame.stream] = pair
        await self._send(Reply(frame.stream))
        if pair.data and pair.error:
            pair.task = group.create_task(self._forward(pair, wanted.port))
            self._tasks.add(pair.task)
            pair.task.add_done_callback(self._tasks.discard)

    def _reset(self, stream: int) -> None:
        """The client wants no more of a connection."""
        pair = self._streams.get(stream)
        if pair is not None and pair.task is None:
            self._forget(pair)
        elif pair is not None and pair.task is not None and stream == pair.data:
            pair.task.cancel()

    def _forget(self, pair: _Pair) -> None:
        self._pairs.pop(pair.request, None)
        for stream in (pair.data, pair.error):
            self._streams.pop(stream, None)

    async def _forward(self, pair: _Pair, port: int) -> None:
        async def send(data: bytes) -> None:
            await self._socket.send(data_header(pair.data, len(data)), data)

        message = b""
        try:
            await exchange(await self._connect(port), pair.input, send)
        except StreamError as error:
            message = str(error).encode()
        finally:
            pair.input.discard()
            self._forget(pair)
            if not self._over:
                await self._finish(pair, message)

    async def _finish(self, pair: _Pair, message: bytes) -> None:
        """Ends both streams; the client takes what the error stream says for the reason."""
        with suppress(OSError):
            await self._send(Data(pair.error, message, last=True))
            await self._send(Reset(pair.data, Reason.CANCEL) if message else Data(pair.data, last=True))

    async def _send(self, frame: Frame) -> None:
        await self._socket.send(self._encoder.encode(frame))
