"""Connections to the ports of a pod: ``kubectl port-forward``."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from kdl_local.node.descriptor import CHUNK

CONNECT_SECONDS = 10.0


class TcpConnection:
    """A ``Connection``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(CHUNK)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close_input(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def close(self) -> None:
        # What is still in buffers nobody asks for any more.
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


async def connect(addresses: Sequence[str], port: int) -> TcpConnection:
    """To the first of the addresses where the port is open. OSError if there is none."""
    problem: OSError | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return TcpConnection(*await asyncio.open_connection(address, port, limit=CHUNK))
        except OSError as error:
            problem = problem or error
    raise problem or ConnectionRefusedError()
