import random
from collections.abc import Callable

import pytest

from kdl_testing.sim import Action, Dice, Scenario, shrink
from kdl_testing.sim.faults import ALL_FAULTS, LEADERSHIP_FAULTS, Fault, FaultKind
from kdl_testing.sim.scenario import Pages, Part, Replica, draw

WHOLE = Scenario.of(1, [Action(float(at), "do", "abcd"[at % 4]) for at in range(20)])


def needs(*numbers: int) -> Callable[[Scenario], bool]:
    return lambda scenario: set(numbers) <= set(scenario.kept)


@pytest.mark.parametrize("numbers", [(), (7,), (0, 19), (3, 4, 5, 11), tuple(range(20))])
def test_only_what_it_takes_is_left(numbers: tuple[int, ...]) -> None:
    assert shrink(WHOLE, needs(*numbers)).kept == numbers


def test_all_of_one_subject_goes_at_once() -> None:
    attempts: list[tuple[int, ...]] = []

    def fails(scenario: Scenario) -> bool:
        attempts.append(scenario.kept)
        return {0, 4, 8, 12, 16} <= set(scenario.kept)

    assert shrink(WHOLE, fails).kept == (0, 4, 8, 12, 16)
    assert len(attempts) < 40


def test_the_search_is_bounded() -> None:
    attempts: list[Scenario] = []

    def fails(scenario: Scenario) -> bool:
        attempts.append(scenario)
        return len(scenario.kept) > 18

    assert len(shrink(WHOLE, fails, most_runs=5).kept) > 18
    assert len(attempts) == 5


def test_a_scenario_keeps_the_numbers_of_its_parts() -> None:
    parts: list[Part] = [
        Replica(3.0),
        Pages(2),
        Fault(1.0, FaultKind.OVERLAP, 2.0),
        Action(4.0, "create", "a", {"n": 1}),
    ]
    scenario = Scenario.of(5, parts)
    assert scenario.describe() == [
        "one more process, whose clock is +3 s off",
        "lists in pages of 2",
        "t=1.0 overlap for 2.0 s, amount 0.00, target 0",
        "t=4.0 create a {'n': 1}",
    ]
    assert (scenario.subject(0), scenario.subject(2), scenario.subject(3)) == ("leader election",) * 2 + ("a",)
    half = scenario.keep([0, 3]).keep([3, 2])
    assert half.kept == (3,)
    assert ([*half.actions], [*half.faults], [*half.replicas], half.page_size) == ([parts[3]], [], [], None)
    assert [*scenario.keep([2]).faults] == [(2, parts[2])]


def test_a_seed_decides_the_scenario() -> None:
    def actions(rng: random.Random) -> list[Action]:
        return [Action(rng.uniform(0, 10), "do", "a"), Action(rng.uniform(0, 10), "do", "b")]

    dice = Dice(duration=20.0)
    assert draw(3, dice, actions) == draw(3, dice, actions) != draw(4, dice, actions)
    drawn = [draw(seed, dice, actions) for seed in range(300)]
    faults = [fault for scenario in drawn for _, fault in scenario.faults]
    assert {fault.kind for fault in faults} == ALL_FAULTS
    assert all(fault.at + fault.span <= 20.0 + 1e-9 for fault in faults)
    for scenario in drawn:
        if not [*scenario.replicas]:
            assert not {fault.kind for _, fault in scenario.faults} & LEADERSHIP_FAULTS
    calm = Dice(kinds=frozenset(), replicas=0.0, pages=0.0)
    assert {len(draw(seed, calm, actions).kept) for seed in range(20)} == {2}
