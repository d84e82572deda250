"""The order of keys, as tables of what is added and what comes out."""

import random

import pytest

from kdl_runtime.queue.schedule import Schedule

FOREVER = 1e9


def drain(schedule: Schedule[str], now: float) -> list[str]:
    keys = []
    while (item := schedule.pop(now)) is not None:
        schedule.done(item.key, now)
        keys.append(item.key)
    return keys


@pytest.mark.parametrize(
    ("adds", "expected"),
    [
        pytest.param([("a", 0), ("b", 0)], ["a", "b"], id="in the order of adding"),
        pytest.param([("a", -100), ("b", 0)], ["b", "a"], id="higher priority first"),
        pytest.param([("a", 0), ("b", 0), ("a", 0)], ["a", "b"], id="one entry per key, which keeps its place"),
        pytest.param([("a", -1), ("b", 0), ("a", 0)], ["b", "a"], id="a raised key joins the end of its new level"),
        pytest.param([("a", 5), ("b", 3), ("a", 1)], ["a", "b"], id="a priority is never lowered"),
    ],
)
def test_ready_keys_go_by_priority_then_by_age(adds: list[tuple[str, int]], expected: list[str]) -> None:
    schedule: Schedule[str] = Schedule(FOREVER)
    for key, priority in adds:
        schedule.add(key, priority, 0, 0.0)
    assert len(schedule) == len(expected)
    assert drain(schedule, 0.0) == expected
    assert len(schedule) == 0


@pytest.mark.parametrize(
    ("delays", "due"),
    [
        pytest.param([5.0], 5.0, id="one"),
        pytest.param([5.0, 3.0], 3.0, id="the earlier wins"),
        pytest.param([3.0, 5.0], 3.0, id="and stays"),
        pytest.param([5.0, 0.0], None, id="an immediate add swallows the timer"),
        pytest.param([0.0, 5.0], None, id="and a ready key needs none"),
    ],
)
def test_a_key_keeps_its_earliest_time(delays: list[float], due: float | None) -> None:
    schedule: Schedule[str] = Schedule(FOREVER)
    for delay in delays:
        schedule.add("a", 0, delay, 0.0)
    assert schedule.next_due() == due
    assert drain(schedule, 0.0) == (["a"] if due is None else [])
    assert schedule.promote(100.0) == ([] if due is None else [0])
    assert drain(schedule, 100.0) == ([] if due is None else ["a"])
    assert schedule.next_due() is None


def test_a_key_whose_timer_fires_joins_the_end_of_its_level() -> None:
    schedule: Schedule[str] = Schedule(FOREVER)
    schedule.add("timer", 0, 1.0, 0.0)
    schedule.add("ready", 0, 0, 0.5)
    schedule.promote(1.0)
    assert drain(schedule, 1.0) == ["ready", "timer"]


def test_a_key_in_work_is_not_handed_out_before_it_is_done() -> None:
    schedule: Schedule[str] = Schedule(FOREVER)
    schedule.add("a", 0, 0, 0.0)
    assert schedule.pop(0.0) is not None
    schedule.add("a", 7, 0, 1.0)
    assert len(schedule) == 1
    assert schedule.pop(1.0) is None
    assert schedule.done("a", 3.0) == 3.0
    item = schedule.pop(4.0)
    assert item is not None
    assert (item.key, item.priority, item.waited) == ("a", 7, 3.0)


def test_a_timer_that_fires_while_its_key_is_in_work_waits_too() -> None:
    schedule: Schedule[str] = Schedule(FOREVER)
    schedule.add("a", 0, 0, 0.0)
    schedule.pop(0.0)
    schedule.add("a", 0, 1.0, 0.0)
    assert schedule.promote(1.0) == [0]
    assert schedule.pop(1.0) is None
    schedule.done("a", 2.0)
    assert drain(schedule, 2.0) == ["a"]


def test_an_old_key_takes_turns_with_fresh_ones_of_higher_priority() -> None:
    schedule: Schedule[str] = Schedule(age_after=10.0)
    for key in ("old1", "old2", "old3"):
        schedule.add(key, -100, 0, 0.0)
    order = []
    for number in range(6):
        schedule.add(f"new{number}", 0, 0, 20.0)
    while (item := schedule.pop(20.0)) is not None:
        schedule.done(item.key, 20.0)
        order.append(item.key)
    assert order == ["old1", "new0", "old2", "new1", "old3", "new2", "new3", "new4", "new5"]


def test_a_busy_queue_starves_nobody() -> None:
    schedule: Schedule[str] = Schedule(age_after=10.0)
    schedule.add("old", -100, 0, 0.0)
    for second in range(100):
        schedule.add(f"new{second}", 1000, 0, float(second))
        item = schedule.pop(float(second))
        assert item is not None
        schedule.done(item.key, float(second))
        if item.key == "old":
            assert second == 10
            return
    pytest.fail("the old key was never handed out")


def test_leftovers_do_not_pile_up() -> None:
    schedule: Schedule[str] = Schedule(FOREVER)
    for round_ in range(10_000):
        schedule.add("a", 0, 3600.0, float(round_))
        schedule.add("a", 0, 0, float(round_))
        assert drain(schedule, float(round_)) == ["a"]
    assert len(schedule._waiting) < 200
    assert len(schedule._ready) < 200


@pytest.mark.parametrize("seed", range(20))
def test_every_key_comes_out_once_for_each_time_it_was_added(seed: int) -> None:
    rng = random.Random(seed)
    schedule: Schedule[int] = Schedule(age_after=5.0)
    now, held, wanted = 0.0, [], set()
    for _ in range(2000):
        now += rng.random()
        match rng.randrange(4):
            case 0 | 1:
                key = rng.randrange(20)
                schedule.add(key, rng.randrange(-2, 3), rng.choice([0, 0, rng.random() * 10]), now)
                wanted.add(key)
            case 2:
                schedule.promote(now)
                item = schedule.pop(now)
                if item is not None:
                    assert item.key in wanted
                    assert item.key not in held
                    wanted.discard(item.key)
                    held.append(item.key)
            case _ if held:
                schedule.done(held.pop(rng.randrange(len(held))), now)
    for key in held:
        schedule.done(key, now)
    schedule.promote(now + 100)
    assert len(schedule) == len(wanted)
    left = []
    while (item := schedule.pop(now + 100)) is not None:
        left.append(item.key)
    assert sorted(left) == sorted(wanted)
