"""The way from client-side apply to server-side apply: the annotation in which kubectl keeps what it applied last.

Only the manager ``kubectl`` takes part in it, which is what ``kubectl apply --server-side`` calls itself.
"""

from typing import Any

from kdl_local.apiserver.apply.comparison import compare
from kdl_local.apiserver.apply.fieldset import FieldSet, difference
from kdl_local.apiserver.apply.fieldtypes import FieldType
from kdl_local.apiserver.apply.leaves import leaves, type_errors
from kdl_local.apiserver.metadata import ANNOTATIONS_MAX_BYTES
from kdl_runtime.codec.json import DecodeError, decode, encode
from kdl_runtime.codec.patch import copy_json

MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

Object = dict[str, Any]


def last_applied_fields(live: Object, api_version: str, type_: FieldType) -> FieldSet:
    """The fields of the annotation that still have the value that was applied, so that kubectl may change them."""
    text = _annotations(live).get(ANNOTATION)
    try:
        last = decode(text) if text else None
    except DecodeError:
        return {}
    if not isinstance(last, dict) or last.get("apiVersion") != api_version:
        return {}
    if type_errors(last, type_, duplicates=False) or type_errors(live, type_, duplicates=False):
        return {}
    comparison = compare(last, live, type_)
    return difference(difference(leaves(last, type_), comparison.changed), comparison.removed)


def refresh_annotation(obj: Object, config: Object) -> None:
    """Writes what was applied into the annotation, in place, if there is one; drops it where it would be too large."""
    annotations = _annotations(obj)
    if not annotations.get(ANNOTATION):
        return
    stated = copy_json(config)
    if ANNOTATION in _annotations(stated):
        del stated["metadata"]["annotations"][ANNOTATION]
    annotations[ANNOTATION] = encode(_sorted(stated)).decode() + "\n"
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_MAX_BYTES:
        del annotations[ANNOTATION]


def _annotations(obj: Object) -> dict[str, str]:
    found = (obj.get("metadata") or {}).get("annotations")
    return found if isinstance(found, dict) else {}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
