"""What a delete makes of an object (``BeforeDelete`` and ``finalizers`` of ``k8s.io/apiserver/pkg/registry``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kdl_local.apiserver import crd
from kdl_local.apiserver.events import CORE_EVENTS
from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.metadata import FOREGROUND, ORPHAN
from kdl_local.apiserver.statuses import conflict
from kdl_local.apiserver.strategy import is_namespace, pending_finalizers
from kdl_local.apiserver.types import Object, ResourceType
from kdl_runtime.codec.times import format_time, parse_time
from kdl_runtime.errors import BadRequest
from kdl_runtime.types import GroupVersionKind, Resource

PROPAGATION_POLICIES = ("Background", "Foreground", "Orphan")
_CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
_OPTIONS = GroupVersionKind("meta.k8s.io", "v1", "DeleteOptions")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """``grace_period_seconds``: None takes the pod's own. ``propagation``: one of ``PROPAGATION_POLICIES``, or empty
    for what the object's finalizers already say, else Background. ``uid`` and ``resource_version`` are preconditions.
    """

    grace_period_seconds: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def delete_options(body: Mapping[str, Any]) -> DeleteOptions:
    """From ``meta.k8s.io/v1 DeleteOptions``. Raises Invalid for a policy that there is not."""
    preconditions = body.get("preconditions") or {}
    grace, policy = body.get("gracePeriodSeconds"), body.get("propagationPolicy") or ""
    orphan = body.get("orphanDependents")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise BadRequest("gracePeriodSeconds must be an integer")
    if grace is not None and grace < 0:
        grace = 1
    errors = []
    if policy and orphan is not None:
        errors.append(FieldError.invalid("propagationPolicy", policy, "orphanDependents excludes it: set one of them"))
    if policy and policy not in PROPAGATION_POLICIES:
        supported = ("Foreground", "Background", "Orphan", "nil")
        errors.append(FieldError.not_supported("propagationPolicy", policy, supported))
    dry_run = body.get("dryRun") or []
    if dry_run not in ([], ["All"]):
        errors.append(FieldError.not_supported("dryRun", dry_run, ("All",)))
    if errors:
        raise invalid_object(_OPTIONS, "", errors)
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    return DeleteOptions(
        grace_period_seconds=grace,
        propagation=policy,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(dry_run),
    )


def check_preconditions(type_: ResourceType, obj: Object, options: DeleteOptions) -> None:
    """Conflict if the object is not the one, or not in the state, that the caller means."""
    meta, resource = obj["metadata"], type_.resource if type_.custom else type_.storage_resource
    # The real server names the kind in place of the plural here.
    named = Resource(resource.group, resource.version, resource.kind, resource.kind, resource.namespaced)
    if options.uid and options.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(named, meta["name"], why)
    if options.resource_version and options.resource_version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
        )
        raise conflict(named, meta["name"], why)


def mark(type_: ResourceType, old: Object, options: DeleteOptions, now: datetime) -> Object:
    """The object as a delete leaves it, removed or not: finalizers of the policy, and the time of its deletion."""
    meta = dict(old["metadata"])
    marked = {**old, "metadata": meta}
    deleted = "deletionTimestamp" in meta
    if deleted:
        _shorten(meta, options, now)
    # Nothing depends on an event, and a deletion under way changes nothing of a pod but its time.
    pending = deleted and meta.get("deletionGracePeriodSeconds") and meta == old["metadata"] and type_.graceful_deletion
    if type_.storage_resource != CORE_EVENTS and not pending:
        _set_finalizers(meta, options.propagation)
    if deleted:
        if is_namespace(type_) and not (old.get("spec") or {}).get("finalizers"):
            meta["deletionGracePeriodSeconds"] = 0
        return marked
    grace = _grace_period(type_, old, options)
    meta["deletionTimestamp"] = format_time(now + timedelta(seconds=grace))
    if is_namespace(type_):
        marked["status"] = {**(old.get("status") or {}), "phase": "Terminating"}
    elif type_.gvk != _CRD:
        meta["deletionGracePeriodSeconds"] = grace
    if meta.get("generation") and type_.gvk != _CRD:
        meta["generation"] += 1
    return crd.begin_deletion(marked, now) if type_.gvk == _CRD else marked


def _set_finalizers(meta: dict[str, Any], propagation: str) -> None:
    if not propagation:
        return
    finalizers = [item for item in meta.get("finalizers") or () if item not in (ORPHAN, FOREGROUND)]
    finalizers += {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(propagation, [])
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)


def _shorten(meta: dict[str, Any], options: DeleteOptions, now: datetime) -> None:
    """The grace period of a deletion under way may only become shorter, and does not end in the past: what is over
    already ends now, and if a grace period was asked for, that is one second."""
    before, asked = meta.get("deletionGracePeriodSeconds"), options.grace_period_seconds
    if before is None or asked is None or asked >= before:
        return
    moment = parse_time(meta["deletionTimestamp"]) - timedelta(seconds=before - asked)
    meta["deletionTimestamp"] = format_time(max(moment, now))
    meta["deletionGracePeriodSeconds"] = asked if moment >= now else min(asked, 1)


def _grace_period(type_: ResourceType, obj: Object, options: DeleteOptions) -> int:
    """Seconds that the object has: only pods that run on a node have any."""
    if not type_.graceful_deletion:
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.grace_period_seconds
    grace = int(asked if asked is not None else spec.get("terminationGracePeriodSeconds", 30))
    return grace if grace >= 0 else 1


def goes_now(type_: ResourceType, marked: Object) -> bool:
    """Whether nothing holds a deleted object any more: no finalizer, no grace period that runs."""
    return not pending_finalizers(type_, marked) and not marked["metadata"].get("deletionGracePeriodSeconds")


def is_complete(type_: ResourceType, obj: Object) -> bool:
    """Whether an updated object has been deleted earlier and nothing holds it any more."""
    return "deletionTimestamp" in obj["metadata"] and goes_now(type_, obj)
