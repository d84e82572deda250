"""The clients that are attached to a process, and its output on the way to them."""

from collections.abc import Callable, Iterable

from kdl_local.apiserver.streams.queues import ByteQueue


class Listener:
    """One client's view of the output from now on, of the streams (``stdout``, ``stderr``) that it wants."""

    def __init__(self, streams: Iterable[str], changed: Callable[[], None]) -> None:
        self.queues = {stream: ByteQueue() for stream in streams}
        self._changed = changed

    async def read(self, stream: str) -> bytes:
        """Empty at the end, and for a stream that was not asked for."""
        queue = self.queues.get(stream)
        if queue is None:
            return b""
        data = await queue.get()
        self._changed()
        return data


class Audience:
    """While one client is slow, the output of the process waits, as with a container runtime: nothing is lost, and no
    more than a little is kept. ``changed`` is called when it may go on."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._listeners: set[Listener] = set()
        self._ended = False

    def add(self, streams: Iterable[str]) -> Listener:
        listener = Listener(streams, self._changed)
        self._listeners.add(listener)
        if self._ended:
            self.end()
        return listener

    def remove(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        self._changed()

    def push(self, stream: str, data: bytes) -> None:
        for listener in self._listeners:
            if stream in listener.queues:
                listener.queues[stream].push(data)

    def slow(self, stream: str) -> bool:
        return any(stream in item.queues and item.queues[stream].full for item in self._listeners)

    def end(self) -> None:
        self._ended = True
        for listener in self._listeners:
            for queue in listener.queues.values():
                queue.end()
