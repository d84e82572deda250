"""PATCH bodies by content type."""

from collections.abc import Callable
from typing import Any

from kdl_local.apiserver.apply.request import APPLY
from kdl_local.apiserver.apply.writes import FIELD, expanded
from kdl_local.apiserver.bodies import decode_json, media_type
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.strategic import apply_strategic
from kdl_local.apiserver.types import Object
from kdl_runtime.codec.patch import apply_json_patch, apply_merge
from kdl_runtime.errors import BadRequest, Invalid, UnsupportedMediaType

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def read_patch(request: Request, *, custom: bool) -> Callable[[Object], Object]:
    """What the patch makes of an object: a function that returns a fresh one. Applies are not among these patches.

    Custom resources have no strategic merge patch. The body is read only when there is an object to patch.
    """
    media = media_type(request)
    if media not in (MERGE, JSON_PATCH, STRATEGIC) or (media == STRATEGIC and custom):
        accepted = ", ".join((JSON_PATCH, MERGE, APPLY) if custom else (JSON_PATCH, MERGE, STRATEGIC, APPLY))
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        )
    if media == JSON_PATCH:
        inside = FIELD.encode() in request.body
        return lambda obj: _patched(expanded(obj) if inside else obj, decode_json(request.body))
    if media == STRATEGIC:
        return lambda obj: apply_strategic(obj, decode_json(request.body))
    return lambda obj: apply_merge(obj, _without_nulls(decode_json(request.body)))


def _without_nulls(patch: Any, *, listed: bool = False) -> Any:
    """A merge patch as the real server reads it: in objects inside of lists, ``listed``, a null is no value either."""
    if isinstance(patch, list):
        return [_without_nulls(item, listed=True) for item in patch]
    if isinstance(patch, dict):
        found = {name: _without_nulls(value, listed=listed) for name, value in patch.items()}
        return {name: value for name, value in found.items() if value is not None} if listed else found
    return patch


def _patched(obj: Object, operations: Any) -> Object:
    """A patch of null does nothing. Operations that there are not are as good as those that fail."""
    try:
        patched = apply_json_patch(obj, [] if operations is None else operations)
    except BadRequest as error:
        if isinstance(operations, list) and all(isinstance(item, dict) for item in operations):
            raise Invalid(error.message) from None
        raise
    if not isinstance(patched, dict):
        raise BadRequest("the JSON patch leaves something that is not an object")
    return patched
