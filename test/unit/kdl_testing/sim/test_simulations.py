"""The simulation of somebody's own operator: from a class to a line that replays its failure."""

import subprocess
import sys
from pathlib import Path

import pytest

from kdl_testing.sim import Action, check, explore, replay, smallest
from kdl_testing.sim.command import find, main
from kdl_testing.sim.play import scenario_of
from unit.kdl_testing.sim.counters import BROKEN, Careless, Copies

CARELESS = "unit.kdl_testing.sim.counters:Careless"


def test_a_good_operator_passes() -> None:
    report = explore(Copies, range(30))
    assert (report.played, report.failures) == (30, [])
    assert 0 < report.cpu_per_run < 1
    check(Copies, range(30, 35))


def test_a_bug_is_shrunk_to_what_it_takes() -> None:
    (failure,) = explore(Careless, range(50), most_failures=1).failures
    assert len(failure.scenario) == 1
    assert f"create {BROKEN}" in failure.scenario[0]
    assert "default/broken has no copy" in failure.violations[0]
    numbers = ",".join(map(str, failure.kept))
    assert failure.command.endswith(f"python -m kdl_testing.sim {CARELESS} --seed {failure.seed} --keep {numbers}")
    assert failure.original.endswith(f"{CARELESS} --seed {failure.seed}")
    assert replay(Careless, failure.seed, failure.kept).violations == failure.violations
    assert replay(Careless, failure.seed).violations == failure.first


def test_the_assertion_of_a_test_shows_all_of_it() -> None:
    with pytest.raises(AssertionError) as raised:
        check(Careless, range(50))
    text = str(raised.value)
    assert "the smallest scenario:\n    t=" in text
    assert f"replay it: PYTHONPATH=test python -m kdl_testing.sim {CARELESS} --seed" in text or "replay it: " in text


def test_workers_find_the_same() -> None:
    alone, together = (explore(Careless, range(50), workers=number, most_failures=4) for number in (1, 2))
    assert together.played == alone.played > 0
    assert {failure.seed for failure in together.failures} == {failure.seed for failure in alone.failures}
    assert together.failures


def test_a_seed_that_does_not_fail_cannot_be_shrunk() -> None:
    with pytest.raises(ValueError, match=r"seed 1 of .*:Copies does not fail"):
        smallest(Copies, 1)


def test_what_the_seed_does_not_decide_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([BROKEN] * 2)
    seed = next(seed for seed in range(50) if "broken" in str(scenario_of(Copies, seed).describe()))
    monkeypatch.setattr(Copies, "forgotten", property(lambda self: next(calls, "")))
    (failure,) = explore(Copies, [seed]).failures
    assert "something in it is not decided by the seed" in failure.violations[-1]


def test_an_error_of_the_simulation_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(self: Copies, action: Action) -> None:
        raise RuntimeError(f"{action.kind} cannot be done")

    monkeypatch.setattr(Copies, "act", act)
    assert "create cannot be done" in replay(Copies, 0).violations[-1]


def test_the_command_plays_one_seed_and_tells_all(capsys: pytest.CaptureFixture[str]) -> None:
    (failure,) = explore(Careless, range(50), most_failures=1).failures
    kept = ",".join(map(str, failure.kept))
    assert main([CARELESS, "--seed", str(failure.seed), "--keep", kept]) == 1
    shown = capsys.readouterr().out
    assert f"create {BROKEN}" in shown
    assert "process-0     copies reconciles default/broken" in shown
    assert failure.violations[0] in shown
    assert main([CARELESS, "--seed", str(failure.seed), "--keep", "none"]) == 0


def test_the_command_plays_many_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unit.kdl_testing.sim.counters:Copies", "--seeds", "0:5"]) == 0
    assert "5 played, 0 failed, " in capsys.readouterr().out
    assert main([CARELESS, "--seeds", "0:20"]) == 1
    assert "the smallest scenario:" in capsys.readouterr().out


def test_the_line_that_replays_works_in_a_shell() -> None:
    failure = smallest(Careless, next(s for s in range(50) if "broken" in str(scenario_of(Careless, s).describe())))
    arguments = failure.command.partition("python ")[2].split()
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": ":".join([root, *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert failure.violations[0] in done.stdout


@pytest.mark.parametrize("target", ["no.such:Thing", "kdl_testing.sim:Nothing", "kdl_testing.sim"])
def test_what_is_not_there_is_named(target: str) -> None:
    with pytest.raises(ValueError, match=f"'{target}' is not MODULE:NAME of a simulation"):
        find(target)


def test_several_simulations_are_played_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    good = "unit.kdl_testing.sim.counters:Copies"
    assert main([good, CARELESS, "--seeds", "0:12"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert next(line.partition(" failed,")[0] for line in printed if " ms of CPU" in line) == f"{good}: 12 played, 0"
    assert printed[-1].startswith("24 played, ")
    assert main([good, good, "--seeds", "0:3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "6 played, 0 failed"


def test_one_seed_is_of_one_simulation(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([CARELESS, CARELESS, "--seed", "1"])
    assert "--seed plays one simulation: name one" in capsys.readouterr().err
