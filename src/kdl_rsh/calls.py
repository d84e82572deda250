"""The calls in the exchange directory, and the four FIFOs of each."""

import asyncio
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdl_rsh.layout import CALL_PREFIX, CODE, COMMAND, HOST, STDERR, STDIN, STDOUT, TAKEN

OPEN_SECONDS = 10.0
"""How long the script may take to open its ends."""
RETRY_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Call:
    """A command for a pod, and the directory that it came in."""

    directory: Path
    host: str
    command: str


def take(exchange: Path) -> Iterator[Call]:
    """The calls that nobody has begun with, which are now the caller's. One that went meanwhile is left out."""
    for directory in sorted(exchange.glob(f"{CALL_PREFIX}*")):
        try:
            (directory / TAKEN).touch(exist_ok=False)
            yield Call(directory, (directory / HOST).read_text(), (directory / COMMAND).read_text())
        except (FileExistsError, FileNotFoundError):
            continue


class WriteEnd(asyncio.Protocol):
    """One FIFO that the script reads."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        """Set when it is closed, by either side."""
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. What nobody reads any more is dropped."""
        if self._transport is not None and not self.gone.is_set():
            self._transport.write(data)
            await self._writable.wait()

    async def close(self) -> None:
        """Returns when all is written, or nobody reads it any more."""
        if self._transport is not None:
            self._transport.close()
            await self.gone.wait()


@dataclass(frozen=True, slots=True)
class Ends:
    """The agent's ends of a call's FIFOs."""

    stdin: asyncio.StreamReader
    stdout: WriteEnd
    stderr: WriteEnd
    code: WriteEnd
    source: asyncio.ReadTransport
    """What ``stdin`` is fed from."""

    @property
    def gone(self) -> asyncio.Event:
        """Set when the script has ended, before its command or after it."""
        return self.code.gone

    async def finish(self, code: int | None = None) -> None:
        """Close all, the exit code last, so that output comes before it. Without a code the script knows that the agent
        has failed."""
        self.source.close()
        await self.stdout.close()
        await self.stderr.close()
        if code is not None:
            await self.code.write(str(code).encode())
        await self.code.close()


async def open_ends(call: Call) -> Ends:
    """TimeoutError or FileNotFoundError if the script is not there any more."""
    async with asyncio.timeout(OPEN_SECONDS):
        stdout, stderr, code = [await _open_write(call.directory / name) for name in (STDOUT, STDERR, CODE)]
    stdin = asyncio.StreamReader()
    descriptor = os.open(call.directory / STDIN, os.O_RDONLY | os.O_NONBLOCK)
    source, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), os.fdopen(descriptor, "rb", 0)
    )
    return Ends(stdin, stdout, stderr, code, source)


async def _open_write(path: Path) -> WriteEnd:
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            # Nobody reads yet.
            if error.errno != errno.ENXIO:
                raise
            await asyncio.sleep(RETRY_SECONDS)
            continue
        _, end = await asyncio.get_running_loop().connect_write_pipe(WriteEnd, os.fdopen(descriptor, "wb", 0))
        return end
