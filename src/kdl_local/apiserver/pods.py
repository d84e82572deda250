"""The ``binding`` and ``eviction`` subresources of pods."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from kdl_local.apiserver.deletion import DeleteOptions, delete_options
from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.statuses import conflict
from kdl_local.apiserver.types import Object
from kdl_runtime.codec.patch import copy_json
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import BadRequest
from kdl_runtime.types import GroupVersionKind, Resource

PODS = Resource("", "v1", "Pod", "pods")
_BINDING = GroupVersionKind("", "v1", "Binding")
_BINDINGS = Resource("", "v1", "Binding", "pods/binding")
_SCHEDULED, _DISRUPTION = "PodScheduled", "DisruptionTarget"


def bound(pod: Object, binding: Mapping[str, Any], now: datetime) -> Object:
    """A fresh pod on the node that a ``v1 Binding`` names, with the condition that says so.

    Conflict if the pod has a node already or is being deleted; Invalid if the binding names no node.
    """
    name = pod["metadata"]["name"]
    node = _node(binding, name)
    before = (pod.get("spec") or {}).get("nodeName")
    if "deletionTimestamp" in pod["metadata"]:
        raise conflict(_BINDINGS, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if before:
        raise conflict(_BINDINGS, name, f'pod {name} is already assigned to node "{before}"')
    if (pod.get("spec") or {}).get("schedulingGates"):
        raise conflict(_BINDINGS, name, f"pod {name} has non-empty .spec.schedulingGates")
    changed: Object = copy_json(pod)
    meta = binding.get("metadata") or {}
    if meta.get("uid"):
        changed["metadata"]["uid"] = meta["uid"]
    for field in ("annotations", "labels"):
        if meta.get(field):
            changed["metadata"][field] = {**changed["metadata"].get(field, {}), **meta[field]}
    changed.setdefault("spec", {})["nodeName"] = node
    status = changed.setdefault("status", {})
    conditions = [item for item in status.get("conditions") or () if item.get("type") != _SCHEDULED]
    transition = format_time(now)
    scheduled = {"type": _SCHEDULED, "status": "True", "lastProbeTime": None, "lastTransitionTime": transition}
    status["conditions"] = [*conditions, scheduled]
    return changed


def _node(binding: Mapping[str, Any], pod_name: str) -> str:
    target = binding.get("target") or {}
    if target.get("kind") not in (None, "", "Node"):
        error = FieldError.not_supported("target.kind", target["kind"], ("Node", "<empty>"))
        raise invalid_object(_BINDING, pod_name, [error])
    if not target.get("name"):
        raise invalid_object(_BINDING, pod_name, [FieldError.required("target.name")])
    return str(target["name"])


def disrupted(pod: Object, now: datetime) -> Object:
    """A fresh pod with the condition that tells its controllers that it did not fail by itself."""
    changed: Object = copy_json(pod)
    status = changed.setdefault("status", {})
    conditions = [item for item in status.get("conditions") or () if item.get("type") != _DISRUPTION]
    condition = {
        "type": _DISRUPTION,
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": format_time(now),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    status["conditions"] = [*conditions, condition]
    return changed


def eviction(name: str, body: Mapping[str, Any], *, dry_run: bool) -> DeleteOptions:
    """How to delete the pod that a ``policy/v1 Eviction`` names; budgets for disruption are not enforced."""
    meta = body.get("metadata") or {}
    if meta.get("name", name) != name:
        raise BadRequest("name in URL does not match name in Eviction object")
    options = delete_options(body.get("deleteOptions") or {})
    return replace(options, dry_run=options.dry_run or dry_run)
