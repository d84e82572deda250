"""Ends a stream that lives too long or has gone silent."""

import asyncio
from types import TracebackType


class Watchdog:
    """A scope that raises TimeoutError when nothing has touched it for ``idle`` seconds, or after ``lifetime`` seconds.

    Touching is as cheap as an assignment: one timer looks now and then whether the silence is long enough, instead of
    being set anew for each event. ``idle`` may be changed at any time; None switches that limit off.
    """

    def __init__(self, lifetime: float, idle: float | None = None) -> None:
        self._lifetime = lifetime
        self.idle = idle
        self._scope = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._ends = 0.0
        self._touched = 0.0

    def touch(self) -> None:
        """Something has happened."""
        self._touched = self._loop.time()

    def limit_idle(self, idle: float) -> None:
        """Set ``idle`` from now on."""
        self.idle = idle
        self.touch()
        self._arm()

    def expire(self) -> None:
        """Raise TimeoutError now. It is on its way already if the lifetime or the silence has just been too long."""
        if not self._scope.expired():
            self._scope.reschedule(self._loop.time())

    async def __aenter__(self) -> "Watchdog":
        self._loop = asyncio.get_running_loop()
        self._touched = self._loop.time()
        self._ends = self._touched + self._lifetime
        await self._scope.__aenter__()
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._scope.__aexit__(kind, error, traceback)

    def _due(self) -> float:
        return self._ends if self.idle is None else min(self._ends, self._touched + self.idle)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due(), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() >= self._due() - 1e-6:
            self.expire()
        else:
            self._arm()
