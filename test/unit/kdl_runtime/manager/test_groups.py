"""Starting, draining, cancelling and failing, on virtual time."""

import asyncio

import pytest

from kdl_runtime.manager.groups import FunctionRunnable, RunnableGroup
from kdl_testing.virtual_time import run


class Draining:
    """Needs ``seconds`` to end after it was asked to."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        self.asked = asyncio.Event()
        self.ended = ""

    def shutdown(self) -> None:
        self.asked.set()

    async def run(self) -> None:
        try:
            await self.asked.wait()
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "by itself"


async def forever() -> None:
    await asyncio.Event().wait()


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("timeout", "late", "seconds"),
    [(30.0, [], 20.0), (None, [], 20.0), (5.0, ["slow"], 5.0), (0.0, ["quick", "slow"], 0.0)],
)
def test_a_stop_waits_for_what_drains_and_no_longer_than_it_may(
    timeout: float | None, late: list[str], seconds: float
) -> None:
    async def main() -> None:
        group = RunnableGroup("g")
        quick, slow = Draining("quick", 1), Draining("slow", 20)
        for runnable in (quick, slow, FunctionRunnable(forever)):
            group.add(runnable)
        group.start(lambda error: pytest.fail(str(error)))
        await asyncio.sleep(1)
        assert sorted(await group.stop(timeout)) == late
        assert now() == pytest.approx(1 + seconds)
        assert slow.ended == ("cancelled" if "slow" in late else "by itself")

    run(main())


def test_what_ignores_its_cancellation_is_left_behind() -> None:
    async def main() -> None:
        stubborn_ended = asyncio.Event()

        async def stubborn() -> None:
            while not stubborn_ended.is_set():
                try:
                    await stubborn_ended.wait()
                except asyncio.CancelledError:
                    continue

        group = RunnableGroup("g")
        group.add(FunctionRunnable(stubborn))
        group.start(lambda error: pytest.fail(str(error)))
        await asyncio.sleep(0)
        assert len(await group.stop(3)) == 1
        assert now() == pytest.approx(4)
        stubborn_ended.set()
        await asyncio.sleep(0)

    run(main())


def test_a_failure_is_told_and_an_orderly_end_is_not() -> None:
    async def main() -> None:
        failures: list[BaseException] = []

        async def fail() -> None:
            raise RuntimeError("why")

        async def end() -> None: ...

        group = RunnableGroup("g")
        group.add(FunctionRunnable(fail))
        group.add(FunctionRunnable(end))
        group.start(failures.append)
        await asyncio.sleep(1)
        assert [str(failure) for failure in failures] == ["why"]
        assert await group.stop(1) == []

    run(main())


def test_what_is_added_late_runs_at_once_and_after_the_stop_it_is_refused() -> None:
    async def main() -> None:
        ran = asyncio.Event()

        async def late() -> None:
            ran.set()

        group = RunnableGroup("g")
        group.start(lambda error: pytest.fail(str(error)))
        group.add(FunctionRunnable(late))
        await asyncio.wait_for(ran.wait(), 1)
        await group.stop(1)
        with pytest.raises(RuntimeError, match="the group g has been stopped"):
            group.add(FunctionRunnable(late))

    run(main())
