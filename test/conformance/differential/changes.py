"""Merge patches: applied to what is sent, and written as JSON patches."""

from typing import Any

from conformance.differential.kinds import Object


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
