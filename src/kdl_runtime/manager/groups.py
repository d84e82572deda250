"""Groups of things that run, started and stopped in order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

import structlog

log = structlog.get_logger(__name__)

CANCEL_SECONDS = 1.0
"""How long a cancelled runnable may take to end before it is left behind."""


class Runnable(Protocol):
    """Runs until it is done or cancelled. An exception stops the manager."""

    async def run(self) -> None: ...


@runtime_checkable
class Drainable(Protocol):
    """A runnable that can be asked to end: it finishes what it has begun, and ``run`` returns."""

    def shutdown(self) -> None: ...


@runtime_checkable
class Warmable(Protocol):
    """A runnable that can be made ready before it may run: what only a leader may do, but every process can prepare."""

    async def warm_up(self) -> None:
        """Returns when all is prepared. ``run`` may be called before that, at the same time, or without it."""
        ...

    async def run(self) -> None: ...


class Server(Protocol):
    """Something that listens. It runs before the cache fills and until the cache has stopped, whoever leads."""

    name: str

    async def start(self) -> None:
        """Returns when it listens; OSError, or any other error, ends the manager."""
        ...

    async def stop(self) -> None:
        """Returns when nothing listens any more. Called once, and only after a start that has succeeded."""
        ...


class ServerGroup:
    """Servers, started in the order of their adding and stopped in the opposite one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._waiting: list[Server] = []
        self._running: list[Server] = []
        self._starts: dict[asyncio.Task[None], Server] = {}
        self._on_failure: Callable[[BaseException], None] | None = None
        self._stopped = False

    def add(self, server: Server) -> None:
        """Before the start it waits for it, after it starts at once; RuntimeError after the stop."""
        if self._stopped:
            raise RuntimeError(f"the group {self.name} has been stopped: nothing can be added to it any more")
        self._waiting.append(server)
        if self._on_failure is not None:
            task = asyncio.create_task(self._start_waiting(), name=f"start of {server.name}")
            self._starts[task] = server
            task.add_done_callback(self._begun)

    async def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Returns when all listen, and raises what the first that cannot raises. ``on_failure`` is told of those that
        are added later."""
        await self._start_waiting()
        self._on_failure = on_failure

    async def stop(self, timeout: float | None) -> list[str]:
        """The names of those that had not stopped after ``timeout`` seconds, all together; None is without limit."""
        self._stopped = True
        for task in self._starts:
            task.cancel()
        await asyncio.gather(*self._starts, return_exceptions=True)
        late: list[str] = []
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self._running:
            server = self._running.pop()
            try:
                async with asyncio.timeout_at(deadline):
                    await server.stop()
            except TimeoutError:
                late.append(server.name)
            except Exception:
                log.exception("server failed while it was stopped", server=server.name)
        return late

    async def _start_waiting(self) -> None:
        while self._waiting:
            server = self._waiting.pop(0)
            await server.start()
            self._running.append(server)

    def _begun(self, task: asyncio.Task[None]) -> None:
        server = self._starts.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if self._stopped or self._on_failure is None:
                log.error("server could not start", server=server.name, exc_info=error)
            else:
                self._on_failure(error)


class RunnableGroup:
    """What runs together. Its tasks belong to it, not to the caller: the caller's cancellation does not reach them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._runnables: list[Runnable] = []
        self._tasks: dict[asyncio.Task[None], Runnable] = {}
        self._on_failure: Callable[[BaseException], None] | None = None
        self._stopped = False

    @property
    def started(self) -> bool:
        return self._on_failure is not None

    def add(self, runnable: Runnable) -> None:
        """Before the start it waits for it, after it runs at once; RuntimeError after the stop."""
        if self._stopped:
            raise RuntimeError(f"the group {self.name} has been stopped: nothing can be added to it any more")
        self._runnables.append(runnable)
        if self._on_failure is not None:
            self._begin(runnable)

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """``on_failure`` is told what a runnable raises."""
        self._on_failure = on_failure
        for runnable in self._runnables:
            self._begin(runnable)

    async def stop(self, timeout: float | None) -> list[str]:
        """Ask the drainable to end and cancel the others; after ``timeout`` seconds (None: no limit) cancel all.

        The names of those that had to be cancelled although they were asked, in the order of their adding.
        """
        self._stopped = True
        for task, runnable in self._tasks.items():
            if isinstance(runnable, Drainable):
                runnable.shutdown()
            else:
                task.cancel()
        if not self._tasks:
            return []
        _, late = await asyncio.wait(self._tasks, timeout=timeout)
        # A set has no order of its own, and a simulated run must replay exactly.
        in_order = [task for task in self._tasks if task in late]
        for task in in_order:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_SECONDS)
        return [task.get_name() for task in in_order]

    def _begin(self, runnable: Runnable) -> None:
        name = getattr(runnable, "name", None) or type(runnable).__name__
        task = asyncio.create_task(runnable.run(), name=str(name))
        self._tasks[task] = runnable
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if self._stopped:
            log.error("runnable failed while it was stopped", runnable=task.get_name(), exc_info=error)
        elif self._on_failure is not None:
            self._on_failure(error)


class WarmUp:
    """The preparation of something warmable, as a runnable of its own."""

    def __init__(self, warmable: Warmable) -> None:
        self.name = f"warm-up of {getattr(warmable, 'name', type(warmable).__name__)}"
        self._warmable = warmable

    async def run(self) -> None:
        await self._warmable.warm_up()


class FunctionRunnable:
    """A coroutine function as a runnable."""

    def __init__(self, function: Callable[[], Awaitable[None]]) -> None:
        self.name = getattr(function, "__qualname__", type(function).__name__)
        self._function = function

    async def run(self) -> None:
        await self._function()
