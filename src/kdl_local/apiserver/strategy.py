"""What the server itself writes into an object before it is stored (``k8s.io/apiserver/pkg/registry/rest``)."""

from collections.abc import Sequence
from typing import Any

from kdl_local.apiserver.types import Object, ResourceType
from kdl_runtime.codec.patch import copy_json, json_equal

NAMESPACE_FINALIZER = "kubernetes"
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"

_SERVER_FIELDS = (
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "uid",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
# The kubelet registers its node together with the status; for every other type a status is reported later.
_STATUS_AT_CREATION = frozenset({"nodes"})
# The labels of slices say which service they belong to; what is wanted of a class cannot be changed.
_LABELS_COUNT = frozenset({"endpointslices"})
_ADDRESSES = frozenset({"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"})
_GENERATION_STAYS = frozenset({"priorityclasses"})


def is_namespace(type_: ResourceType) -> bool:
    return type_.storage_resource.plural == "namespaces" and not type_.resource.group


def prepare_for_create(type_: ResourceType, obj: Object, uid: str, now: str) -> None:
    """Stamps a new object, in place; ``now`` is a ``metav1.Time``."""
    meta = obj["metadata"]
    for name in _SERVER_FIELDS:
        meta.pop(name, None)
    meta["uid"] = uid
    meta["creationTimestamp"] = now
    if type_.has_generation:
        meta["generation"] = 1
    if type_.has_status and type_.resource.plural not in _STATUS_AT_CREATION:
        obj.pop("status", None)
    if type_.resource.group_resource == "pods" and (obj.get("spec") or {}).get("schedulingGates"):
        obj["status"] = {"phase": "Pending", "conditions": [_gated(now)]}
    if type_.resource.plural == "customresourcedefinitions":
        versions = (obj.get("spec") or {}).get("versions") or ()
        stored = [version.get("name") for version in versions if version.get("storage")]
        obj["status"] = {"acceptedNames": {"kind": "", "plural": ""}, "storedVersions": stored[:1]}
    if is_namespace(type_):
        meta["labels"] = {**(meta.get("labels") or {}), NAMESPACE_NAME_LABEL: meta.get("name", "")}
        spec = obj.get("spec") or {}
        finalizers = [*(spec.get("finalizers") or ())]
        if NAMESPACE_FINALIZER not in finalizers:
            finalizers.append(NAMESPACE_FINALIZER)
        obj["spec"] = {**spec, "finalizers": finalizers}
        obj["status"] = {"phase": "Active"}


def _gated(now: str) -> Object:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }


def prepare_for_update(type_: ResourceType, new: Object, old: Object, subresource: str) -> Object:
    """The object that an update asks for, without what this kind of update may not change.

    ``subresource`` is ``status``, ``finalize``, ``binding`` (which may change everything) or empty. A status update of
    a custom resource changes ``status`` and nothing else; that of a built-in type also takes metadata, but for the
    owner references of pods.
    """
    if subresource == "status":
        new = _with_status_of(type_, new, old)
    elif subresource == "finalize":
        finalizers = (new.get("spec") or {}).get("finalizers") or []
        new = copy_json({**old, "spec": {**(old.get("spec") or {}), "finalizers": finalizers}})
    elif type_.has_status and subresource != "binding":
        new = _with_field_of(new, old, "status")
        if is_namespace(type_):
            new["spec"] = old.get("spec", {})
        elif type_.resource.group_resource == "services":
            new["spec"] = _kept_addresses(new.get("spec") or {}, old.get("spec") or {})
    new["metadata"] = _kept_metadata(new["metadata"], old["metadata"])
    return new


def pass_over(type_: ResourceType, new: Object, subresource: str) -> None:
    """Takes out, in place, what an update may say without being refused: kubelets send back what they have seen, and
    metadata is no part of a status update of a custom resource."""
    if subresource != "status":
        return
    if type_.custom:
        for name in ("uid", "deletionTimestamp", "deletionGracePeriodSeconds"):
            new["metadata"].pop(name, None)
    elif type_.resource.group_resource == "pods":
        new["metadata"].pop("deletionTimestamp", None)


