"""What the outcomes of two runs of the suite have in common."""

from pathlib import Path

import pytest

from agreement.__main__ import sizes
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
