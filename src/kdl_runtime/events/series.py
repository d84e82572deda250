"""Which events are written, and as what: pure bookkeeping of repetitions.

The API is events.k8s.io/v1 (KEP-383): the first of its kind becomes an Event, and repetitions become its ``series``,
which is written with the second one, then now and then. Two events are the same when type, action, reason, message and
objects are. Messages that vary without end would defeat that, so from the tenth message in ten minutes on they are
combined, as the older API did.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from kdl_runtime.codec.times import format_micro_time

COMBINED_PREFIX = "(combined from similar events): "
MAX_NOTE_BYTES = 1024
MAX_FIELD_BYTES = 128
"""Of reason, action and reporting instance (pkg/apis/core/validation/events.go)."""


@dataclass(frozen=True, slots=True)
class SeriesOptions:
    """Seconds, and counts.

    ``refresh_after``: a series that goes on is written again. ``finish_after``: one without a repetition for so long is
    written for the last time. ``max_series``: the longest unused is forgotten beyond that, and its next repetition
    becomes an Event of its own. ``max_messages`` different messages within ``message_window`` are kept apart.
    """

    refresh_after: float = 1800.0
    finish_after: float = 360.0
    max_series: int = 4096
    max_messages: int = 10
    message_window: float = 600.0


class Subject(NamedTuple):
    """Everything that identifies an event but its message. The two references are object references as sorted items."""

    type: str
    reason: str
    action: str
    regarding: tuple[tuple[str, str], ...]
    related: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Series:
    """An event that was told ``count`` times."""

    name: str
    namespace: str
    subject: Subject
    note: str
    first_seen: str
    last_seen: str
    last_at: float
    count: int = 1
    written_count: int = 0
    written_at: float = 0.0
    queued: bool = False
    """Waits for a writer, which will write what is then known."""
    created: bool = False
    """The API server has the Event."""


@dataclass(slots=True)
class _Messages:
    window_start: float
    notes: set[str] = field(default_factory=set)


class Aggregator:
    """Turns told events into ``Series`` that have to be written."""

    def __init__(self, options: SeriesOptions | None = None) -> None:
        self._options = options or SeriesOptions()
        self._series: OrderedDict[Hashable, Series] = OrderedDict()
        self._messages: OrderedDict[Subject, _Messages] = OrderedDict()

    def __len__(self) -> int:
        return len(self._series)

    def tell(self, subject: Subject, note: str, moment: datetime, now: float, name: str) -> Series | None:
        """One more event; the series to write now, or None when it can wait.

        ``moment`` is the time of day and ``now`` the monotonic time. ``name`` names the Event object if it is new.
        """
        key, note = self._combine(subject, note, now)
        seen = format_micro_time(moment)
        series = self._series.get(key)
        if series is None or now - series.last_at > self._options.finish_after:
            regarding = dict(subject.regarding)
            namespace = regarding.get("namespace") or "default"
            series = Series(name, namespace, subject, note, seen, seen, now)
            self._series[key] = series
            self._series.move_to_end(key)
            while len(self._series) > self._options.max_series:
                self._series.popitem(last=False)
            return self._written(series, now)
        self._series.move_to_end(key)
        series.count += 1
        series.note = note
        series.last_seen, series.last_at = seen, now
        if series.count == 2 or now - series.written_at > self._options.refresh_after:
            return self._written(series, now)
        return None

    def due(self, now: float) -> list[Series]:
        """Series to write because they went on for long or have ended; the ended are forgotten."""
        due = []
        for key, series in list(self._series.items()):
            ended = now - series.last_at > self._options.finish_after
            if ended:
                del self._series[key]
            if series.count != series.written_count and (
                ended or now - series.written_at > self._options.refresh_after
            ):
                due.append(self._written(series, now))
        return due

    def finish(self, now: float) -> list[Series]:
        """The series with repetitions that are not written, because nobody will tell any more."""
        unwritten = [series for series in self._series.values() if series.count != series.written_count]
        self._series.clear()
        return [self._written(series, now) for series in unwritten]

    def _combine(self, subject: Subject, note: str, now: float) -> tuple[Hashable, str]:
        messages = self._messages.get(subject)
        if messages is None or now - messages.window_start > self._options.message_window:
            messages = self._messages[subject] = _Messages(now)
            while len(self._messages) > self._options.max_series:
                self._messages.popitem(last=False)
        self._messages.move_to_end(subject)
        if note in messages.notes:
            return (subject, note), note
        if len(messages.notes) + 1 < self._options.max_messages:
            messages.notes.add(note)
            return (subject, note), note
        return subject, COMBINED_PREFIX + note

    @staticmethod
    def _written(series: Series, now: float) -> Series:
        series.written_count = series.count
        series.written_at = now
        return series


def event_object(series: Series, controller: str, instance: str) -> dict[str, Any]:
    """The Event (events.k8s.io/v1) that stands for a series."""
    subject = series.subject
    event: dict[str, Any] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": series.name, "namespace": series.namespace},
        "eventTime": series.first_seen,
        "type": subject.type,
        "reason": truncate(subject.reason, MAX_FIELD_BYTES),
        "action": truncate(subject.action, MAX_FIELD_BYTES),
        "note": truncate(series.note, MAX_NOTE_BYTES),
        "regarding": dict(subject.regarding),
        "reportingController": controller,
        "reportingInstance": truncate(instance, MAX_FIELD_BYTES),
    }
    if subject.related:
        event["related"] = dict(subject.related)
    if series.count > 1:
        event["series"] = series_fields(series)
    return event


def series_fields(series: Series) -> dict[str, Any]:
    return {"count": series.count, "lastObservedTime": series.last_seen}


def truncate(text: str, limit: int) -> str:
    """At most so many bytes, cut between characters."""
    data = text.encode()
    return text if len(data) <= limit else data[: limit - 3].decode(errors="ignore") + "..."
