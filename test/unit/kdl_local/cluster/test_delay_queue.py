import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from kdl_local.delay_queue import DelayQueue
from kdl_runtime.clock import LoopClock
from kdl_testing import virtual_time


def played(script: Callable[[DelayQueue[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        await script(DelayQueue(LoopClock(datetime(2026, 1, 1, tzinfo=UTC))))

    virtual_time.run(main())


async def drained(queue: DelayQueue[str]) -> list[tuple[float, str]]:
    found = []
    while len(queue):
        key = await queue.get()
        found.append((round(asyncio.get_running_loop().time(), 6), key))
    return found


def test_keys_come_in_the_order_of_their_times() -> None:
    async def script(queue: DelayQueue[str]) -> None:
        for key, after in (("late", 5.0), ("now", 0.0), ("soon", 1.0), ("also now", 0.0)):
            queue.add(key, after)
        assert await drained(queue) == [(0, "now"), (0, "also now"), (1, "soon"), (5, "late")]

    played(script)


def test_the_earliest_time_counts() -> None:
    async def script(queue: DelayQueue[str]) -> None:
        queue.add("a", 5)
        queue.add("a", 2)
        queue.add("a", 9)
        assert await drained(queue) == [(2, "a")]

    played(script)


def test_a_time_may_be_put_off() -> None:
    async def script(queue: DelayQueue[str]) -> None:
        queue.add("a", 2)
        queue.reschedule("a", 7)
        queue.add("b", 3)
        assert await drained(queue) == [(3, "b"), (7, "a")]

    played(script)


def test_what_is_discarded_does_not_come() -> None:
    async def script(queue: DelayQueue[str]) -> None:
        queue.add("a", 1)
        queue.add("b", 2)
        queue.discard("a")
        queue.discard("never there")
        assert ("a" in queue, "b" in queue) == (False, True)
        assert await drained(queue) == [(2, "b")]

    played(script)


def test_a_waiting_reader_notices_an_earlier_key() -> None:
    async def script(queue: DelayQueue[str]) -> None:
        queue.add("late", 100)
        reader = asyncio.ensure_future(queue.get())
        await asyncio.sleep(1)
        queue.add("early", 1)
        assert await reader == "early"
        assert asyncio.get_running_loop().time() == 2

    played(script)
