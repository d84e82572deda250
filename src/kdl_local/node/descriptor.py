"""One end of a pipe or terminal in the event loop, without buffers of its own: who reads or writes slowly makes the
process at the other end wait."""

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

CHUNK = 64 * 1024


class Descriptor:
    """Owns a file descriptor. At most one task reads and one writes."""

    def __init__(self, number: int) -> None:
        os.set_blocking(number, False)
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._finishing = False

    @property
    def closed(self) -> bool:
        return self._number < 0

    def fileno(self) -> int:
        return self._number

    async def read(self) -> bytes:
        """What there is, as soon as there is any; empty at the end, and when it is closed."""
        while not self.closed:
            try:
                return os.read(self._number, CHUNK)
            except BlockingIOError:
                if self._finishing:
                    return b""
            except OSError as error:
                # The end of a terminal that nobody has open any more.
                if error.errno == errno.EIO:
                    return b""
                raise
            await self._ready(self._loop.add_reader, self._loop.remove_reader)
        return b""

    async def write(self, data: bytes) -> None:
        """Everything; BrokenPipeError if nobody will read it."""
        left = memoryview(data)
        while left:
            if self.closed:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            try:
                left = left[os.write(self._number, left) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    def finish(self) -> None:
        """From now on the end is where there is nothing more to read at the moment."""
        self._finishing = True
        self._wake()

    def close(self) -> None:
        """May be called twice, and while others read or write."""
        if self.closed:
            return
        number, self._number = self._number, -1
        self._loop.remove_reader(number)
        self._loop.remove_writer(number)
        os.close(number)
        self._wake()

    async def _ready(self, watch: Callable[..., Any], forget: Callable[[int], Any]) -> None:
        number, ready = self._number, self._loop.create_future()
        self._waiting.add(ready)
        watch(number, _done, ready)
        try:
            await ready
        finally:
            self._waiting.discard(ready)
            if self._number == number:
                forget(number)

    def _wake(self) -> None:
        for ready in self._waiting:
            _done(ready)


def _done(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


async def read_all(number: int) -> str:
    """What comes out of a pipe until it is closed at the other end; closes this one."""
    found = b""
    with closing(Descriptor(number)) as pipe:
        while data := await pipe.read():
            found += data
    return found.decode(errors="replace")
