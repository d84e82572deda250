"""What several components need to know of a pod object."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.resources import PODS
from kdl_runtime.errors import NotFound

Object = Mapping[str, Any]


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_finished(pod: Object) -> bool:
    """Succeeded or Failed: nothing of it runs or ever will."""
    return phase(pod) in ("Succeeded", "Failed")


def node_name(pod: Object) -> str:
    return str(pod["spec"].get("nodeName") or "")


def is_deleting(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def condition(obj: Object, type_: str) -> Object | None:
    """A condition of any object by its type."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] == type_), None)


def with_condition(conditions: Sequence[Object], new: Object, now: str) -> list[Object]:
    """Conditions with one replaced or added. ``lastTransitionTime`` is kept while the status stays what it was."""
    old = next((item for item in conditions if item["type"] == new["type"]), None)
    since = old.get("lastTransitionTime") if old and old["status"] == new["status"] else None
    updated = {**new, "lastTransitionTime": since or now}
    if old is None:
        return [*conditions, updated]
    return [updated if item is old else item for item in conditions]


def is_older(pod: Object, other: Object) -> bool:
    """Whether this is an earlier state of the same pod, as an event that was overtaken by an own write."""
    mine, theirs = pod["metadata"], other["metadata"]
    return bool(mine["uid"] == theirs["uid"] and int(mine["resourceVersion"]) < int(theirs["resourceVersion"]))


def patch_status(direct: Direct, pod: Object, status: Object) -> Object | None:
    """Merges into the status of this very pod, and returns the pod as it is then. None if it is gone, or another one
    has its name by now."""
    metadata = pod["metadata"]
    current = direct.find(PODS, metadata["namespace"], metadata["name"])
    if current is None or current["metadata"]["uid"] != metadata["uid"]:
        return None
    try:
        return direct.patch(PODS, metadata["namespace"], metadata["name"], {"status": status}, subresource="status")
    except NotFound:
        return None
