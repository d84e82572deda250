"""The runner of the end-to-end tests: what it chooses, tells and takes orders for."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from endtoend import nodes, outcomes, suites
from endtoend.__main__ import IN_USE, alone, main
from endtoend.choice import choose
from endtoend.orders import Orders
from endtoend.outcomes import Outcome
from endtoend.pod_processes import kill_processes, main_processes
from endtoend.steps import FAILED, OK, SKIPPED, Journal, NothingRanError, StepError
from realcluster.layout import checked_name, name_of_checkout

REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="test.e2e.test_jobs" name="test_a[x]">
 <properties><property name="kubelet" value="fake, v1.36.3"/></properties></testcase>
<testcase classname="test.e2e.test_jobs" name="test_a[y]">
 <properties><property name="kubelet" value="fake"/><property name="measured" value="much"/></properties></testcase>
<testcase classname="test.e2e.test_jobs" name="test_b"><skipped message="fake nodes run no programs"/></testcase>
<testcase classname="test.e2e.test_jobs" name="test_c"><failure message="late&#10;and more">trace</failure></testcase>
</testsuite></testsuites>"""


def journal(*wanted: str) -> tuple[Journal, list[str]]:
    said: list[str] = []
    return Journal(frozenset(wanted), said.append), said


def test_steps_are_timed_and_told() -> None:
    book, said = journal()
    with book.step("good") as detail:
        detail.append("3 passed")
    with pytest.raises(StepError), book.step("bad"):
        raise StepError("it broke\nin many ways")
    with pytest.raises(NothingRanError), book.step("empty"):
        raise NothingRanError("2 skipped")
    book.skip("late", "nobody wanted it")
    assert [(step.name, step.result, step.detail) for step in book.steps] == [
        ("good", OK, "3 passed"),
        ("bad", FAILED, "it broke"),
        ("empty", SKIPPED, "2 skipped"),
        ("late", SKIPPED, "nobody wanted it"),
    ]
    assert book.failed
    assert said[0] == "=== good"
    assert book.table()[-1].startswith("in all")


def test_an_interrupted_step_says_so() -> None:
    book, _ = journal()
    with pytest.raises(KeyboardInterrupt), book.step("long"):
        raise KeyboardInterrupt
    assert [step.detail for step in book.steps] == ["interrupted"]


@pytest.mark.parametrize(("wanted", "expected"), [((), True), (("jobs",), True), (("scale",), False)])
def test_only_some_steps_are_wanted(wanted: tuple[str, ...], expected: bool) -> None:
    assert journal(*wanted)[0].wants("jobs") is expected


@pytest.mark.parametrize(
    ("asked", "environ", "missing", "expected"),
    [
        ("auto", {"KUBECONFIG": "/k"}, {}, "existing"),
        ("existing", {"KUBECONFIG": "/k"}, {}, "existing"),
        ("auto", {}, {}, "kind"),
        ("auto", {}, {"kind": "no Docker"}, "nodes"),
        ("auto", {}, {"kind": "no Docker", "nodes": "no root"}, "control-plane"),
        ("nodes", {"KUBECONFIG": "/k"}, {}, "nodes"),
        ("control-plane", {}, {}, "control-plane"),
    ],
)
def test_the_choice(
    monkeypatch: pytest.MonkeyPatch, asked: str, environ: dict[str, str], missing: dict[str, str], expected: str
) -> None:
    for made in (nodes.Kind, nodes.OwnNodes):
        monkeypatch.setattr(made, "missing", staticmethod(lambda kind=made.kind: missing.get(kind, "")))
    choice = choose(asked, environ)
    assert choice.kind == expected
    assert all(any(why in line for line in choice.told) for why in missing.values())


@pytest.mark.parametrize(("asked", "why"), [("existing", "set KUBECONFIG"), ("nodes", "no root")])
def test_a_cluster_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, asked: str, why: str) -> None:
    monkeypatch.setattr(nodes.OwnNodes, "missing", staticmethod(lambda: "no root"))
    with pytest.raises(StepError, match=why):
        choose(asked, {})


