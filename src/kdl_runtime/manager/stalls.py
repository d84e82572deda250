"""Finds what holds the event loop up: the stack of its thread, taken while it is stuck.

A blocked loop cannot look at itself, so a thread does. A stall is reported twice: with the stack as soon as it is long
enough, and with its length when it is over. Python code is seen as it runs; a C function that keeps the interpreter's
lock is seen only when it returns, with the line that called it.
"""

import asyncio
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

LOOKS = 4
"""Looks, and ticks, per threshold: a stall is noticed between one threshold and one and a half after it began."""
MOST_FRAMES = 30


class StallDetector:
    """Whether a loop has stopped turning, from the times at which it did turn. In seconds of one monotonic clock.

    ``tick`` and ``look`` come from different threads; each does one assignment or read of what the other uses.
    """

    def __init__(self, threshold: float, now: float) -> None:
        self.threshold = threshold
        self._ticked = now
        self._reported: float | None = None
        """The tick after which the stall began that was reported last."""

    def tick(self, now: float) -> None:
        self._ticked = now

    def look(self, now: float) -> float | None:
        """How long the loop has stood still, once per stall; None while it turns."""
        ticked = self._ticked
        stood = now - ticked
        if stood < self.threshold or ticked == self._reported:
            return None
        self._reported = ticked
        return stood

    def ended(self, now: float) -> float | None:
        """For the tick at ``now``, before it is noted: how long the stall lasted that was reported and is over now."""
        return now - self._ticked if self._ticked == self._reported else None


@dataclass(frozen=True, slots=True)
class Threads:
    """What the watch needs of the interpreter. ``now`` is in seconds, and may be called in any thread."""

    now: Callable[[], float] = time.monotonic
    frames: Callable[[], Mapping[int, FrameType]] = sys._current_frames


class StallWatch:
    """Watches the loop that runs it. ``count`` is called once for each stall, ``threshold`` is in seconds."""

    name = "event loop stalls"

    def __init__(self, threshold: float, count: Callable[[], None], threads: Threads | None = None) -> None:
        self._threshold = threshold
        self._count = count
        self._threads = threads or Threads()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        detector = StallDetector(self._threshold, self._threads.now())
        over = threading.Event()
        watcher = threading.Thread(
            target=self._watch,
            args=(detector, over, threading.get_ident(), loop),
            name="event-loop-stalls",
            daemon=True,
        )
        watcher.start()
        try:
            while True:
                await asyncio.sleep(self._threshold / LOOKS)
                now = self._threads.now()
                if (seconds := detector.ended(now)) is not None:
                    log.warning("the event loop turns again", seconds=round(seconds, 3))
                detector.tick(now)
        finally:
            over.set()
            watcher.join()

    def _watch(
        self, detector: StallDetector, over: threading.Event, thread: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        while not over.wait(self._threshold / LOOKS):
            seconds = detector.look(self._threads.now())
            if seconds is not None:
                frame = self._threads.frames().get(thread)
                self._count()
                log.warning(
                    "the event loop stands still: use await, or asyncio.to_thread for what computes",
                    seconds=round(seconds, 3),
                    task=_current_task(loop),
                    stack="".join(traceback.format_stack(frame)[-MOST_FRAMES:]) if frame is not None else "",
                )


def _current_task(loop: asyncio.AbstractEventLoop) -> str:
    """The name of the task that the loop is busy with; "" for a callback."""
    with contextlib.suppress(RuntimeError):
        task = asyncio.current_task(loop)
        if task is not None:
            return task.get_name()
    return ""
