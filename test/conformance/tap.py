"""What a client asks of an API server: plain HTTP that is passed on over TLS, and remembered."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.tls import client_context

_REQUEST = re.compile(rb"^(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r\n", re.MULTILINE)
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ")
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]


@dataclass
class Tap:
    """``url`` is for clients, who need no credentials: those of the configuration are used."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def sent(self, data: bytes) -> None:
        for match in _REQUEST.finditer(data):
            parts = urlsplit(match[2].decode())
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.requests.append(Request(match[1].decode(), parts.path, query))

    def answered(self, data: bytes) -> None:
        match = _STATUS.match(data)
        if match:
            self.codes.append(int(match[1]))


@asynccontextmanager
async def tapped(config: ClusterConfig) -> AsyncIterator[Tap]:
    """A tap in front of this server, as long as the event loop runs."""
    tap = Tap()
    target = urlsplit(config.server)
    user = config.user
    context = client_context(config.ca.read(), user.client_certificate.read() + user.client_key.read())

    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        # The event loop alone would not keep it.
        connections.add(task)
        try:
            await _connect(reader, writer, (target.hostname or "", target.port or 443, context), tap)
        finally:
            writer.close()
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        tap.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield tap
        finally:
            await _cancelled(connections)


async def _connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int, ssl.SSLContext], tap: Tap
) -> None:
    """Until either side closes. A server that refuses the connection has closed it as well."""
    host, port, context = target
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return
    pumps = [
        asyncio.create_task(_pump(reader, far_writer, tap.sent)),
        asyncio.create_task(_pump(far_reader, writer, tap.answered)),
    ]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancelled(pumps)
        # Without the farewells of TLS, for which nobody waits.
        far_writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, note: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK_BYTES):
            note(data)
            sink.write(data)
            await sink.drain()


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
