"""Events: one storage, two shapes. Core events are what kubectl reads, ``events.k8s.io/v1`` is what recorders write.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-instrumentation/383-new-event-api-ga-graduation
"""

from typing import Any

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.names import qualified_name
from kdl_local.apiserver.types import Conversion, Object
from kdl_runtime.types import Resource

CORE_EVENTS = Resource("", "v1", "Event", "events")
"""The shape in which events are stored."""

EVENTS = Resource("events.k8s.io", "v1", "Event", "events")

_CORE_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_NEW_TO_CORE = {new: core for core, new in _CORE_TO_NEW.items()}
_NOTE_MAX, _REASON_MAX = 1024, 128
# The real server checks the stored shape, and names its fields.
_REFUSED_AS = {"regarding": "involvedObject", "note": "message"}

CORE_FIELDS = {
    **{
        f"involvedObject.{name}": f"involvedObject.{name}"
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": "reason",
    "reportingComponent": "reportingComponent",
    "source": "source.component",
    "type": "type",
}
"""What a field selector of core events may name, and the field of the object."""

NEW_FIELDS = {
    **{
        f"regarding.{name}": f"regarding.{name}"
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": "reason",
    "reportingController": "reportingController",
    "type": "type",
}


def _renamed(obj: Object, names: dict[str, str], api_version: str) -> Object:
    return {names.get(key, key): value for key, value in obj.items()} | {"apiVersion": api_version}


CONVERSION = Conversion(
    to_storage=lambda obj: _renamed(obj, _NEW_TO_CORE, CORE_EVENTS.api_version),
    from_storage=lambda obj: _renamed(obj, _CORE_TO_NEW, EVENTS.api_version),
)


def core_event_errors(event: Object, old: Object | None) -> list[FieldError]:
    return _namespace_errors(event, event.get("involvedObject") or {})


def _namespace_errors(event: Object, involved: Object) -> list[FieldError]:
    """An event lives in the namespace of its object, or in ``default`` when the object has none.

    One with an ``eventTime``, from a newer client, may live elsewhere, if its object has a namespace.
    """
    regarded = involved.get("namespace") or ""
    namespace = (event.get("metadata") or {}).get("namespace") or ""
    if regarded == namespace or (not regarded and namespace in ("default", "kube-system")):
        return []
    if regarded and event.get("eventTime"):
        return []
    return [FieldError.invalid("involvedObject.namespace", regarded, "does not match event.namespace")]


def event_errors(event: Object, old: Object | None) -> list[FieldError]:
    """The new API is stricter than the old one, on a create; an update may only add to the series."""
    if old is not None:
        return [
            FieldError.invalid(_REFUSED_AS.get(name, name), event.get(name), "field is immutable")
            for name in ("regarding", "reason", "note", "reportingController", "reportingInstance", "type", "action")
            if event.get(name) != old.get(name)
        ]
    errors = _namespace_errors(event, event.get("regarding") or {})
    errors += [
        FieldError.required(name)
        for name in ("eventTime", "reportingController", "reportingInstance", "action", "reason")
        if not event.get(name)
    ]
    controller: Any = event.get("reportingController")
    if controller:
        errors += [FieldError.invalid("reportingController", controller, text) for text in qualified_name(controller)]
    for name, limit in (("reason", _REASON_MAX), ("action", _REASON_MAX), ("reportingInstance", _REASON_MAX)):
        if len(event.get(name) or "") > limit:
            errors.append(FieldError.invalid(name, "", f"can have at most {limit} characters"))
    if len(event.get("note") or "") > _NOTE_MAX:
        errors.append(FieldError.invalid("message", "", f"can have at most {_NOTE_MAX} characters"))
    if event.get("type") not in ("Normal", "Warning"):
        errors.append(FieldError.invalid("type", "", f"has invalid value: {event.get('type') or ''}"))
    return errors
