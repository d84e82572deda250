"""Times as Kubernetes writes them: ``metav1.Time`` (seconds) and ``metav1.MicroTime``, always UTC."""

from datetime import UTC, datetime

_OFFSET = "+00:00"


def format_time(moment: datetime) -> str:
    """``2026-01-31T12:00:00Z``: whole seconds, truncated, as in every metav1.Time field."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix(_OFFSET) + "Z"


def format_micro_time(moment: datetime) -> str:
    """``2026-01-31T12:00:00.123456Z``, as in Lease and Event."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix(_OFFSET) + "Z"


def parse_time(text: str) -> datetime:
    """Any RFC 3339 time, aware, in UTC. ValueError for anything else, also for a time without a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone: write it as in 2026-01-31T12:00:00Z")
    return moment.astimezone(UTC)
