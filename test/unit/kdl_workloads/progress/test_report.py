"""Reports as jobs write them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_runtime.codec.json import encode
from kdl_workloads.progress.report import MAX_BYTES, ReportError, parse_report

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_whole_report() -> None:
    text = """{"percentage": 42.9, "step": 429, "total": 1000, "estimatedRemainingSeconds": 57.2,
               "metrics": {"loss": 0.123456789, "epoch": 3, "eval/accuracy": 0.5, "norm": "nan"}}"""
    assert parse_report(text).status(NOW) == {
        "percentage": 42,
        "step": 429,
        "total": 1000,
        "estimatedRemainingSeconds": 58,
        "metrics": [
            {"name": "loss", "value": "0.123457"},
            {"name": "epoch", "value": "3"},
            {"name": "eval/accuracy", "value": "0.5"},
            {"name": "norm", "value": "nan"},
        ],
        "lastUpdateTime": "2026-01-01T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("given", "percentage"),
    [
        ({"step": 999, "total": 1000}, 99),
        ({"step": 1000, "total": 1000}, 100),
        ({"step": 1200, "total": 1000}, 100),
        ({"step": 5}, None),
        ({"step": 5, "total": 0}, None),
        ({"step": 5, "total": 10, "percentage": 7}, 7),
        ({"percentage": 99.99}, 99),
    ],
)
def test_the_percentage_is_rounded_down_and_follows_from_steps(given: dict[str, Any], percentage: int | None) -> None:
    status = parse_report(encode(given)).status(NOW)
    assert status["percentage"] == percentage
    assert status["metrics"] is None, "a merge patch takes away what an earlier report had"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a report is a JSON object"),
        ("{", "a report is a JSON object"),
        ("[1]", "Expected `object`"),
        ("{}", "at least one of"),
        ('{"loss": 1}', "unknown field `loss`"),
        ('{"percentage": 101}', "percentage is 101 and must be from 0 to 100"),
        ('{"percentage": -1}', "percentage is -1"),
        ('{"percentage": NaN}', "a report is a JSON object"),
        ('{"percentage": "50"}', "`$.percentage`"),
        ('{"step": -1}', "step is -1"),
        ('{"step": 1.5}', "`$.step`"),
        ('{"total": 9007199254740993}', "total is 9007199254740993"),
        ('{"estimatedRemainingSeconds": -0.1}', "estimatedRemainingSeconds is -0.1"),
        ('{"estimatedRemainingSeconds": 1e300}', "estimatedRemainingSeconds is 1e+300"),
        ('{"metrics": {"": 1}}', "'' is no name"),
        ('{"metrics": {"a b": 1}}', "'a b' is no name"),
        ('{"metrics": {"a": true}}', "`$.metrics[...]`"),
        ('{"metrics": {"a": "' + "x" * 65 + '"}}', "metrics.a has 65 characters"),
        ('{"metrics": {"a": ' + "9" * 65 + "}}", "metrics.a has 65 characters"),
        (encode({"metrics": {f"m{n}": n for n in range(33)}}).decode(), "metrics has 33 entries"),
        ('{"percentage": 1}' + " " * MAX_BYTES, "at most 8192 bytes"),
    ],
)
def test_refused(text: str, told: str) -> None:
    with pytest.raises(ReportError) as error:
        parse_report(text)
    assert told in str(error.value)
