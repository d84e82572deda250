from datetime import UTC, datetime, timedelta

import pytest

from kdl_cli.durations import age, parse_duration, short_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("90s", 90), ("1m30s", 90), ("2h", 7200), ("1d", 86400), ("250ms", 0.25), ("0", 0)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "abc", "-5s", "5x", "5 s", "s", "1m30"])
def test_what_is_no_duration_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 90s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (19800, "5h30m"),
        (8 * 3600 + 60, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (76 * 3600, "3d4h"),
        (40 * 86400, "40d"),
    ],
)
def test_lengths_show_what_matters(seconds: float, text: str) -> None:
    assert short_duration(seconds) == text
    assert short_duration(timedelta(seconds=seconds)) == text


def test_age_of_the_unknown() -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert age(None, now) == "<unknown>"
    assert age(now - timedelta(seconds=5), now) == "5s"
