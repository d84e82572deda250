"""The progress that a job has reported of itself, for people."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kdl_cli.durations import age, short_duration
from kdl_cli.jobs import JobView
from kdl_runtime.codec.times import parse_time

Progress = Mapping[str, Any]


def reported(view: JobView) -> Progress:
    """``status.progress``; empty if the job has reported nothing."""
    found = view.status.extra.get("progress")
    return found if isinstance(found, Mapping) else {}


def short_progress(progress: Progress) -> str:
    """``42%``, ``420/1000`` or ``420`` where no percentage is known, else ``-``."""
    if progress.get("percentage") is not None:
        return f"{progress['percentage']}%"
    return _steps(progress) or "-"


def long_progress(progress: Progress, now: datetime) -> str:
    """``42% (step 420/1000), 5m left, reported 3s ago``; empty if nothing was reported."""
    if not progress:
        return ""
    percentage, steps = progress.get("percentage"), _steps(progress)
    parts = [
        " ".join(part for part in ("" if percentage is None else f"{percentage}%", f"(step {steps})" * bool(steps)))
    ]
    remaining = progress.get("estimatedRemainingSeconds")
    if remaining is not None:
        parts.append(f"{short_duration(timedelta(seconds=int(remaining)))} left")
    if progress.get("lastUpdateTime"):
        parts.append(f"reported {age(parse_time(progress['lastUpdateTime']), now)} ago")
    return ", ".join(part for part in map(str.strip, parts) if part)


def metrics(progress: Progress) -> str:
    """``loss=0.5 epoch=3``"""
    return " ".join(f"{item.get('name')}={item.get('value')}" for item in progress.get("metrics") or ())


def _steps(progress: Progress) -> str:
    step, total = progress.get("step"), progress.get("total")
    if step is None:
        return ""
    return str(step) if total is None else f"{step}/{total}"