def test_what_the_tests_have_come_to(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    found = outcomes.read("jobs", path)
    assert outcomes.counts(found) == "2 passed, 1 failed, 1 skipped"
    assert found[3].reason == "late"
    assert outcomes.any_ran(found)
    assert not outcomes.any_ran(found[2:3])
    assert list(outcomes.lines(found)) == [
        "against a real kubelet (v1.36.3): 1 test",
        "  test_jobs::test_a [x]",
        "on fake nodes: 1 test",
        "  test_jobs::test_a [y]",
        "on the API alone: 1 test",
        "  test_jobs::test_c",
        "skipped, fake nodes run no programs: 1 test",
        "  test_jobs::test_b",
        "measured: much",
    ]


def test_a_suite_without_a_report_has_no_tests(tmp_path: Path) -> None:
    assert outcomes.read("jobs", tmp_path / "none.xml") == []


def ask(path: Path, **order: Any) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(json.dumps(order).encode() + b"\n")
        answer: dict[str, Any] = json.loads(b"".join(iter(lambda: connection.recv(4096), b"")))
    return answer


def test_orders(tmp_path: Path) -> None:
    def kill(component: str) -> str:
        if component == "nothing":
            raise StepError("there is no such component")
        return f"{component} is gone"

    orders = Orders(tmp_path / "orders", {"kill": kill})
    orders.start()
    try:
        assert ask(orders.path, order="kill", component="etcd") == {"answer": "etcd is gone"}
        assert "there is no such component" in ask(orders.path, order="kill", component="nothing")["error"]
        assert "TypeError" in ask(orders.path, order="kill")["error"]
        assert "no such order; there are kill" in ask(orders.path, order="dance")["error"]
    finally:
        orders.stop()
    assert not orders.path.exists()


def process(proc: Path, pid: int, parent: int, group: str, name: str = "sh") -> None:
    entry = proc / str(pid)
    entry.mkdir()
    (entry / "cgroup").write_text(f"5:memory:/kdl/kubepods/burstable/{group}/abc\n")
    (entry / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0")


def test_the_main_processes_of_a_pod(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, "podab-12", "pause")
    process(tmp_path, 20, 1, "podab-12")
    process(tmp_path, 21, 20, "podab-12")
    process(tmp_path, 30, 1, "kubepods-podab_12.slice", "a (b)")
    process(tmp_path, 40, 1, "podother")
    (tmp_path / "uptime").touch()
    (tmp_path / "50").mkdir()
    assert main_processes("ab-12", tmp_path) == [20, 30]


def test_a_pod_of_another_machine() -> None:
    with pytest.raises(StepError, match="no process on this machine"):
        kill_processes("0b1f6c1e-there-is-no-such-pod")


def test_help_names_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    # Lines are broken at hyphens, too.
    told = "".join(capsys.readouterr().out.split())
    assert all(name in told for name in suites.NAMES)


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "everything"])
    assert ended.value.code == 2


def test_one_run_at_a_time_in_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "build" / "e2e.lock"
    monkeypatch.setattr("endtoend.__main__.LOCK", lock)
    with alone() as free:
        assert free
        assert main(["--cluster", "nodes"]) == IN_USE
    assert f"{lock} is held" in capsys.readouterr().out
    with alone() as free:
        assert free


def test_checkouts_have_clusters_of_their_own() -> None:
    one, other = (name_of_checkout("e2e", Path(checkout)) for checkout in ("/src/a", "/src/b"))
    assert one != other
    assert checked_name(f"{one}-a") == f"{one}-a"
    assert name_of_checkout("e2e", Path("/src/a")) == one


def test_what_failed_and_passed_when_tried_again_is_named() -> None:
    first = [
        Outcome("jobs", "a", outcomes.PASSED),
        Outcome("jobs", "b", outcomes.FAILED, "too late"),
        Outcome("jobs", "c", outcomes.FAILED, "wrong"),
    ]
    second = [Outcome("jobs", "b", outcomes.PASSED), Outcome("jobs", "c", outcomes.FAILED, "wrong again")]
    merged = outcomes.tried_again(first, second)
    assert [(each.test, each.result) for each in merged] == [("a", "passed"), ("b", "passed"), ("c", "failed")]
    assert "passed only when tried again: b: too late" in list(outcomes.lines(merged))
    assert merged[2].reason == "wrong again"
    assert outcomes.tried_again(first, []) == first
