"""Admission that needs to look at other objects: namespaces, the priority of a pod, the address of a service."""

from typing import Any

from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.services import HEADLESS, assign_cluster_ip
from kdl_local.apiserver.statuses import forbidden, not_found
from kdl_local.apiserver.storage import Store
from kdl_local.apiserver.types import Object, ResourceType
from kdl_runtime.errors import InternalError
from kdl_runtime.types import ObjectKey, Resource

NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False)
PERMANENT_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})
DEFAULT_PREEMPTION = "PreemptLowerPriority"


def admit_create(store: Store, type_: ResourceType, obj: Object) -> None:
    """Refuses or completes a new object, in place."""
    if type_.namespaced:
        _check_namespace(store, type_, obj)
    match type_.resource.group_resource:
        case "pods":
            obj["spec"] = {**(obj.get("spec") or {}), **_priority(store, type_, obj), **_service_account(obj)}
        case "services":
            _assign_address(store, type_, obj)


def _assign_address(store: Store, type_: ResourceType, service: Object) -> None:
    services = store.collection(type_.storage_resource)
    taken = {entry.object["spec"].get("clusterIP") for entry in services}
    service["spec"] = dict(service.get("spec") or {})
    address = service["spec"].get("clusterIP")
    if address and address != HEADLESS and address in taken:
        error = FieldError.invalid("spec.clusterIPs", [address], "provided IP is already allocated")
        raise invalid_object(type_.gvk, _name_of(service), [error])
    try:
        assign_cluster_ip(service, taken)
    except ValueError as error:
        raise InternalError(str(error)) from None


def admit_delete(type_: ResourceType, name: str) -> None:
    if type_.resource == NAMESPACES and name in PERMANENT_NAMESPACES:
        raise forbidden(type_.resource, name, "this namespace may not be deleted")


def _check_namespace(store: Store, type_: ResourceType, obj: Object) -> None:
    meta = obj["metadata"]
    name = meta["namespace"]
    namespace = store.collection(NAMESPACES).get(ObjectKey("", name))
    if namespace is None:
        raise not_found(NAMESPACES, name)
    if "deletionTimestamp" in namespace.object["metadata"]:
        raise forbidden(
            type_.resource,
            meta.get("name", ""),
            f"unable to create new content in namespace {name} because it is being terminated",
            (
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {name} is being terminated",
                    "field": "metadata.namespace",
                },
            ),
        )


def _name_of(obj: Object) -> str:
    """What a refusal calls an object that may have no name yet."""
    meta = obj["metadata"]
    return str(meta.get("name") or meta.get("generateName") or "Unknown")


def _service_account(pod: Object) -> dict[str, Any]:
    """The account that a pod runs as, under both of its names; it need not exist, for pods get no tokens here."""
    spec = pod.get("spec") or {}
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    return {"serviceAccountName": name, "serviceAccount": name}


def _priority(store: Store, type_: ResourceType, pod: Object) -> dict[str, Any]:
    """The fields of the pod's spec that follow from its PriorityClass, or from the cluster's default one."""
    spec = pod.get("spec") or {}
    classes = store.collection(PRIORITY_CLASSES)
    name = spec.get("priorityClassName")
    pod_name = _name_of(pod)
    if name:
        entry = classes.get(ObjectKey("", name))
        if entry is None:
            raise forbidden(type_.resource, pod_name, f"no PriorityClass with name {name} was found")
        chosen = entry.object
    else:
        defaults = [entry.object for entry in classes if entry.object.get("globalDefault")]
        chosen = min(defaults, key=lambda item: int(item.get("value", 0)), default={})
    value = int(chosen.get("value", 0))
    if spec.get("priority") not in (None, value):
        raise forbidden(
            type_.resource,
            pod_name,
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name",
        )
    found = {"priority": value, "preemptionPolicy": chosen.get("preemptionPolicy", DEFAULT_PREEMPTION)}
    if chosen:
        found["priorityClassName"] = chosen["metadata"]["name"]
    return found
