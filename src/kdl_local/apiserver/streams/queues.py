"""A bounded queue of bytes between two tasks."""

import asyncio
from collections import deque

LIMIT = 256 * 1024


class ByteQueue:
    """``put`` waits while more than ``limit`` bytes are in the queue, so that it holds at most one piece more."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._discarding = False
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        return self._size > self._limit

    async def put(self, data: bytes) -> None:
        while self.full and not self._discarding:
            self._changed.clear()
            await self._changed.wait()
        self.push(data)

    def push(self, data: bytes) -> None:
        """Without waiting, for who asks ``full`` first. Dropped after the end."""
        if not data or self._ended or self._discarding:
            return
        self._pieces.append(data)
        self._size += len(data)
        self._changed.set()

    async def get(self) -> bytes:
        """The next piece; empty at the end."""
        while not self._pieces:
            if self._ended or self._discarding:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = self._pieces.popleft()
        self._size -= len(data)
        self._changed.set()
        return data

    def end(self) -> None:
        """No more comes; what is in the queue is still given out."""
        self._ended = True
        self._changed.set()

    def discard(self) -> None:
        """Nobody reads any more: what is there and what comes is dropped."""
        self._discarding = True
        self._pieces.clear()
        self._size = 0
        self._changed.set()
