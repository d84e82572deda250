import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kdl_runtime.clock import LoopClock
from kdl_testing import virtual_time
from kdl_testing.virtual_time import DeadlockError

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_day_passes_without_waiting() -> None:
    async def main() -> tuple[float, datetime]:
        clock = LoopClock(START)
        await clock.sleep(24 * 3600)
        return clock.monotonic(), clock.now()

    elapsed, now = virtual_time.run(main())
    assert elapsed == pytest.approx(24 * 3600)
    assert abs(now - (START + timedelta(days=1))) < timedelta(milliseconds=1)


def test_years_pass_as_well() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(24 * 3600 + 0.1)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == pytest.approx(1000 * (24 * 3600 + 0.1))


def test_timers_fire_in_the_order_of_their_times() -> None:
    async def main() -> list[str]:
        fired: list[str] = []

        async def after(seconds: float, name: str) -> None:
            await asyncio.sleep(seconds)
            fired.append(name)

        await asyncio.gather(after(30, "c"), after(0.001, "a"), after(29.999, "b"))
        return fired

    assert virtual_time.run(main()) == ["a", "b", "c"]


def test_timeouts_live_on_the_same_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == pytest.approx(5)


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match="no timer is set"):
        virtual_time.run(main())


def test_what_blocks_makes_every_timer_late() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        timer = asyncio.ensure_future(asyncio.sleep(1, "late"))
        await asyncio.sleep(0)
        loop.block(5)
        assert not timer.done()
        assert await timer == "late"
        return loop.time()

    assert virtual_time.run(main()) == pytest.approx(5)
