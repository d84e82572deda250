"""The part of decoding that both dialects share: who the job is, and the limits of a run policy."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from kdl_workloads.dialects import failure
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.status import decode_status
from kdl_workloads.framework import Conventions
from kdl_workloads.job import CleanPodPolicy, Job, RunPolicy, SchedulingPolicy


def outline(obj: Mapping[str, Any], policy: RunPolicy) -> Job:
    """The job without its roles and options."""
    metadata: Mapping[str, Any] = obj.get("metadata") or {}
    return Job(
        api_version=obj["apiVersion"],
        kind=obj["kind"],
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        generation=metadata.get("generation") or 0,
        roles={},
        run_policy=policy,
        status=decode_status(obj.get("status") or {}),
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        deleting=bool(metadata.get("deletionTimestamp")),
    )


def mapping(values: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    """The object ``values[name]``, which is at ``path``; empty where it is absent or null."""
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SpecError(f"{path}.{name}", f"is {value!r} and must be an object")
    return value


def readable(value: object) -> Mapping[str, Any]:
    """The object, or an empty one for what is none."""
    return value if isinstance(value, Mapping) else {}


def count(values: Mapping[str, Any], name: str, path: str, default: int | None) -> int | None:
    """The number ``values[name]``, which is at ``path`` in the object; ``default`` where it is absent or null."""
    value = values.get(name)
    if value is None:
        return default
    if not _is_count(value):
        raise SpecError(f"{path}.{name}", f"is {value!r} and must be a whole number of 0 or more")
    return value


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def outlined_run_policy(values: Mapping[str, Any], conventions: Conventions | None) -> RunPolicy:
    """Of the limits in ``values`` those that hold for a job that is not carried out: whose it is, and what becomes of
    it at its end. What cannot be read is as if absent; absent is the kind's default, if ``conventions`` are given."""
    defaults = RunPolicy()
    if conventions is not None:
        defaults = RunPolicy(
            clean_pod_policy=conventions.clean_pod_policy,
            ttl_seconds_after_finished=conventions.ttl_seconds_after_finished,
        )
    clean, ttl = values.get("cleanPodPolicy"), values.get("ttlSecondsAfterFinished")
    return replace(
        defaults,
        clean_pod_policy=CleanPodPolicy(clean) if clean in list(CleanPodPolicy) else defaults.clean_pod_policy,
        ttl_seconds_after_finished=ttl if _is_count(ttl) else defaults.ttl_seconds_after_finished,
        managed_by=str(values.get("managedBy") or ""),
        stop_on_failure=values.get("stopOnFailure") is True,
    )


def run_policy(
    values: Mapping[str, Any], path: str, conventions: Conventions, scheduling: SchedulingPolicy
) -> RunPolicy:
    """The limits in ``values``, which are at ``path`` in the object, with the kind's defaults."""
    clean = values.get("cleanPodPolicy") or conventions.clean_pod_policy
    if clean not in list(CleanPodPolicy):
        raise SpecError(f"{path}.cleanPodPolicy", f"is {clean!r} and must be one of {', '.join(CleanPodPolicy)}")
    return RunPolicy(
        clean_pod_policy=CleanPodPolicy(clean),
        ttl_seconds_after_finished=count(
            values, "ttlSecondsAfterFinished", path, conventions.ttl_seconds_after_finished
        ),
        active_deadline_seconds=count(values, "activeDeadlineSeconds", path, None),
        backoff_limit=count(values, "backoffLimit", path, conventions.backoff_limit),
        suspend=bool(values.get("suspend")),
        managed_by=values.get("managedBy") or "",
        scheduling=scheduling,
        restart_scope=failure.restart_scope(values, path),
        failure_rules=failure.failure_rules(values, path),
        stop_on_failure=bool(values.get("stopOnFailure")),
    )
