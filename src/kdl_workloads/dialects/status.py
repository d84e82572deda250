"""The status of a job as JSON and back. Both dialects share its form; they differ in a few fields of the replicas.

What KubeDL and Kubeflow do not have are our own ``attempts``, ``jobRestarts``, ``restartTime``, ``countedPods``,
``firstFailure``, ``lostNodes``, ``judgedNodes`` and, per role, ``restarts`` and ``succeededIndexes``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from kdl_runtime.codec.times import format_time, parse_time
from kdl_workloads.dialects.indexes import format_indexes, parse_indexes
from kdl_workloads.job import Condition, ConditionType, Failure, JobStatus, LostNode, ReplicaStatus

T = TypeVar("T")

UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time of a condition that tells none."""

_KNOWN = frozenset(
    {
        "conditions",
        "replicaStatuses",
        "startTime",
        "completionTime",
        "attempts",
        "jobRestarts",
        "restartTime",
        "countedPods",
        "firstFailure",
        "lostNodes",
        "judgedNodes",
    }
)


def encode_status(status: JobStatus) -> dict[str, Any]:
    """``replicaStatuses`` is always there, also when empty: the CRDs of KubeDL itself require it. Counts of zero and
    empty values are left out, so that an unchanged status is the same bytes."""
    encoded: dict[str, Any] = {
        **status.extra,
        "conditions": [_encode_condition(condition) for condition in status.conditions],
        "replicaStatuses": {role: encode_replica(replica) for role, replica in status.replicas.items()},
        "startTime": status.start_time and format_time(status.start_time),
        "completionTime": status.completion_time and format_time(status.completion_time),
        "attempts": status.attempts or None,
        "jobRestarts": status.restarts or None,
        "restartTime": status.restart_time and format_time(status.restart_time),
        "countedPods": sorted(status.uncounted) or None,
        "firstFailure": status.first_failure and _encode_failure(status.first_failure),
        "lostNodes": [{"name": node.name, "time": format_time(node.time)} for node in status.lost_nodes] or None,
        "judgedNodes": {
            uid: [f"{type_}={value}" for type_, value in sorted(conditions)]
            for uid, conditions in sorted(status.judged_nodes.items())
        }
        or None,
    }
    return _given(encoded)


def encode_replica(replica: ReplicaStatus) -> dict[str, Any]:
    return _given(
        {
            "active": replica.active or None,
            "succeeded": replica.succeeded or None,
            "failed": replica.failed or None,
            "restarts": replica.restarts or None,
            "succeededIndexes": format_indexes(replica.succeeded_indexes) or None,
            "selector": replica.selector or None,
        }
    )


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _encode_condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type.value,
        "status": "True" if condition.status else "False",
        "reason": condition.reason,
        "message": condition.message,
        "lastUpdateTime": format_time(condition.last_update_time),
        "lastTransitionTime": format_time(condition.last_transition_time),
    }


def _encode_failure(failure: Failure) -> dict[str, Any]:
    return _given(
        {
            "pod": failure.pod,
            "role": failure.role,
            "index": failure.index,
            "time": format_time(failure.time),
            "node": failure.node or None,
            "container": failure.container or None,
            "exitCode": failure.exit_code,
            "signal": failure.signal,
            "reason": failure.reason or None,
            "message": failure.message or None,
        }
    )


def decode_status(status: Mapping[str, Any]) -> JobStatus:
    """What cannot be read (a number that is none, an unknown type of condition) is as if absent: a status that another
    program has written must not stop the job. A condition without a time that can be read still holds: a job that has
    succeeded must not run again. Fields that are not ours are kept in ``extra``."""
    conditions = (_decode_condition(item) for item in status.get("conditions") or ())
    replicas: Mapping[str, Any] = status.get("replicaStatuses") or {}
    return JobStatus(
        conditions=_each_once(condition for condition in conditions if condition is not None),
        replicas={role: decode_replica(value or {}) for role, value in replicas.items()},
        start_time=_time(status.get("startTime")),
        completion_time=_time(status.get("completionTime")),
        attempts=_number(status.get("attempts")),
        restarts=_number(status.get("jobRestarts")),
        restart_time=_time(status.get("restartTime")),
        uncounted=frozenset(status.get("countedPods") or ()),
        first_failure=_decode_failure(status.get("firstFailure") or {}),
        lost_nodes=tuple(_lost_nodes(status.get("lostNodes") or ())),
        judged_nodes={
            uid: frozenset(_judged_conditions(texts)) for uid, texts in (status.get("judgedNodes") or {}).items()
        },
        extra={name: value for name, value in status.items() if name not in _KNOWN},
    )


def decode_replica(value: Mapping[str, Any]) -> ReplicaStatus:
    return ReplicaStatus(
        active=_number(value.get("active")),
        succeeded=_number(value.get("succeeded")),
        failed=_number(value.get("failed")),
        restarts=_number(value.get("restarts")),
        succeeded_indexes=parse_indexes(str(value.get("succeededIndexes") or "")),
        selector=str(value.get("selector") or ""),
    )


def _decode_condition(value: Mapping[str, Any]) -> Condition | None:
    type_ = _or_none(ConditionType, value.get("type"))
    if type_ is None:
        return None
    updated = _time(value.get("lastUpdateTime")) or _time(value.get("lastTransitionTime")) or UNKNOWN_TIME
    return Condition(
        type=type_,
        status=value.get("status") == "True",
        reason=str(value.get("reason") or ""),
        message=str(value.get("message") or ""),
        last_update_time=updated,
        last_transition_time=_time(value.get("lastTransitionTime")) or updated,
    )


def _each_once(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Of a condition that another program has written twice the one that holds, else the last."""
    kept: dict[ConditionType, Condition] = {}
    for condition in conditions:
        known = kept.get(condition.type)
        if known is None or condition.status or not known.status:
            kept.pop(condition.type, None)
            kept[condition.type] = condition
    return tuple(kept.values())


def _decode_failure(value: Mapping[str, Any]) -> Failure | None:
    time = _time(value.get("time"))
    if time is None:
        return None
    return Failure(
        pod=str(value.get("pod") or ""),
        role=str(value.get("role") or ""),
        index=_number(value.get("index")),
        time=time,
        node=str(value.get("node") or ""),
        container=str(value.get("container") or ""),
        exit_code=_or_none(int, value.get("exitCode")),
        signal=_or_none(int, value.get("signal")),
        reason=str(value.get("reason") or ""),
        message=str(value.get("message") or ""),
    )


def _lost_nodes(values: Iterable[Mapping[str, Any]]) -> Iterator[LostNode]:
    for value in values:
        time = _time(value.get("time"))
        if time is not None and value.get("name"):
            yield LostNode(str(value["name"]), time)


def _judged_conditions(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        type_, _, value = text.rpartition("=")
        yield type_, value


def _time(value: object) -> datetime | None:
    return _or_none(parse_time, value)


def _number(value: object) -> int:
    return max(_or_none(int, value) or 0, 0)


def _or_none(convert: Callable[[Any], T], value: object) -> T | None:
    if value is None:
        return None
    try:
        return convert(value)
    except (TypeError, ValueError):
        return None
