"""The part of decoding that both dialects share: who the job is, and the limits of a run policy."""

from collections.abc import Mapping
from typing import Any

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.status import decode_status
from kdl_workloads.framework import Conventions
from kdl_workloads.job import CleanPodPolicy, Job, RunPolicy, SchedulingPolicy


def outline(obj: Mapping[str, Any]) -> Job:
    """The job without its roles, options and limits."""
    metadata: Mapping[str, Any] = obj.get("metadata") or {}
    return Job(
        api_version=obj["apiVersion"],
        kind=obj["kind"],
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        generation=metadata.get("generation") or 0,
        roles={},
        run_policy=RunPolicy(),
        status=decode_status(obj.get("status") or {}),
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        deleting=bool(metadata.get("deletionTimestamp")),
    )


def count(values: Mapping[str, Any], name: str, path: str, default: int | None) -> int | None:
    """The number ``values[name]``, which is at ``path`` in the object; ``default`` where it is absent or null."""
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or value < 0:
        raise SpecError(f"{path}.{name}", f"is {value!r} and must be a whole number of 0 or more")
    return value


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
    )
