"""Times in Kubernetes' spellings."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from kdl_runtime.codec.times import format_micro_time, format_time, parse_time

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
EARLIER_ZONE = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))


@pytest.mark.parametrize("moment", [MOMENT, EARLIER_ZONE])
def test_times_are_printed_in_utc(moment: datetime) -> None:
    assert format_time(moment) == "2026-01-31T12:00:00Z"
    assert format_micro_time(moment) == "2026-01-31T12:00:00.123456Z"


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-31T12:00:00Z", 0),
        ("2026-01-31T12:00:00.123456Z", 123456),
        ("2026-01-31T12:00:00.123456789Z", 123456),
        ("2026-01-31T17:30:00+05:30", 0),
    ],
)
def test_rfc3339_is_parsed(text: str, microsecond: int) -> None:
    moment = parse_time(text)
    assert moment == MOMENT.replace(microsecond=microsecond)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "12:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no zone: write it as in"):
        parse_time("2026-01-31T12:00:00")
