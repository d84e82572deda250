"""What is asked of an object: merge patches, applied or written as JSON patches, and options of a deletion."""

from typing import Any

from conformance.differential.kinds import Object
from conformance.differential.steps import reference


def merged(target: Any, patch: Any, *, keep_null: bool = False) -> Any:
    """RFC 7386; ``keep_null`` makes a patch that does what both do."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None and not keep_null:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value, keep_null=keep_null)
    return result


def operations(change: Any, path: str = "") -> list[Object]:
    """A merge patch as JSON patch operations; they fail where the object lacks what they need."""
    found: list[Object] = []
    for key, value in change.items():
        where = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, dict) and value and path.count("/") < 2:
            found += operations(value, where)
        elif value is None:
            found.append({"op": "remove", "path": where})
        else:
            found.append({"op": "add", "path": where, "value": value})
    return found


def delete_options(path: str) -> list[Object]:
    """Bodies of a deletion of the object at a path, good and bad."""
    return [
        {"gracePeriodSeconds": 0},
        {"gracePeriodSeconds": 3},
        {"propagationPolicy": "Foreground"},
        {"propagationPolicy": "Orphan"},
        {"preconditions": {"uid": reference("uid", path)}},
        {"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}},
        {"preconditions": {"resourceVersion": reference("rv", path)}},
        {"preconditions": {"resourceVersion": reference("old", path)}},
        {"dryRun": ["All"]},
        {"orphanDependents": True},
        {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"},
        {"unknown": 1},
        {"propagationPolicy": "Sometimes"},
        {"gracePeriodSeconds": "x"},
    ]
