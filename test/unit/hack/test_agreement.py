"""What the outcomes of two runs of the suite have in common."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agreement import __main__ as command
from agreement import earlier
from agreement.__main__ import local_outcomes, sizes
from agreement.outcomes import FAILED, PASSED, SKIPPED, Comparison, Outcome, compare, describe, read


def case(name: str, inside: str = "") -> str:
    return f'<testcase classname="a.test_x" file="a/test_x.py" name="{name}" time="0.1">{inside}</testcase>'


REPORT = f"""<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest">
{case("test_good[1]")}
{case("test_bad", '<failure message="assert 1 == 2&#10;more">text</failure>')}
{case("test_left", '<skipped message="no node" type="pytest.skip">text</skipped>')}
{case("test_unprepared", '<error message="failed on setup">text</error>')}
{case("test_twice")}
{case("test_twice", '<error message="failed on teardown">text</error>')}
</testsuite></testsuites>
"""

GOOD, BAD, LEFT = Outcome(PASSED), Outcome(FAILED, "why"), Outcome(SKIPPED, "no node")


def test_outcomes_of_a_report() -> None:
    assert read(REPORT) == {
        "a/test_x.py::test_good[1]": GOOD,
        "a/test_x.py::test_bad": Outcome(FAILED, "assert 1 == 2"),
        "a/test_x.py::test_left": LEFT,
        "a/test_x.py::test_unprepared": Outcome(FAILED, "failed on setup"),
        "a/test_x.py::test_twice": Outcome(FAILED, "failed on teardown"),
    }


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"a": GOOD}, {"a": GOOD}, Comparison(("a",), {}, {}, ())),
        ({"a": GOOD}, {"a": BAD}, Comparison((), {"a": (GOOD, BAD)}, {}, ())),
        ({"a": BAD}, {"a": GOOD}, Comparison((), {"a": (BAD, GOOD)}, {}, ())),
        # A case that nobody passes shows nothing.
        ({"a": BAD}, {"a": BAD}, Comparison((), {"a": (BAD, BAD)}, {}, ())),
        ({"a": GOOD, "b": GOOD}, {"a": GOOD, "b": LEFT}, Comparison(("a",), {}, {"b": "no node"}, ())),
        ({"a": LEFT}, {"a": BAD}, Comparison((), {"a": (LEFT, BAD)}, {}, ())),
        ({"a": GOOD, "b": GOOD}, {"a": GOOD, "c": GOOD}, Comparison(("a",), {}, {}, ("b", "c"))),
    ],
)
def test_comparison(first: dict[str, Outcome], second: dict[str, Outcome], expected: Comparison) -> None:
    assert compare(first, second) == expected


@pytest.mark.parametrize(
    ("first", "second", "agrees"),
    [
        ({"a": GOOD, "b": GOOD}, {"a": GOOD, "b": LEFT}, True),
        ({"a": GOOD}, {"a": BAD}, False),
        ({"a": GOOD, "b": GOOD}, {"a": GOOD}, False),
        ({}, {}, False),
        ({"a": LEFT}, {"a": GOOD}, False),
        # It failed where it ran.
        ({"a": GOOD, "b": BAD}, {"a": GOOD, "b": LEFT}, False),
    ],
)
def test_when_two_runs_agree(first: dict[str, Outcome], second: dict[str, Outcome], agrees: bool) -> None:
    assert compare(first, second).agrees is agrees


def test_everything_that_was_not_compared_is_named() -> None:
    comparison = compare({"a": GOOD, "b": GOOD, "c": GOOD, "d": GOOD}, {"a": GOOD, "b": LEFT, "c": BAD, "e": GOOD})
    assert list(describe(comparison, ("here", "there"))) == [
        "  differs: c: here passed, there failed (why)",
        "  only in one of the runs: d",
        "  only in one of the runs: e",
        "  not compared, 1 cases: no node:",
        "    b",
        "here and there: 1 cases with the same result, 3 without",
    ]
    assert list(describe(compare({"a": GOOD}, {"a": GOOD}), ("here", "there"))) == [
        "here and there: 1 cases, the same result on both"
    ]


def test_lines_are_counted_by_folder(tmp_path: Path) -> None:
    (tmp_path / "api" / "deep").mkdir(parents=True)
    for path, lines in (("cluster.py", 3), ("api/server.py", 2), ("api/deep/verbs.py", 4)):
        (tmp_path / path).write_text("x = 1\n" * lines)
    (tmp_path / "api" / "messages.json").write_text("{}\n")
    assert sizes(tmp_path) == {".": 3, "api": 6}


BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A second older than the run of ``report``."""
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "server.py").touch()
    os.utime(directory / "server.py", (BEGAN.timestamp() - 1,) * 2)
    return directory


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "tests.xml"
    cases = case("test_api").replace("a/test_x.py", "test/conformance/test_x.py") + case("test_other")
    path.write_text(
        f'<testsuites><testsuite name="pytest" timestamp="{BEGAN.isoformat()}">{cases}</testsuite></testsuites>'
    )
    return path


def test_a_run_that_there_was_already_counts_while_the_code_is_the_same(code: Path, report: Path) -> None:
    (code / "server.pyc").touch()
    assert earlier.outcomes(report, [code]) == {
        "test/conformance/test_x.py::test_api": GOOD,
        "a/test_x.py::test_other": GOOD,
    }
    (code / "server.py").touch()
    assert earlier.outcomes(report, [code]) is None


@pytest.mark.parametrize("text", [None, "", "<testsuites/>", "<testsuites><testsuite/></testsuites>"])
def test_a_report_that_says_nothing_does_not_count(code: Path, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "odd.xml"
    if text is not None:
        path.write_text(text)
    assert earlier.outcomes(path, [code]) is None


@pytest.mark.parametrize(
    ("case", "runs"),
    [("test/conformance/test_x.py::test_api", False), ("test/conformance/test_x.py::test_new", True)],
    ids=["of all cases", "not of all cases"],
)
def test_the_suite_runs_again_only_if_it_has_to(
    monkeypatch: pytest.MonkeyPatch, code: Path, report: Path, case: str, runs: bool
) -> None:
    again = {case: GOOD}
    monkeypatch.setattr(command, "run", lambda kind, reports, options: again)
    monkeypatch.setattr(command, "PROJECT", code)
    monkeypatch.setattr(command, "DEFINITIONS", code / "crds")
    monkeypatch.setattr(command, "SUITE", code / "test" / "conformance")
    monkeypatch.setattr(command, "LOCAL_CLUSTER", code / "kdl_local")
    found = local_outcomes(report, code, (), [case])
    assert found == (again if runs else {"test/conformance/test_x.py::test_api": GOOD})
    assert local_outcomes(None, code, (), [case]) is again
