"""Rows of ``kdl get`` for each kind of thing: jobs, pods, and anything else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kdl_cli.durations import age, short_duration
from kdl_cli.jobs import JobView, is_job, job_view
from kdl_cli.reported import reported, short_progress
from kdl_cli.tables import Column, columns, state
from kdl_runtime.codec.times import parse_time
from kdl_runtime.types import Resource

Object = Mapping[str, Any]
Row = Callable[[Resource, Object, datetime], Sequence[object]]


@dataclass(frozen=True, slots=True)
class View:
    """A table's columns, and how an object becomes a row of it."""

    heads: tuple[Column, ...]
    row: Row


def view_for(resource: Resource) -> View:
    if is_job(resource):
        return JOBS
    return PODS if (resource.group, resource.plural) == ("", "pods") else ANYTHING


def _job_row(resource: Resource, obj: Object, now: datetime) -> Sequence[object]:
    view = job_view(resource, obj)
    length = view.duration(now)
    return (
        view.name,
        resource.kind,
        state(view.state),
        view.progress(),
        short_progress(reported(view)),
        view.restarts,
        "-" if length is None else short_duration(length),
        age(view.created, now),
        resource.group,
        failure_text(view) or "-",
    )


def failure_text(view: JobView) -> str:
    """``pod mnist-worker-1, container xgboostjob: exit code 137 (OOMKilled)``; empty while nothing has failed."""
    failure = view.status.first_failure
    if failure is None:
        return ""
    where = f"pod {failure.pod}" + (f", container {failure.container}" if failure.container else "")
    ends = []
    if failure.exit_code is not None:
        ends.append(f"exit code {failure.exit_code}")
    if failure.signal:
        ends.append(f"signal {failure.signal}")
    why = ", ".join(ends) or failure.reason or "failed"
    return f"{where}: {why}" + (f" ({failure.reason})" if failure.reason and ends else "")


def _pod_row(_resource: Resource, obj: Object, now: datetime) -> Sequence[object]:
    statuses = (obj.get("status") or {}).get("containerStatuses") or []
    containers = (obj.get("spec") or {}).get("containers") or []
    status = obj.get("status") or {}
    return (
        obj["metadata"]["name"],
        f"{sum(1 for item in statuses if item.get('ready'))}/{len(containers)}",
        state(pod_state(obj)),
        sum(int(item.get("restartCount") or 0) for item in statuses),
        age(_created(obj), now),
        status.get("podIP"),
        (obj.get("spec") or {}).get("nodeName"),
    )


def pod_state(pod: Object) -> str:
    """The phase, or what says more: Terminating, or why a container waits or has ended."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = pod.get("status") or {}
    if status.get("reason"):
        return str(status["reason"])
    for item in status.get("containerStatuses") or ():
        reason = ((item.get("state") or {}).get("waiting") or {}).get("reason")
        if reason:
            return str(reason)
    return str(status.get("phase") or "Unknown")


def _any_row(_resource: Resource, obj: Object, now: datetime) -> Sequence[object]:
    return obj["metadata"]["name"], age(_created(obj), now)


def _created(obj: Object) -> datetime | None:
    text = obj["metadata"].get("creationTimestamp")
    return parse_time(text) if text else None


JOBS = View(
    columns(
        "NAME", "KIND", "STATE", "REPLICAS", "PROGRESS", "RESTARTS", "DURATION", "AGE", wide=("GROUP", "FIRST FAILURE")
    ),
    _job_row,
)
PODS = View(columns("NAME", "READY", "STATUS", "RESTARTS", "AGE", wide=("IP", "NODE")), _pod_row)
ANYTHING = View(columns("NAME", "AGE"), _any_row)
