"""Rules for ``metadata`` that hold for every type (``k8s.io/apimachinery/pkg/api/validation/objectmeta.go``)."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.names import dns_subdomain, label_value, qualified_name
from kdl_local.apiserver.statuses import Undecodable
from kdl_local.apiserver.types import Object, ResourceType
from kdl_runtime.codec.times import parse_time
from kdl_runtime.types import Resource

ANNOTATIONS_MAX_BYTES = 256 * 1024
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_STANDARD_FINALIZERS = frozenset({ORPHAN, FOREGROUND, "kubernetes"})
# Kinds that leave the rules for finalizers of the others out.
_LENIENT = frozenset({"events", "leases.coordination.k8s.io", "poddisruptionbudgets.policy"})
_STRINGS = ("name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_FIELDS = frozenset(
    {
        *_STRINGS,
        "generation",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    }
)
# Kinds of which an update checks only what has come to it; for others it checks the whole object again.
_PREFIX_KEPT = frozenset({"services", "podtemplates", "leases.coordination.k8s.io"})
_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid")
_EMPTY_IS_ABSENT = ("labels", "annotations", "finalizers", "ownerReferences")


def check_shape(resource: Resource, obj: Object) -> None:
    """BadRequest unless ``metadata`` has the JSON types of ``ObjectMeta``, so that all later code may rely on them.

    Absent metadata becomes an empty object, null fields are dropped, and so is ``selfLink``, which the server does not
    keep. What becomes of ``managedFields`` is not decided here.
    """
    meta = obj.get("metadata")
    if meta is None:
        meta = {}
    if not isinstance(meta, dict):
        raise Undecodable(resource, "metadata must be an object")
    meta = {key: value for key, value in meta.items() if value is not None}
    meta.pop("selfLink", None)
    for name in _STRINGS:
        _expect(resource, name, isinstance(meta.get(name, ""), str), "a string")
    for name in ("creationTimestamp", "deletionTimestamp"):
        _check_time(resource, meta.get(name))
    for name in ("labels", "annotations"):
        if isinstance(found := meta.get(name), dict) and None in found.values():
            meta[name] = {key: "" if value is None else value for key, value in found.items()}
        _expect(resource, name, _is_string_map(meta.get(name, {})), "an object of strings")
    finalizers = meta.get("finalizers", [])
    strings = isinstance(finalizers, list) and all(isinstance(item, str) for item in finalizers)
    _expect(resource, "finalizers", strings, "a list of strings")
    owners = meta.get("ownerReferences", [])
    objects = isinstance(owners, list) and all(isinstance(item, dict) for item in owners)
    _expect(resource, "ownerReferences", objects, "a list of objects")
    for name in _EMPTY_IS_ABSENT:
        if not meta.get(name, True):
            del meta[name]
    obj["metadata"] = meta


def prune(obj: Object) -> list[str]:
    """Drops the fields that ``ObjectMeta`` does not have, in place; returns their paths."""
    unknown = [name for name in obj["metadata"] if name not in _FIELDS]
    for name in unknown:
        del obj["metadata"][name]
    return [f"metadata.{name}" for name in unknown]


def _expect(resource: Resource, name: str, holds: bool, shape: str) -> None:
    if not holds:
        raise Undecodable(resource, f"metadata.{name} must be {shape}")


def _check_time(resource: Resource, value: str | None) -> None:
    try:
        if value:
            parse_time(value)
    except ValueError as error:
        raise Undecodable(resource, str(error)) from None


def _is_string_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def validate(type_: ResourceType, obj: Object, *, created: bool) -> list[FieldError]:
    """What is wrong with the metadata of an object that is to be created or updated."""
    meta = obj["metadata"]
    lenient = type_.custom or type_.resource.group_resource in _PREFIX_KEPT
    return [
        *_name_errors(type_, meta, meta.get("generateName", "") if created or not lenient else ""),
        *_label_errors(meta.get("labels") or {}),
        *_annotation_errors(meta.get("annotations") or {}),
        *_finalizer_errors(
            meta.get("finalizers") or (), qualified=type_.custom or type_.resource.group_resource in _LENIENT
        ),
        *_owner_errors(meta.get("ownerReferences") or ()),
    ]


def fixed_errors(obj: Object, old: Object) -> list[FieldError]:
    """What an update sets that only the server may set; what it does not speak of is kept."""
    asked, kept = obj["metadata"], old["metadata"]
    names = ["uid"]
    if "deletionTimestamp" not in kept:
        names.append("deletionTimestamp")
    names.append("deletionGracePeriodSeconds")
    return [
        FieldError.invalid(f"metadata.{name}", asked[name], "field is immutable")
        for name in names
        if asked.get(name) not in (None, "") and asked[name] != kept.get(name)
    ]


def finalizer_warning(item: str) -> str:
    """What is said of a finalizer of a custom resource that is accepted; empty for a good one."""
    if "/" in item or item in _STANDARD_FINALIZERS:
        return ""
    advice = "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
    return f'metadata.finalizers: "{item}": {advice}'


def validate_update(obj: Object, old: Object) -> list[FieldError]:
    """What an update may not change in the metadata."""
    if "deletionTimestamp" not in old["metadata"]:
        return []
    before = old["metadata"].get("finalizers") or ()
    added = sorted(item for item in obj["metadata"].get("finalizers") or () if item not in before)
    if not added:
        return []
    found = ", ".join(f'"{item}"' for item in added)
    return [
        FieldError.forbidden(
            "metadata.finalizers",
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{found}}}",
        )
    ]


def _name_errors(type_: ResourceType, meta: Mapping[str, Any], prefix: str) -> list[FieldError]:
    check = type_.name_errors or dns_subdomain
    errors = []
    name = meta.get("name", "")
    if prefix:
        errors += [FieldError.invalid("metadata.generateName", prefix, text) for text in check(prefix, True)]
    if not name:
        errors.append(FieldError.required("metadata.name", "name or generateName is required"))
    else:
        errors += [FieldError.invalid("metadata.name", name, text) for text in check(name, False)]
    return errors


def _label_errors(labels: Mapping[str, str]) -> list[FieldError]:
    errors = []
    for key, value in labels.items():
        errors += [FieldError.invalid("metadata.labels", key, text) for text in qualified_name(key)]
        errors += [FieldError.invalid("metadata.labels", value, text) for text in label_value(value)]
    return errors


def _annotation_errors(annotations: Mapping[str, str]) -> list[FieldError]:
    errors = []
    for key in annotations:
        errors += [FieldError.invalid("metadata.annotations", key, text) for text in qualified_name(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_MAX_BYTES:
        errors.append(FieldError.too_long("metadata.annotations", ANNOTATIONS_MAX_BYTES))
    return errors


def _finalizer_errors(finalizers: Sequence[str], *, qualified: bool) -> list[FieldError]:
    """``qualified``: of this type, any qualified name will do, with or without a prefix."""
    errors = []
    for index, item in enumerate(finalizers):
        errors += [FieldError.invalid("metadata.finalizers", item, text) for text in qualified_name(item)]
        if not qualified and "/" not in item and item not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(FieldError.invalid(f"metadata.finalizers[{index}]", item, text))
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        text = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        errors.append(FieldError.invalid("metadata.finalizers", list(finalizers), text))
    return errors


def _owner_errors(owners: list[dict[str, Any]] | tuple[dict[str, Any], ...]) -> list[FieldError]:
    errors = []
    for owner in owners:
        errors += [
            FieldError.invalid(f"metadata.ownerReferences.{name}", "", "must not be empty")
            for name in _OWNER_FIELDS
            if not owner.get(name)
        ]
    controllers = [f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        text = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {controllers[0]} and {controllers[1]}'
        )
        errors.append(FieldError.invalid("metadata.ownerReferences", owners, text))
    return errors
