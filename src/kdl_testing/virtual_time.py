"""An event loop on virtual time: when every task waits, time jumps to the next timer instead of passing.

Whatever runs on it must get its time from the loop (``kdl_runtime.clock.LoopClock``, ``asyncio.sleep``,
``asyncio.timeout``, ``call_later``) and must not wait for sockets, threads or processes. Hours then take as long as the
work in them, and the order of events is the same at every run.
"""

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(RuntimeError):
    """Every task waits, no timer is set and no file is ready: nothing can ever happen again."""


class _JumpingSelector(selectors.DefaultSelector):
    """Reports files that are ready already; what the loop would have slept is given to ``let_pass`` instead.

    While there is anything else to do it asks for no files: nothing that waits for them runs on this loop.
    """

    def __init__(self, let_pass: Callable[[float], None]) -> None:
        super().__init__()
        self._let_pass = let_pass

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise DeadlockError("every task waits and no timer is set: something waits for what nobody will do")
        self._let_pass(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and moves only while everything waits."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self.block))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def block(self, seconds: float) -> None:
        """Let time pass in which nothing on this loop can run: what code does that computes, or waits, without
        ``await``. Every timer that is due by then comes late."""
        self._now += seconds
        # After some weeks floats are further apart than that, and a timer that is due would never be.
        self._clock_resolution = max(1e-9, 2 * math.ulp(self._now))


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
