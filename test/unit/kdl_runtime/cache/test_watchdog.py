"""When a scope ends."""

import asyncio

import pytest

from kdl_runtime.cache.watchdog import Watchdog
from kdl_testing.virtual_time import run


@pytest.mark.parametrize(("lifetime", "idle", "ends"), [(10.0, None, 10.0), (10.0, 3.0, 5.0), (4.0, 3.0, 4.0)])
def test_a_scope_ends_with_its_life_or_with_silence(lifetime: float, idle: float | None, ends: float) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        with pytest.raises(TimeoutError):
            async with Watchdog(lifetime, idle) as watchdog:
                await asyncio.sleep(2)
                watchdog.touch()
                await asyncio.sleep(60)
        return loop.time() - begin

    assert run(main()) == pytest.approx(ends)


def test_a_scope_that_ends_may_be_ended_again() -> None:
    """What is followed is cancelled by then, and may take a moment to clean up."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watchdog = Watchdog(5.0, 1.0)
        begin = loop.time()

        async def follow() -> None:
            async with watchdog:
                try:
                    await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(3)

        following = asyncio.create_task(follow())
        for pause in (0.5, 0.0, 2.0):
            await asyncio.sleep(pause)
            watchdog.expire()
        with pytest.raises(TimeoutError):
            await following
        assert loop.time() - begin == pytest.approx(3.5)

    run(main())
