"""Clocks: the computer's and the event loop's."""

import asyncio
from datetime import UTC, datetime, timedelta

from kdl_runtime.clock import LoopClock, SystemClock

START = datetime(2026, 1, 31, tzinfo=UTC)


async def test_the_system_clock_is_aware_and_goes_forward() -> None:
    clock = SystemClock()
    before, wall = clock.monotonic(), clock.now()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009
    assert wall.tzinfo is UTC
    assert clock.now() >= wall


async def test_the_loop_clock_follows_the_loop() -> None:
    clock = LoopClock(START)
    loop = asyncio.get_running_loop()
    first = loop.time()
    assert first <= clock.monotonic() <= loop.time()
    assert timedelta(seconds=first) <= clock.now() - START <= timedelta(seconds=loop.time())
    await clock.sleep(0.01)
    assert clock.monotonic() - first >= 0.009
