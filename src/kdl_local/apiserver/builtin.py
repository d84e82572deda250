"""The built-in types that the server serves: what operators and kubectl use, no more.

Workload kinds with controllers of their own (apps/v1, batch/v1) are left out: an object that nothing acts on would
mislead. Policy, RBAC, Ingress and autoscaler objects are stored for operators that write them; nothing enforces them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kdl_local.apiserver import core_kinds, crd, crd_validation, events, services
from kdl_local.apiserver.builtin_schema import BuiltinSchema
from kdl_local.apiserver.columns import PRINTERS
from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.names import dns_label, path_segment
from kdl_local.apiserver.pod_defaults import default_pod, default_pod_template
from kdl_local.apiserver.pod_validation import pod_errors, pod_template_errors
from kdl_local.apiserver.types import ALL_VERBS, Object, ResourceType
from kdl_runtime.types import Resource

_STATUS = frozenset({"status"})

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
            subresources=frozenset({"status", "log", "binding", "eviction", "exec", "attach", "portforward"}),
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
            create_on_update=True,
            selectable_fields=_same("spec.clusterIP", "spec.type"),
            name_errors=dns_label,
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
            selectable_fields=events.CORE_FIELDS,
            name_errors=path_segment,
        ),
        _core("ServiceAccount", "serviceaccounts", "sa"),
        _core(
            "Endpoints",
            "endpoints",
            "ep",
            list_kind="EndpointsList",
            singular="endpoints",
            create_on_update=True,
            deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        ),
        _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=_STATUS),
        _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False, subresources=_STATUS),
        _core("PodTemplate", "podtemplates", has_generation=True),
    ]


def _grouped_types() -> list[ResourceType]:
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        _grouped("coordination.k8s.io/v1", "Lease", "leases", create_on_update=True, unconditional_update=False),
        _grouped(
            "scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", namespaced=False, has_generation=True
        ),
        _grouped("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", has_generation=True),
        _grouped(
            "policy/v1",
            "PodDisruptionBudget",
            "poddisruptionbudgets",
            "pdb",
            subresources=_STATUS,
            has_generation=True,
            name_errors=path_segment,
            unconditional_update=False,
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
        _grouped(rbac, "Role", "roles", name_errors=path_segment, create_on_update=True),
        _grouped(rbac, "RoleBinding", "rolebindings", name_errors=path_segment, create_on_update=True),
        _grouped(
            rbac, "ClusterRole", "clusterroles", namespaced=False, name_errors=path_segment, create_on_update=True
        ),
        _grouped(
            rbac,
            "ClusterRoleBinding",
            "clusterrolebindings",
            namespaced=False,
            name_errors=path_segment,
            create_on_update=True,
        ),
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


def _events() -> ResourceType:
    """The newer shape of events, over the same objects."""
    return ResourceType(
        events.EVENTS,
        short_names=("ev",),
        create_on_update=True,
        storage=events.CORE_EVENTS,
        conversion=events.CONVERSION,
        selectable_fields=events.NEW_FIELDS,
    )


_DEFAULTS: Mapping[str, Callable[[Object], None]] = {
    "namespaces": core_kinds.default_namespace,
    "nodes": core_kinds.default_node,
    "pods": default_pod,
    "podtemplates": default_pod_template,
    "secrets": core_kinds.default_secret,
    "endpoints": core_kinds.default_endpoints,
    "endpointslices.discovery.k8s.io": core_kinds.default_endpoint_slice,
    "services": services.default_service,
    "poddisruptionbudgets.policy": core_kinds.default_budget,
    "persistentvolumeclaims": core_kinds.default_claim,
    "horizontalpodautoscalers.autoscaling": core_kinds.default_autoscaler,
    "priorityclasses.scheduling.k8s.io": core_kinds.default_priority_class,
    "customresourcedefinitions.apiextensions.k8s.io": crd.default,
}
_ERRORS: Mapping[str, Callable[[Object, Object | None], list[FieldError]]] = {
    "configmaps": core_kinds.config_map_errors,
    "events": events.core_event_errors,
    "events.events.k8s.io": events.event_errors,
    "nodes": core_kinds.node_errors,
    "pods": pod_errors,
    "podtemplates": pod_template_errors,
    "secrets": core_kinds.secret_errors,
    "services": services.service_errors,
    "leases.coordination.k8s.io": core_kinds.lease_errors,
    "priorityclasses.scheduling.k8s.io": core_kinds.priority_class_errors,
    "customresourcedefinitions.apiextensions.k8s.io": crd_validation.validate,
}


def _completed(item: ResourceType) -> ResourceType:
    name = item.resource.group_resource
    schema = BuiltinSchema(item.resource)
    if name in _DEFAULTS:
        schema = replace(schema, defaults=_DEFAULTS[name])
    if name in _ERRORS:
        schema = replace(schema, errors=_ERRORS[name])
    return replace(item, schema=schema, printer=PRINTERS.get(name))


def builtin() -> list[ResourceType]:
    """All built-in types, the core group first."""
    return [_completed(item) for item in (*_core_types(), *_grouped_types(), _events())]