def count_generation(type_: ResourceType, new: Object, old: Object, subresource: str) -> None:
    """Counts up if the update changes what is wanted; both objects with their defaults filled in, ``new`` in place."""
    if type_.resource.plural in _LABELS_COUNT and new["metadata"].get("labels") != old["metadata"].get("labels"):
        new["metadata"]["generation"] = old["metadata"]["generation"] + 1
    elif type_.resource.plural in _GENERATION_STAYS:
        new["metadata"]["generation"] = old["metadata"]["generation"]
    elif type_.has_generation:
        same = subresource == "binding" or same_intent(type_, new, old)
        new["metadata"]["generation"] = old["metadata"].get("generation", 1) + (0 if same else 1)


def _with_field_of(obj: Object, other: Object, name: str) -> Object:
    result = {key: value for key, value in obj.items() if key != name}
    if name in other:
        result[name] = copy_json(other[name])
    return result


def _with_status_of(type_: ResourceType, new: Object, old: Object) -> Object:
    # A copy: defaults that the schema has gained since are filled in later, and not in the stored object.
    result = _with_field_of(copy_json(old), new, "status")
    if type_.resource.group_resource == "pods":
        # Old kubelets send broken owners.
        result["metadata"] = _with_field_of(new["metadata"], old["metadata"], "ownerReferences")
    elif not type_.custom:
        result["metadata"] = new["metadata"]
    return result


def _kept_addresses(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """A service that does not speak of its addresses keeps them, and its policy for families; one that becomes external
    loses them, and one that becomes a single stack its second family."""
    if new.get("type") == "ExternalName":
        return {name: value for name, value in new.items() if name not in _ADDRESSES or value != old.get(name)}
    if old.get("type") == "ExternalName":
        return new
    if not new.get("ipFamilyPolicy") and "ipFamilyPolicy" in old:
        new = {**new, "ipFamilyPolicy": old["ipFamilyPolicy"]}
    elif new.get("ipFamilyPolicy") == "SingleStack" and new.get("ipFamilies") == old.get("ipFamilies"):
        new = {**new, "ipFamilies": (new.get("ipFamilies") or [])[:1]}
    if new.get("clusterIP"):
        return new
    return {**new, **{name: old[name] for name in ("clusterIP", "clusterIPs") if name in old}}


def _kept_metadata(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Fields of the metadata that only the server writes stay as they are."""
    result = dict(new)
    for name in (*_SERVER_FIELDS, "name", "namespace"):
        if name in old:
            result[name] = old[name]
        else:
            result.pop(name, None)
    return result


def same_intent(type_: ResourceType, new: Object, old: Object) -> bool:
    """Whether only metadata and reported status differ, so that ``generation`` stays."""
    ignored = {"metadata", "status", "kind", "apiVersion"} if type_.has_status else {"metadata", "kind", "apiVersion"}
    return json_equal(_without(new, ignored), _without(old, ignored))


def _without(obj: Object, names: set[str]) -> Object:
    return {key: value for key, value in obj.items() if key not in names}


def unchanged(new: Object, old: Object) -> bool:
    """Whether a write would store what is stored, so that it takes no revision and wakes no watcher."""
    return json_equal(_without(new, {"metadata"}), _without(old, {"metadata"})) and json_equal(
        _without(new["metadata"], {"resourceVersion"}), _without(old["metadata"], {"resourceVersion"})
    )


def pending_finalizers(type_: ResourceType, obj: Object) -> Sequence[str]:
    """What has to be removed before a deleted object goes; of a namespace also the finalizers in its spec."""
    found: list[str] = list(obj["metadata"].get("finalizers") or ())
    if is_namespace(type_):
        found += (obj.get("spec") or {}).get("finalizers") or ()
    return found
