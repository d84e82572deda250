"""Test steps beside the cluster: told whole and in order, judged as the others are, and ended with everything."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from endtoend import suites
from endtoend.cluster import Cluster
from endtoend.lane import Lane
from endtoend.run import Options, Run
from endtoend.runner import SuiteRunner
from endtoend.steps import FAILED, OK, Journal
from endtoend.suites import Suite

Step = Callable[[], None]


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def wait_until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.01)


class Played:
    """A lane whose steps are programs, and what it has told."""

    def __init__(self, logs: Path) -> None:
        self.said: list[str] = []
        self.lane = Lane(logs, self.said.append)

    def step(self, name: str, text: str) -> Step:
        def run() -> None:
            with self.lane.journal.step(name):
                self.lane.journal.say(f"code {self.lane.run(program(text), {'WORD': name})}")

        return run

    def start(self, **steps: str) -> None:
        self.lane.start({name: self.step(name, text) for name, text in steps.items()})


def test_steps_are_told_whole_and_in_their_order(tmp_path: Path) -> None:
    played = Played(tmp_path)
    played.start(
        first="import os, sys; print(os.environ['WORD']); sys.exit(3)",
        second="import os; print(os.getpriority(os.PRIO_PROCESS, 0))",
    )
    played.lane.finish()
    first, second = (text.splitlines() for text in played.said)
    assert first[:3] == ["=== first", "first", "code 3"]
    assert first[3].startswith("=== first: ok after")
    assert second[1] == str(min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)), "the cluster comes first"
    assert [step.name for step in played.lane.journal.steps] == ["first", "second"]
    assert (tmp_path / "second.log").read_text().splitlines() == second


def test_nothing_is_told_of_a_step_that_runs(tmp_path: Path) -> None:
    played = Played(tmp_path)
    gate = tmp_path / "gate"
    played.start(
        one=f"import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(.01)"
    )
    log = tmp_path / "one.log"
    wait_until(lambda: log.exists() and "begun" in log.read_text())
    played.lane.tell()
    assert played.said == []
    gate.touch()
    played.lane.finish()
    assert len(played.said) == 1


def test_a_lane_that_is_stopped_interrupts_its_program_and_starts_no_other(tmp_path: Path) -> None:
    played = Played(tmp_path)
    ready = tmp_path / "ready"
    played.start(
        long=f"""
import pathlib, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
pathlib.Path({str(ready)!r}).touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    print('taken down', flush=True)
""",
        later="print('never')",
    )
    wait_until(ready.exists)
    played.lane.stop()
    assert "taken down" in played.said[0]
    assert "never" not in "".join(played.said)
    assert [(step.name, step.detail) for step in played.lane.journal.steps] == [("long", "interrupted")]


def test_a_lane_that_never_began_has_nothing_to_wait_for(tmp_path: Path) -> None:
    lane = Lane(tmp_path, print)
    lane.finish()
    lane.stop()
    assert not lane.started


@pytest.mark.parametrize(("code", "result"), [(0, OK), (1, FAILED)])
def test_a_program_is_judged_by_its_exit_code(code: int, result: str) -> None:
    book = Journal(frozenset(), lambda line: None)
    SuiteRunner(book, lambda argv, environment: code).beside_it(suites.DECISIONS)
    assert [(step.name, step.result) for step in book.steps] == [("decisions", result)]


def test_what_needs_binaries_is_not_run_without_them() -> None:
    book = Journal(frozenset(), lambda line: None)
    SuiteRunner(book, lambda argv, environment: 0).beside_it(suites.CONFORMANCE)
    assert [(step.name, step.detail) for step in book.steps] == [("conformance", "the binaries were not found")]


def test_steps_that_need_no_cluster_run_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run: list[Suite] = []
    monkeypatch.setattr(SuiteRunner, "beside_it", lambda self, suite: run.append(suite))
    monkeypatch.setattr("endtoend.run.LOGS", tmp_path / "logs")
    monkeypatch.setattr("endtoend.run.Run._find_assets", lambda self, names: None)
    Run(Journal(frozenset({"decisions", "simulation"}), lambda line: None), Options())()
    assert run == [suites.SIMULATION, suites.DECISIONS]


def test_a_cluster_starts_with_the_images_that_the_tests_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those for training only where there is something to train."""
    given: list[str] = []

    class Fake(Cluster):
        kind = "fake"
        kubeconfig = tmp_path

        def up(self, images: Sequence[Path]) -> None:
            given.append(",".join(map(str, images)))

    class FakeChoice:
        needs_images = True

        def make(self, _assets: object) -> Cluster:
            return Fake()

    def built(self: Run, names: Sequence[str]) -> list[Path]:
        return [Path(name) for name in names]

    monkeypatch.setattr("endtoend.run.LOGS", tmp_path)
    monkeypatch.setattr(Run, "_build_images", built)
    monkeypatch.setattr(Run, "_with_operator", lambda self, cluster, wanted: None)
    for wanted in ([suites.INSTALL], [suites.TRAINING]):
        run = Run(Journal(frozenset(), lambda line: None), Options())
        run._on_a_cluster(FakeChoice(), wanted)  # type: ignore[arg-type]  # it has what is used of a Choice
    assert given == ["busybox,operator,python", "busybox,operator,python,pytorch,tensorflow,paddle,mxnet,mpi"]
