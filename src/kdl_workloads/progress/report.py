"""What a job reports of its progress: how it is read, checked, and written into the status.

The shape follows the trainer status of Kubeflow Trainer v2 (percentage, estimated remaining seconds, metrics by name),
with steps beside it.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from kdl_runtime.codec.json import DecodeError, ValidationError, decoder
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import KdlError

MAX_BYTES = 8192
"""Of a report's JSON."""
MAX_METRICS = 32
MAX_VALUE = 64
"""Characters of a metric's value."""
MAX_COUNT = 2**53
"""What a step can be: larger numbers are not the same in every JSON parser."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@:-]{0,63}")


class ReportError(KdlError):
    """A report that cannot be understood; the message names the field."""


class Report(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One report, which replaces the one before it. ``percentage`` is 0 to 100, by default that of ``step`` of
    ``total``; ``metrics`` are numbers, or texts for what JSON has no number for (``"nan"``)."""

    percentage: int | float | None = None
    step: int | None = None
    total: int | None = None
    estimated_remaining_seconds: int | float | None = None
    metrics: dict[str, int | float | str] = msgspec.field(default_factory=dict)

    @property
    def share(self) -> int | None:
        """The percentage in whole numbers, rounded down: 100 is only what is done."""
        if self.percentage is not None:
            return math.floor(self.percentage)
        if self.step is None or not self.total:
            return None
        return min(100 * self.step // self.total, 100)

    def status(self, now: datetime) -> dict[str, Any]:
        """``status.progress`` of the job, as a merge patch that leaves nothing of an earlier report."""
        remaining = self.estimated_remaining_seconds
        return {
            "percentage": self.share,
            "step": self.step,
            "total": self.total,
            "estimatedRemainingSeconds": None if remaining is None else math.ceil(remaining),
            "metrics": [{"name": name, "value": _text(value)} for name, value in self.metrics.items()] or None,
            "lastUpdateTime": format_time(now),
        }


def parse_report(text: bytes | str) -> Report:
    """The report in JSON. ReportError for one that is too long, is none, or has a value out of its bounds."""
    data = text.encode() if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        raise ReportError(f"a report has at most {MAX_BYTES} bytes, and this one has {len(data)}")
    try:
        report = decoder(Report)(data)
    except ValidationError as error:
        raise ReportError(str(error)) from error
    except DecodeError as error:
        raise ReportError(f"a report is a JSON object: {error}") from error
    problem = _problem(report)
    if problem:
        raise ReportError(problem)
    return report


def _problem(report: Report) -> str:
    if report == Report():
        return "a report has at least one of percentage, step, estimatedRemainingSeconds, metrics"
    if report.percentage is not None and not 0 <= report.percentage <= 100:
        return f"percentage is {report.percentage} and must be from 0 to 100"
    counts = {
        "step": report.step,
        "total": report.total,
        "estimatedRemainingSeconds": report.estimated_remaining_seconds,
    }
    for name, value in counts.items():
        if value is not None and not 0 <= value <= MAX_COUNT:
            return f"{name} is {value} and must be from 0 to {MAX_COUNT}"
    return _problem_of_metrics(report.metrics)


def _problem_of_metrics(metrics: Mapping[str, int | float | str]) -> str:
    if len(metrics) > MAX_METRICS:
        return f"metrics has {len(metrics)} entries and may have {MAX_METRICS}"
    for name, value in metrics.items():
        if not _NAME.fullmatch(name):
            return f"metrics: {name[:64]!r} is no name: use up to 64 letters, digits and _ . / @ : -"
        if len(_text(value)) > MAX_VALUE:
            return f"metrics.{name} has {len(_text(value))} characters and may have {MAX_VALUE}"
    return ""


def _text(value: float | str) -> str:
    """Whole numbers as they are, others with six digits: statuses have no floating-point numbers."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
