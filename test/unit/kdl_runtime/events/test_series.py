"""Which events are written, and as what."""

from datetime import UTC, datetime, timedelta

import pytest

from kdl_runtime.events.series import Aggregator, Series, SeriesOptions, Subject, event_object, series_fields, truncate

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
REGARDING = (("kind", "Job"), ("name", "j"), ("namespace", "ns"))


def subject(reason: str = "Created") -> Subject:
    return Subject("Normal", reason, "", REGARDING, ())


class Told:
    def __init__(self, options: SeriesOptions | None = None) -> None:
        self.aggregator = Aggregator(options)
        self.number = 0

    def tell(self, at: float, note: str = "note", of: Subject | None = None) -> Series | None:
        self.number += 1
        moment = START + timedelta(seconds=at)
        return self.aggregator.tell(of or subject(), note, moment, at, f"event-{self.number}")


@pytest.mark.parametrize(
    ("times", "written"),
    [
        pytest.param([0], [0], id="the first becomes an event"),
        pytest.param([0, 1], [0, 1], id="the second begins its series"),
        pytest.param([0, 1, 2, 3], [0, 1], id="further ones wait"),
        pytest.param([0, 1, *range(100, 2000, 100)], [0, 1, 1900], id="a series that goes on is refreshed"),
        pytest.param([0, 400], [0, 400], id="after the end of a series comes a new event"),
    ],
)
def test_when_a_repetition_is_written(times: list[float], written: list[float]) -> None:
    told = Told()
    assert [at for at in times if told.tell(at) is not None] == written


def test_different_events_are_different_series() -> None:
    told = Told()
    first = told.tell(0)
    assert told.tell(0, "another note") is not first
    assert told.tell(0, of=subject("Failed")) is not None
    assert len(told.aggregator) == 3


def test_endless_messages_are_combined() -> None:
    told = Told()
    written = [series for number in range(30) if (series := told.tell(number, f"note {number}")) is not None]
    notes = [series.note for series in written]
    assert notes[:9] == [f"note {number}" for number in range(9)]
    assert all(note.startswith("(combined from similar events): ") for note in notes[9:])
    assert len({series.name for series in written}) == 10
    assert written[-1].count == 21
    assert told.tell(700, "note 50") is not None
    assert not written[-1].note.endswith("note 50")


def test_due_series_are_written_for_the_last_time_and_forgotten() -> None:
    told = Told()
    for at in (0, 1, 2, 3):
        told.tell(at)
    assert told.aggregator.due(100) == []
    (last,) = told.aggregator.due(364)
    assert series_fields(last) == {"count": 4, "lastObservedTime": "2026-01-31T12:00:03.000000Z"}
    assert len(told.aggregator) == 0
    assert told.aggregator.due(1000) == []


def test_finishing_writes_what_is_not_written() -> None:
    told = Told()
    for at in (0, 1, 2):
        told.tell(at)
    told.tell(0, "once")
    assert [series.count for series in told.aggregator.finish(3)] == [3]
    assert len(told.aggregator) == 0


def test_the_number_of_series_is_bounded() -> None:
    told = Told(SeriesOptions(max_series=10))
    for number in range(100):
        told.tell(number, of=subject(f"Reason{number}"))
    assert len(told.aggregator) == 10


def test_the_event_object() -> None:
    told = Told()
    series = told.tell(0, "x" * 2000)
    assert series is not None
    told.tell(1, "x" * 2000)
    event = event_object(series, "kdl.io/operator", "host" * 100)
    assert event["metadata"] == {"name": "event-1", "namespace": "ns"}
    assert event["eventTime"] == "2026-01-31T12:00:00.000000Z"
    assert event["series"]["count"] == 2
    assert event["regarding"] == {"kind": "Job", "name": "j", "namespace": "ns"}
    assert len(event["note"]) == 1024
    assert len(event["reportingInstance"]) == 128


def test_truncation_keeps_characters_whole() -> None:
    assert truncate("short", 5) == "short"
    assert truncate("longer", 5) == "lo..."
    cut = truncate("ü" * 1000, 1024)
    assert len(cut.encode()) <= 1024
    assert cut.endswith("ü...")
