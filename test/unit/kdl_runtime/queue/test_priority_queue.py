"""Waiting, waking and shutting down, on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from kdl_runtime.clock import LoopClock
from kdl_runtime.observe.metrics import EXCEEDED_CARDINALITY, Metrics
from kdl_runtime.queue.priority import PriorityQueue
from kdl_testing.virtual_time import run

START = datetime(2026, 1, 31, tzinfo=UTC)


def on_virtual_time(body: Callable[[PriorityQueue[str], Metrics], Awaitable[None]]) -> None:
    async def main() -> None:
        metrics = Metrics()
        await body(PriorityQueue("q", LoopClock(START), metrics=metrics.for_queue("q")), metrics)

    run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_get_wakes_up_exactly_when_a_key_is_due() -> None:
    async def body(queue: PriorityQueue[str], _metrics: Metrics) -> None:
        queue.add("late", after=7.25)
        queue.add("early", after=2.5)
        for key, due in (("early", 2.5), ("late", 7.25)):
            item = await queue.get()
            assert item is not None and item.key == key
            assert now() == pytest.approx(due)

    on_virtual_time(body)


def test_an_earlier_timer_moves_the_wake_up() -> None:
    async def body(queue: PriorityQueue[str], _metrics: Metrics) -> None:
        waiting = asyncio.create_task(queue.get())
        queue.add("a", after=100.0)
        await asyncio.sleep(1)
        queue.add("a", after=1.0)
        item = await waiting
        assert item is not None
        assert now() == pytest.approx(2.0)

    on_virtual_time(body)


def test_a_rate_limited_add_waits_and_counts_and_forget_resets() -> None:
    async def body(queue: PriorityQueue[str], metrics: Metrics) -> None:
        for expected in (0.005, 0.01, 0.02):
            before = now()
            queue.add("a", rate_limited=True)
            item = await queue.get()
            assert item is not None
            assert now() - before == pytest.approx(expected)
            queue.done("a")
        assert queue.num_requeues("a") == 3
        queue.forget("a")
        assert queue.num_requeues("a") == 0
        assert metrics.value("workqueue_retries_total", name="q", controller="q") == 3

    on_virtual_time(body)


def test_the_smaller_of_delay_and_back_off_holds() -> None:
    async def body(queue: PriorityQueue[str], _metrics: Metrics) -> None:
        queue.add("a", after=50.0, rate_limited=True)
        await queue.get()
        assert now() == pytest.approx(0.005)

    on_virtual_time(body)


def test_done_hands_over_what_was_added_meanwhile() -> None:
    async def body(queue: PriorityQueue[str], _metrics: Metrics) -> None:
        queue.add("a")
        await queue.get()
        queue.add("a")
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(10)
        assert not waiting.done()
        queue.done("a")
        item = await waiting
        assert item is not None
        assert item.key == "a"

    on_virtual_time(body)


def test_no_two_workers_have_one_key_and_all_keys_are_worked_on() -> None:
    async def body(queue: PriorityQueue[str], _metrics: Metrics) -> None:
        active: set[str] = set()
        worked: list[str] = []

        async def worker() -> None:
            while (item := await queue.get()) is not None:
                assert item.key not in active
                active.add(item.key)
                await asyncio.sleep(1)
                active.discard(item.key)
                worked.append(item.key)
                queue.done(item.key)

        workers = [asyncio.create_task(worker()) for _ in range(4)]
        for _ in range(3):
            for key in "abcdefgh":
                queue.add(key)
            await asyncio.sleep(0.5)
        await asyncio.sleep(60)
        queue.shutdown()
        await asyncio.gather(*workers)
        assert set(worked) == set("abcdefgh")
        assert len(worked) < 24

    on_virtual_time(body)


def test_a_cancelled_waiter_loses_no_key() -> None:
    async def body(queue: PriorityQueue[str], _metrics: Metrics) -> None:
        first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        first.cancel()
        item = await second
        assert item is not None
        assert item.key == "a"
        assert first.cancelled() or await asyncio.gather(first, return_exceptions=True)

    on_virtual_time(body)


def test_shutdown_ends_every_get_and_ignores_adds() -> None:
    async def body(queue: PriorityQueue[str], _metrics: Metrics) -> None:
        queue.add("timer", after=1.0)
        waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        queue.shutdown()
        assert await asyncio.gather(*waiting) == [None, None, None]
        queue.add("late")
        assert "late" not in queue
        assert await queue.get() is None

    on_virtual_time(body)


def test_metrics_follow_the_life_of_a_key() -> None:
    async def body(queue: PriorityQueue[str], metrics: Metrics) -> None:
        def value(name: str, **labels: str) -> float | None:
            return metrics.value(name, name="q", controller="q", **labels)

        queue.add("a", priority=-100)
        queue.add("b", after=1.0)
        assert value("workqueue_depth", priority="-100") == 1
        assert value("workqueue_adds_total") == 1
        queue.add("a", priority=0)
        assert value("workqueue_depth", priority="-100") == 0
        assert value("workqueue_depth", priority="0") == 1
        await asyncio.sleep(2)
        assert value("workqueue_depth", priority="0") == 2
        await queue.get()
        await asyncio.sleep(3)
        assert value("workqueue_unfinished_work_seconds") == pytest.approx(3)
        assert value("workqueue_longest_running_processor_seconds") == pytest.approx(3)
        queue.done("a")
        assert value("workqueue_unfinished_work_seconds") == 0
        assert value("workqueue_work_duration_seconds_sum") == pytest.approx(3)
        assert value("workqueue_queue_duration_seconds_sum") == pytest.approx(2)

    on_virtual_time(body)


def test_priorities_beyond_the_25th_share_a_label() -> None:
    async def body(queue: PriorityQueue[str], metrics: Metrics) -> None:
        for priority in range(30):
            queue.add(str(priority), priority=priority)
        depth = metrics.value("workqueue_depth", name="q", controller="q", priority=EXCEEDED_CARDINALITY)
        assert depth == 5

    on_virtual_time(body)
