"""The built-in types that the server serves: what operators and kubectl use, no more.

Workload kinds with controllers of their own (apps/v1, batch/v1) are left out: an object that nothing acts on would
mislead. Policy, RBAC, Ingress and autoscaler objects are stored for operators that write them; nothing enforces them.
"""

from typing import Any

from kdl_local.apiserver.names import dns_1035_label, dns_label, path_segment
from kdl_local.apiserver.types import ALL_VERBS, Object, ResourceType
from kdl_runtime.types import Resource

_STATUS = frozenset({"status"})

CORE_EVENTS = Resource("", "v1", "Event", "events")

_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
_CORE_EVENT_FIELDS = (
    *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "type",
)


def _same(*labels: str) -> dict[str, str]:
    return {label: label for label in labels}


def _core(kind: str, plural: str, *short_names: str, **options: Any) -> ResourceType:
    namespaced = options.pop("namespaced", True)
    return ResourceType(Resource("", "v1", kind, plural, namespaced), short_names=short_names, **options)


def _grouped(group_version: str, kind: str, plural: str, *short_names: str, **options: Any) -> ResourceType:
    group, version = group_version.split("/")
    namespaced = options.pop("namespaced", True)
    return ResourceType(Resource(group, version, kind, plural, namespaced), short_names=short_names, **options)


def _core_types() -> list[ResourceType]:
    return [
        _core(
            "Namespace",
            "namespaces",
            "ns",
            namespaced=False,
            verbs=ALL_VERBS - {"deletecollection"},
            subresources=frozenset({"status", "finalize"}),
            selectable_fields=_same("status.phase"),
            name_errors=dns_label,
        ),
        _core(
            "Pod",
            "pods",
            "po",
            categories=("all",),
            subresources=frozenset({"status", "log", "binding", "eviction"}),
            graceful_deletion=True,
            has_generation=True,
            selectable_fields=_same(*_POD_FIELDS),
        ),
        _core(
            "Service",
            "services",
            "svc",
            categories=("all",),
            subresources=_STATUS,
            selectable_fields=_same("spec.clusterIP", "spec.type"),
            name_errors=dns_1035_label,
        ),
        _core("ConfigMap", "configmaps", "cm"),
        _core("Secret", "secrets", selectable_fields=_same("type")),
        _core(
            "Node",
            "nodes",
            "no",
            namespaced=False,
            subresources=_STATUS,
            selectable_fields=_same("spec.unschedulable"),
        ),
        _core(
            "Event",
            "events",
            "ev",
            create_on_update=True,
            selectable_fields=_same(*_CORE_EVENT_FIELDS) | {"source": "source.component"},
        ),
        _core("ServiceAccount", "serviceaccounts", "sa"),
        _core("Endpoints", "endpoints", "ep", list_kind="EndpointsList", singular="endpoints"),
        _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=_STATUS),
        _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False, subresources=_STATUS),
        _core("PodTemplate", "podtemplates"),
    ]


def _grouped_types() -> list[ResourceType]:
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        _grouped("coordination.k8s.io/v1", "Lease", "leases", create_on_update=True, unconditional_update=False),
        _grouped("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", namespaced=False),
        _grouped("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", has_generation=True),
        _grouped(
            "policy/v1",
            "PodDisruptionBudget",
            "poddisruptionbudgets",
            "pdb",
            subresources=_STATUS,
            has_generation=True,
        ),
        _grouped("networking.k8s.io/v1", "Ingress", "ingresses", "ing", subresources=_STATUS, has_generation=True),
        _grouped(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "hpa",
            categories=("all",),
            subresources=_STATUS,
        ),
        _grouped(rbac, "Role", "roles", name_errors=path_segment),
        _grouped(rbac, "RoleBinding", "rolebindings", name_errors=path_segment),
        _grouped(rbac, "ClusterRole", "clusterroles", namespaced=False, name_errors=path_segment),
        _grouped(rbac, "ClusterRoleBinding", "clusterrolebindings", namespaced=False, name_errors=path_segment),
        _grouped(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "crd",
            "crds",
            categories=("api-extensions",),
            namespaced=False,
            subresources=_STATUS,
            has_generation=True,
            unconditional_update=False,
        ),
    ]


def builtin() -> list[ResourceType]:
    """All built-in types, the core group first."""
    return [*_core_types(), *_grouped_types()]


__all__ = ["CORE_EVENTS", "Object", "builtin"]
