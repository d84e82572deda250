"""The rows that kubectl prints for built-in kinds (``k8s.io/kubernetes/pkg/printers/internalversion``)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from kdl_local.apiserver.duration import age
from kdl_local.apiserver.pod_columns import PODS
from kdl_local.apiserver.types import Column, Printer

Object = Mapping[str, Any]

_NONE = "<none>"
_UNSET = "<unset>"
_MAX_ADDRESSES = 3


def _name(obj: Object) -> str:
    return str(obj["metadata"].get("name", ""))


def _age(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _printer(columns: str, cells: Callable[[Object, datetime], list[Any]], wide: str = "") -> Printer:
    """``columns`` and ``wide`` are titles separated by commas, after Name; ``wide`` ones are shown by ``-o wide``."""
    titles = [(title.strip(), 0) for title in columns.split(",")] + [(title.strip(), 1) for title in wide.split(",")]
    definitions = [_column(title, priority) for title, priority in titles if title]
    name = Column("Name", format="name", description="Name must be unique within a namespace.")
    return Printer((name, *definitions), lambda obj, now: [_name(obj), *cells(obj, now)])


def _column(title: str, priority: int) -> Column:
    """``title`` may end in a colon and the type of the column."""
    name, _, type_ = title.partition(":")
    return Column(name, type_ or "string", priority=priority)


def _section(obj: Object, name: str) -> Mapping[str, Any]:
    return obj.get(name) or {}


def _selector(labels: Mapping[str, Any] | None) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items())) or _NONE


def _service(obj: Object, now: datetime) -> list[Any]:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    external = [*(spec.get("externalIPs") or ())]
    external += [entry.get("ip") or entry.get("hostname") or "" for entry in ingress]
    kind = spec.get("type") or "ClusterIP"
    if kind == "ExternalName":
        shown = spec.get("externalName") or ""
    elif kind == "LoadBalancer" and not external:
        shown = "<pending>"
    else:
        shown = ",".join(external) or _NONE
    return [
        kind,
        spec.get("clusterIP") or _NONE,
        shown,
        ",".join(_service_port(port) for port in spec.get("ports") or ()) or _NONE,
        _age(obj, now),
        _selector(spec.get("selector")),
    ]


def _service_port(port: Mapping[str, Any]) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"


def _node(obj: Object, now: datetime) -> list[Any]:
    spec, status, labels = _section(obj, "spec"), _section(obj, "status"), obj["metadata"].get("labels") or {}
    conditions = {condition.get("type"): condition.get("status") for condition in status.get("conditions") or ()}
    state = {"True": "Ready", None: "Unknown"}.get(conditions.get("Ready"), "NotReady")
    if spec.get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = [name.removeprefix(prefix) for name in labels if name.startswith(prefix) and name != prefix]
    if labels.get("kubernetes.io/role"):
        roles.append(labels["kubernetes.io/role"])
    addresses = {entry.get("type"): entry.get("address") for entry in status.get("addresses") or ()}
    info = status.get("nodeInfo") or {}
    return [
        state,
        ",".join(sorted(set(roles))) or _NONE,
        _age(obj, now),
        info.get("kubeletVersion") or "",
        addresses.get("InternalIP") or _NONE,
        addresses.get("ExternalIP") or _NONE,
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _core_event(obj: Object, now: datetime) -> list[Any]:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last, count = obj.get("lastTimestamp") or first, obj.get("count") or 1
    if series := obj.get("series"):
        last, count = series.get("lastObservedTime"), series.get("count")
    involved = obj.get("involvedObject") or {}
    target = str(involved.get("kind") or "").lower()
    if involved.get("name"):
        target += f"/{involved['name']}"
    return [
        age(last, now),
        obj.get("type") or "",
        obj.get("reason") or "",
        target,
        involved.get("fieldPath") or "",
        f"{component}, {host}" if host else component,
        str(obj.get("message") or "").strip(),
        age(first, now),
        count,
        _name(obj),
    ]


_EVENT_COLUMNS = (
    Column("Last Seen", description="Time since the event was last seen."),
    Column("Type"),
    Column("Reason"),
    Column("Object"),
    Column("Subobject", priority=1),
    Column("Source", priority=1),
    Column("Message"),
    Column("First Seen", priority=1),
    Column("Count", priority=1),
    Column("Name", priority=1, format="name"),
)


def _new_event(obj: Object, now: datetime) -> list[Any]:
    core = {
        **obj,
        "involvedObject": obj.get("regarding"),
        "message": obj.get("note"),
        "source": obj.get("deprecatedSource"),
        "reportingComponent": obj.get("reportingController"),
        "firstTimestamp": obj.get("deprecatedFirstTimestamp"),
        "lastTimestamp": obj.get("deprecatedLastTimestamp"),
        "count": obj.get("deprecatedCount"),
    }
    return _core_event(core, now)


def _limited(items: Iterable[str]) -> str:
    found = list(items)
    more = f" + {len(found) - _MAX_ADDRESSES} more..." if len(found) > _MAX_ADDRESSES else ""
    return (",".join(found[:_MAX_ADDRESSES]) + more) or _NONE


def _endpoints(obj: Object, now: datetime) -> list[Any]:
    found = []
    for subset in obj.get("subsets") or ():
        suffixes = [f":{port.get('port')}" for port in subset.get("ports") or ()] or [""]
        addresses = [address.get("ip") for address in subset.get("addresses") or ()]
        found += [f"{address}{suffix}" for suffix in suffixes for address in addresses]
    return [_limited(found), _age(obj, now)]


def _endpoint_slice(obj: Object, now: datetime) -> list[Any]:
    ports = [str(port.get("port") or "*") for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    shown = [_limited(ports) if ports else _UNSET, _limited(addresses) if addresses else _UNSET]
    return [obj.get("addressType") or "", *shown, _age(obj, now)]


def _volume_claim(obj: Object, now: datetime) -> list[Any]:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase") or ""
    modes = _access_modes(status.get("accessModes"))
    storage = (status.get("capacity") or {}).get("storage") or ""
    class_name, attributes = spec.get("storageClassName") or "", spec.get("volumeAttributesClassName") or _UNSET
    mode = spec.get("volumeMode") or _UNSET
    return [phase, spec.get("volumeName") or "", storage, modes, class_name, attributes, _age(obj, now), mode]


def _volume(obj: Object, now: datetime) -> list[Any]:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    claim = spec.get("claimRef") or {}
    return [
        (spec.get("capacity") or {}).get("storage") or "",
        _access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy") or "",
        "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase") or "",
        f"{claim.get('namespace')}/{claim.get('name')}" if claim else "",
        spec.get("storageClassName") or "",
        _age(obj, now),
    ]


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _access_modes(modes: Iterable[str] | None) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in modes or ())


def _autoscaler(obj: Object, now: datetime) -> list[Any]:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    target = spec.get("scaleTargetRef") or {}
    minimum = spec.get("minReplicas")
    names = [str(metric.get("type", "")).lower() for metric in spec.get("metrics") or ()]
    return [
        f"{target.get('kind', '')}/{target.get('name', '')}",
        ", ".join(f"{name}: <unknown>" for name in names) or _NONE,
        _UNSET if minimum is None else str(minimum),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        _age(obj, now),
    ]


def _ingress(obj: Object, now: datetime) -> list[Any]:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    addresses = (status.get("loadBalancer") or {}).get("ingress") or ()
    shown = ",".join(entry.get("ip") or entry.get("hostname") or "" for entry in addresses)
    ports = "80, 443" if spec.get("tls") else "80"
    return [spec.get("ingressClassName") or _NONE, ",".join(hosts) or "*", shown, ports, _age(obj, now)]


def _budget(obj: Object, now: datetime) -> list[Any]:
    spec, status = _section(obj, "spec"), _section(obj, "status")
    lowest, highest = spec.get("minAvailable"), spec.get("maxUnavailable")
    shown = ["N/A" if value is None else str(value) for value in (lowest, highest)]
    return [*shown, status.get("disruptionsAllowed") or 0, _age(obj, now)]


def _binding(obj: Object, now: datetime) -> list[Any]:
    role, subjects = obj.get("roleRef") or {}, obj.get("subjects") or ()
    of_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in subjects:
        name = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            name = f"{subject.get('namespace', '')}/{name}"
        of_kind.setdefault(subject.get("kind", ""), []).append(name)
    names = [", ".join(of_kind[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [f"{role.get('kind', '')}/{role.get('name', '')}", _age(obj, now), *names]


def _pod_template(obj: Object, now: datetime) -> list[Any]:
    template = obj.get("template") or {}
    containers = (template.get("spec") or {}).get("containers") or ()
    names = ",".join(container.get("name", "") for container in containers)
    images = ",".join(container.get("image", "") for container in containers)
    return [names, images, _selector((template.get("metadata") or {}).get("labels"))]


def _created(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"].get("creationTimestamp")]


_BINDING = _printer("Role, Age", _binding, "Users, Groups, ServiceAccounts")
_CREATED = _printer("Created At:date", _created)

PRINTERS: Mapping[str, Printer] = {
    "pods": PODS,
    "events": Printer(_EVENT_COLUMNS, _core_event),
    "events.events.k8s.io": Printer(_EVENT_COLUMNS, _new_event),
    "services": _printer("Type, Cluster-IP, External-IP, Port(s), Age", _service, "Selector"),
    "nodes": _printer(
        "Status, Roles, Age, Version", _node, "Internal-IP, External-IP, OS-Image, Kernel-Version, Container-Runtime"
    ),
    "namespaces": _printer("Status, Age", lambda obj, now: [_section(obj, "status").get("phase"), _age(obj, now)]),
    "configmaps": _printer(
        "Data, Age", lambda obj, now: [len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), _age(obj, now)]
    ),
    "secrets": _printer(
        "Type, Data, Age", lambda obj, now: [obj.get("type"), len(obj.get("data") or ()), _age(obj, now)]
    ),
    "serviceaccounts": _printer("Age", lambda obj, now: [_age(obj, now)]),
    "endpoints": _printer("Endpoints, Age", _endpoints),
    "persistentvolumeclaims": _printer(
        "Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age", _volume_claim, "VolumeMode"
    ),
    "persistentvolumes": _printer("Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, Age", _volume),
    "podtemplates": _printer("Containers, Images, Pod Labels", _pod_template),
    "leases.coordination.k8s.io": _printer(
        "Holder, Age", lambda obj, now: [_section(obj, "spec").get("holderIdentity") or "", _age(obj, now)]
    ),
    "priorityclasses.scheduling.k8s.io": _printer(
        "Value:integer, Global-Default:boolean, Age, PreemptionPolicy",
        lambda obj, now: [
            obj.get("value") or 0,
            bool(obj.get("globalDefault")),
            _age(obj, now),
            obj.get("preemptionPolicy") or "",
        ],
    ),
    "endpointslices.discovery.k8s.io": _printer("AddressType, Ports, Endpoints, Age", _endpoint_slice),
    "poddisruptionbudgets.policy": _printer(
        "Min Available, Max Unavailable, Allowed Disruptions:integer, Age", _budget
    ),
    "ingresses.networking.k8s.io": _printer("Class, Hosts, Address, Ports, Age", _ingress),
    "horizontalpodautoscalers.autoscaling": _printer(
        "Reference, Targets, MinPods, MaxPods, Replicas, Age", _autoscaler
    ),
    "roles.rbac.authorization.k8s.io": _CREATED,
    "clusterroles.rbac.authorization.k8s.io": _CREATED,
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "customresourcedefinitions.apiextensions.k8s.io": _CREATED,
}
"""By group resource, such as ``pods`` and ``leases.coordination.k8s.io``."""
