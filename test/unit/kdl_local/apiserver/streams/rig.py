"""Clients, processes and pods that do what a test says."""

import asyncio
from collections import deque
from collections.abc import Callable

from kdl_local.apiserver.streams.channels import TerminalSize

PATIENCE = 5.0


class FakeSocket:
    """The client's end: ``say`` sends, ``heard`` is what the server has sent. With ``stuck`` it takes nothing more."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.stuck = False
        self._said: deque[bytes | None] = deque()
        self._changed = asyncio.Event()
        self._gone = False

    def say(self, *messages: bytes) -> None:
        self._said.extend(messages)
        self._changed.set()

    def leave(self) -> None:
        """The client closes the connection."""
        self._said.append(None)
        self._changed.set()

    def vanish(self) -> None:
        """The client is gone, which only sending finds out."""
        self._gone = True

    @property
    def unread(self) -> int:
        """Messages that the server has not taken."""
        return len(self._said)

    async def send(self, *parts: bytes) -> None:
        if self._gone:
            raise ConnectionResetError("gone")
        await asyncio.sleep(0)
        await until(lambda: not self.stuck)
        self.heard.append(b"".join(parts))

    async def receive(self) -> bytes | None:
        while not self._said:
            self._changed.clear()
            await self._changed.wait()
        return self._said.popleft()


class FakeSession:
    """A process. What a test puts in ``outputs`` it writes; None ends that output."""

    def __init__(self) -> None:
        self.outputs: dict[int, asyncio.Queue[bytes | None]] = {1: asyncio.Queue(), 2: asyncio.Queue()}
        self.input = b""
        self.input_closed = False
        self.reads_input = True
        self.sizes: list[TerminalSize] = []
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.closed = 0

    def exit(self, code: int) -> None:
        for output in self.outputs.values():
            output.put_nowait(None)
        self.code.set_result(code)

    async def read(self, stream: int) -> bytes:
        return await self.outputs[stream].get() or b""

    async def write(self, data: bytes) -> None:
        await until(lambda: self.reads_input)
        self.input += data

    async def close_input(self) -> None:
        self.input_closed = True

    def resize(self, size: TerminalSize) -> None:
        self.sizes.append(size)

    async def wait(self) -> int:
        return await asyncio.shield(self.code)

    async def close(self) -> None:
        self.closed += 1


class FakeConnection:
    """A connection to a pod, which says what a test puts in ``says``; None ends it, an error breaks it."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[bytes | OSError | None] = asyncio.Queue()
        self.heard = b""
        self.reads = True
        self.broken = False
        self.input_closed = False
        self.closed = 0

    async def read(self) -> bytes:
        said = await self.says.get()
        if isinstance(said, OSError):
            raise said
        return said or b""

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise BrokenPipeError
        await until(lambda: self.reads)
        self.heard += data

    def close_input(self) -> None:
        self.input_closed = True

    async def close(self) -> None:
        self.closed += 1


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds():
                return
            await asyncio.sleep(0.001)
