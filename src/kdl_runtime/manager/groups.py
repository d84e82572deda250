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

        The names of those that had to be cancelled although they were asked.
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
        names = [task.get_name() for task in late]
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_SECONDS)
        return names

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


class FunctionRunnable:
    """A coroutine function as a runnable."""

    def __init__(self, function: Callable[[], Awaitable[None]]) -> None:
        self.name = getattr(function, "__qualname__", type(function).__name__)
        self._function = function

    async def run(self) -> None:
        await self._function()
