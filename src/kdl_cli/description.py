"""The text of ``kdl describe``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kdl_cli import timeline
from kdl_cli.durations import age, short_duration
from kdl_cli.jobs import JobView, sort_replicas
from kdl_cli.reported import long_progress, metrics, reported
from kdl_cli.tables import columns, fields, render, state
from kdl_cli.views import failure_text, pod_state
from kdl_runtime.codec.times import format_time, parse_time

_REPLICA_HEADS = columns("ROLE", "WANTED", "ACTIVE", "SUCCEEDED", "FAILED", "RESTARTS")
_POD_HEADS = columns("NAME", "STATUS", "RESTARTS", "EXIT", "NODE", "AGE")
_EVENT_HEADS = columns("LAST SEEN", "TYPE", "REASON", "COUNT", "MESSAGE")
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Description:
    """All that is told: the job, its pods, the events about it, and the time at which they were looked at."""

    view: JobView
    pods: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    now: datetime


def describe(of: Description) -> list[str]:
    lines = [*_head(of), "Conditions:", *_indented(timeline.table(of.view.status.conditions, of.view.created))]
    lines += ["Replicas:", *_indented(_replicas(of.view))]
    lines += _failure(of.view)
    lines += ["Pods:", *_indented(_pods(of))]
    return [*lines, "Events:", *_indented(_events(of))]


def _head(of: Description) -> list[str]:
    view, status = of.view, of.view.status
    length = view.duration(of.now)
    return fields(
        [
            ("Name", view.name),
            ("Namespace", view.job.namespace),
            ("Kind", f"{view.job.kind} ({view.job.api_version})"),
            ("State", state(view.state)),
            ("Created", _moment(view.created, of.now)),
            ("Started", _moment(status.start_time, of.now)),
            ("Completed", _moment(status.completion_time, of.now)),
            ("Duration", "" if length is None else short_duration(length)),
            ("Restarts", str(view.restarts)),
            ("Failures charged", str(status.attempts) if status.attempts else ""),
            ("Progress", long_progress(reported(view), of.now)),
            ("Metrics", metrics(reported(view))),
        ]
    )


def _moment(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f"{format_time(moment)} ({age(moment, now)} ago)"


def _replicas(view: JobView) -> list[str]:
    rows = []
    for role, wanted in view.replicas.items():
        replica = view.status.replicas.get(role)
        counts = (replica.active, replica.succeeded, replica.failed, replica.restarts) if replica else (0, 0, 0, 0)
        rows.append((role, wanted, *counts))
    return render(_REPLICA_HEADS, rows) if rows else ["none"]


def _failure(view: JobView) -> list[str]:
    failure = view.status.first_failure
    if failure is None:
        return []
    told = fields(
        [
            ("What", failure_text(view)),
            ("When", f"{format_time(failure.time)} (+{short_duration(failure.time - view.created)})"),
            ("Replica", f"{failure.role} {failure.index}"),
            ("Node", failure.node),
            ("Message", failure.message.strip().replace("\n", "\n" + _INDENT * 6)),
        ]
    )
    return ["First failure:", *_indented(told)]


def _pods(of: Description) -> list[str]:
    rows = []
    for pod in sort_replicas([dict(pod) for pod in of.pods]):
        statuses = (pod.get("status") or {}).get("containerStatuses") or []
        exits = [code for item in statuses if (code := _exit_code(item)) is not None]
        created = pod["metadata"].get("creationTimestamp")
        rows.append(
            (
                pod["metadata"]["name"],
                state(pod_state(pod)),
                sum(int(item.get("restartCount") or 0) for item in statuses),
                ",".join(map(str, exits)) or "-",
                pod.get("spec", {}).get("nodeName"),
                age(parse_time(created) if created else None, of.now),
            )
        )
    return render(_POD_HEADS, rows) if rows else ["none"]


def _exit_code(status: Mapping[str, Any]) -> int | None:
    for where in ("state", "lastState"):
        terminated = (status.get(where) or {}).get("terminated")
        if terminated:
            return int(terminated.get("exitCode") or 0)
    return None


def _events(of: Description) -> list[str]:
    """In the order in which they were last seen. Both forms of the Event API are read."""
    seen = sorted(((_last_seen(event), event) for event in of.events), key=lambda pair: pair[0] or of.view.created)
    rows = [
        (
            age(moment, of.now),
            state(str(event.get("type") or "Normal")),
            event.get("reason"),
            (event.get("series") or {}).get("count") or event.get("deprecatedCount") or 1,
            event.get("note") or event.get("message"),
        )
        for moment, event in seen
    ]
    return render(_EVENT_HEADS, rows) if rows else ["none"]


def _last_seen(event: Mapping[str, Any]) -> datetime | None:
    candidates = (
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event.get("metadata", {}).get("creationTimestamp"),
    )
    text = next((candidate for candidate in candidates if candidate), None)
    return parse_time(text) if text else None


def _indented(lines: Sequence[str]) -> list[str]:
    return [_INDENT + line for line in lines]
