"""When a loop counts as stuck, and what is told about it."""

import asyncio
import threading
import time
from collections.abc import Iterable

import pytest

from kdl_runtime.manager.manager import ManagerOptions
from kdl_runtime.manager.stalls import StallDetector, StallWatch
from kdl_runtime.observe.metrics import Metrics

TICK, LOOK = "tick", "look"


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([(TICK, 1.0), (LOOK, 1.5)], []),
        ([(TICK, 1.0), (LOOK, 2.0)], [("stands", 1.0)]),
        ([(TICK, 1.0), (LOOK, 2.5), (LOOK, 9.0)], [("stands", 1.5)]),
        ([(TICK, 1.0), (LOOK, 2.5), (TICK, 4.0)], [("stands", 1.5), ("stood", 3.0)]),
        ([(LOOK, 1.2), (TICK, 2.0), (LOOK, 2.9), (LOOK, 3.1)], [("stands", 1.2), ("stood", 2.0), ("stands", 1.1)]),
        ([(TICK, 5.0), (TICK, 9.0)], []),
    ],
    ids=["turns", "stands", "once", "turns again", "twice", "too short to be looked at"],
)
def test_a_stall_is_told_once_and_when_it_is_over(
    steps: Iterable[tuple[str, float]], told: list[tuple[str, float]]
) -> None:
    detector = StallDetector(1.0, 0.0)
    seen: list[tuple[str, float]] = []
    for what, now in steps:
        if what == TICK:
            if (seconds := detector.ended(now)) is not None:
                seen.append(("stood", seconds))
            detector.tick(now)
        elif (seconds := detector.look(now)) is not None:
            seen.append(("stands", seconds))
    assert [what for what, _ in seen] == [what for what, _ in told]
    assert [seconds for _, seconds in seen] == pytest.approx([seconds for _, seconds in told])


def blocks_the_loop(until: threading.Event) -> None:
    """The function whose name the report must show."""
    deadline = time.monotonic() + 30
    while not until.is_set() and time.monotonic() < deadline:
        time.sleep(0.01)


async def test_what_blocks_the_loop_is_named_with_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    noticed = threading.Event()
    metrics = Metrics()

    def count() -> None:
        metrics.loop_stalls.inc()
        noticed.set()

    watch = asyncio.create_task(StallWatch(0.2, count).run())
    try:
        await asyncio.sleep(0.3)
        assert metrics.value("kdl_runtime_event_loop_stalls_total") == 0

        async def work() -> None:
            blocks_the_loop(noticed)

        await asyncio.create_task(work(), name="greeting worker 0")
        await asyncio.sleep(0.2)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    assert metrics.value("kdl_runtime_event_loop_stalls_total") == 1
    output = capsys.readouterr().out
    assert "the event loop stands still" in output
    assert "blocks_the_loop" in output
    assert "greeting worker 0" in output
    assert "the event loop turns again" in output
    assert not [thread for thread in threading.enumerate() if thread.name == "event-loop-stalls"]


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="use 0 not to look for stalls"):
        ManagerOptions(stall_threshold=-1)
