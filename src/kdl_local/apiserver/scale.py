"""The ``scale`` subresource: a view of the replica count of an object as ``autoscaling/v1 Scale``."""

from typing import Any

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.statuses import Undecodable, no_such_path
from kdl_local.apiserver.types import Object, ResourceType, ScalePaths
from kdl_runtime.codec.patch import copy_json
from kdl_runtime.types import GroupVersionKind, Resource

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")
_SCALES = Resource("autoscaling", "v1", "Scale", "scales")
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_paths(type_: ResourceType) -> ScalePaths:
    """NotFound for a type without this subresource."""
    if type_.scale is None:
        raise no_such_path()
    return type_.scale


def read_scale(type_: ResourceType, obj: Object) -> Object:
    paths = scale_paths(type_)
    status: dict[str, Any] = {"replicas": _get(obj, paths.status_replicas) or 0}
    selector = _get(obj, paths.label_selector) if paths.label_selector else None
    if selector:
        status["selector"] = selector
    replicas = _get(obj, paths.spec_replicas)
    meta = obj["metadata"]
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {name: meta[name] for name in _METADATA if name in meta},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def write_scale(type_: ResourceType, obj: Object, scale: Object) -> Object:
    """A fresh ``obj`` with the replica count, and the resourceVersion to compare, of a Scale."""
    paths = scale_paths(type_)
    spec, meta = scale.get("spec") or {}, scale.get("metadata") or {}
    replicas = spec.get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise Undecodable(_SCALES, "spec.replicas must be an integer")
    changed: Object = copy_json(obj)
    *parents, last = _parts(paths.spec_replicas)
    place = changed
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = replicas
    for field in ("resourceVersion", "uid"):
        if meta.get(field):
            changed["metadata"][field] = meta[field]
    return changed


def replica_errors(paths: ScalePaths, obj: Object) -> list[FieldError]:
    """What is wrong with the counts of a custom resource, which its schema need not say."""
    return [*_count_errors(obj, paths.spec_replicas), *_count_errors(obj, paths.status_replicas)]


def _count_errors(obj: Object, path: str) -> list[FieldError]:
    place: Any = obj
    for part in _parts(path):
        if not isinstance(place, dict):
            return [] if place is None else [FieldError.invalid(path, 0, f"{path} accessor error: not an object")]
        place = place.get(part)
    if place is not None and type(place) is not int:
        return [FieldError.invalid(path, 0, f"{path} accessor error: not an integer")]
    if isinstance(place, int) and place < 0:
        return [FieldError.invalid(path, place, "should be a non-negative integer")]
    return []


def _parts(path: str) -> list[str]:
    return [part for part in path.split(".") if part]


def _get(obj: Any, path: str) -> Any:
    for part in _parts(path):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj
