"""URL paths of objects, refused early where a name would lead somewhere else."""

from collections.abc import Mapping
from typing import Any

from kdl_runtime.errors import BadRequest
from kdl_runtime.types import ObjectKey, Resource


def object_path(resource: Resource, key: ObjectKey, subresource: str = "") -> str:
    """The path of one object. BadRequest for a missing namespace or name, and for one that is no path segment."""
    if not key.name:
        raise BadRequest(f"a name is needed for a request on one of {resource.group_resource}")
    check_segment("name", key.name)
    return resource.path(checked_namespace(resource, key.namespace), key.name, subresource or None)


def checked_namespace(resource: Resource, namespace: str) -> str:
    """The namespace for the path; empty for kinds without. BadRequest if the kind has namespaces and none is given."""
    if not resource.namespaced:
        return ""
    if not namespace:
        raise BadRequest(f"a namespace is needed for a request on one of {resource.group_resource}")
    check_segment("namespace", namespace)
    return namespace


def check_segment(what: str, value: str) -> None:
    """What apimachinery's ``IsValidPathSegmentName`` refuses, BadRequest refuses."""
    if value in (".", "..") or "/" in value or "%" in value:
        raise BadRequest(f"the {what} {value!r} is invalid: it may not be '.' or '..' nor contain '/' or '%'")


def key_of(obj: Mapping[str, Any]) -> ObjectKey:
    """Namespace and name in the object's metadata, each empty if missing."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    return ObjectKey(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
