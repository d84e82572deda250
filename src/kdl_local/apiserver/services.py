"""Defaults, validation and addresses of services."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Any

from kdl_local.apiserver.defaults import default_string
from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.names import dns_label, label_value, port_name, qualified_name
from kdl_local.apiserver.types import Object
from kdl_runtime.types import GroupVersionKind

SERVICE_CIDR = IPv4Network("10.96.0.0/16")
"""Where cluster IPs come from; the first address is that of the service ``kubernetes``."""

HEADLESS = "None"
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_AFFINITIES = ("ClientIP", "None")
_SINGLE, _DUAL = "SingleStack", "RequireDualStack"
_POLICIES = ("PreferDualStack", _DUAL, _SINGLE)
_SERVICE = GroupVersionKind("", "v1", "Service")
_VERSIONS = {"IPv4": 4, "IPv6": 6}
_FAMILIES = ("IPv4",)
"""Those of the cluster."""


def default_service(service: Object) -> None:
    """In place; the cluster IP is assigned by ``assign_cluster_ip``."""
    spec = service.setdefault("spec", {})
    default_string(spec, "type", "ClusterIP")
    default_string(spec, "sessionAffinity", "None")
    for port in spec.get("ports") or ():
        default_string(port, "protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        # What selects nothing may have addresses of both families, whatever the cluster has.
        free = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
        policy = spec.setdefault("ipFamilyPolicy", _DUAL if free else _SINGLE)
        spec.setdefault("ipFamilies", [*_FAMILIES, "IPv6"] if free and policy != _SINGLE else [*_FAMILIES])
        if spec.get("clusterIP"):
            spec["clusterIPs"] = [spec["clusterIP"]]
    service.setdefault("status", {}).setdefault("loadBalancer", {})


def assign_cluster_ip(service: Object, taken: Collection[str], cidr: IPv4Network = SERVICE_CIDR) -> None:
    """Gives a new service that wants a cluster IP the first free one, in place.

    ``taken`` holds the addresses of all other services. A service that is headless, external or has an address keeps
    it, and one of a family that the cluster has not gets none. ValueError when the range is exhausted.
    """
    spec = service["spec"]
    family = (spec.get("ipFamilies") or _FAMILIES)[0]
    if spec.get("clusterIP") or spec.get("type") == "ExternalName" or family not in _FAMILIES:
        return
    for address in cidr.hosts():
        if (text := str(address)) not in taken and address != cidr.network_address + 1:
            spec["clusterIP"], spec["clusterIPs"] = text, [text]
            return
    raise ValueError(f"no cluster IP is free in {cidr}: delete services that are not used")


def service_errors(service: Object, old: Object | None) -> list[FieldError]:
    """What is wrong with a service whose defaults are filled in.

    Raises Invalid for wrong addresses, which are told alone, even without what is wrong with the metadata: a service
    gets its addresses before the rest is looked at.
    """
    spec = service.get("spec") or {}
    if errors := [*_address_errors(spec)] or [*_family_errors(spec)]:
        raise invalid_object(_SERVICE, service["metadata"].get("name", ""), errors)
    errors = list(_port_errors(spec))
    kind, address = spec.get("type"), spec.get("clusterIP") or ""
    if kind not in _TYPES:
        errors.append(FieldError.not_supported("spec.type", kind, _TYPES))
    if spec.get("sessionAffinity") not in _AFFINITIES:
        errors.append(FieldError.not_supported("spec.sessionAffinity", spec.get("sessionAffinity"), _AFFINITIES))
    if kind == "ExternalName" and not spec.get("externalName"):
        errors.append(FieldError.required("spec.externalName"))
    for name, value in (spec.get("selector") or {}).items():
        errors += [FieldError.invalid("spec.selector", name, problem) for problem in qualified_name(name)]
        errors += [FieldError.invalid("spec.selector", value, problem) for problem in label_value(value)]
    before = ((old or {}).get("spec") or {}).get("clusterIP") or ""
    if before and address != before and kind != "ExternalName":
        errors.append(FieldError.invalid("spec.clusterIPs[0]", [address], "may not change once set"))
    return errors


def _address_errors(spec: Mapping[str, Any]) -> Iterable[FieldError]:
    kind, address = spec.get("type"), spec.get("clusterIP") or ""
    if address == HEADLESS and kind in ("NodePort", "LoadBalancer"):
        detail = f"may not be set to 'None' for {kind} services"
        yield FieldError.invalid("spec.clusterIPs[0]", address, detail)
    if address and address != HEADLESS and not _is_address(address):
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        yield FieldError.invalid("spec.clusterIPs[0]", address, detail)
    families: Sequence[str] = spec.get("ipFamilies") or ()
    for index, family in enumerate(families):
        if family not in _VERSIONS:
            yield FieldError.not_supported(f"spec.ipFamilies[{index}]", family, tuple(_VERSIONS))
    version = _VERSIONS.get(families[0]) if families else None
    if version and _is_address(address) and ip_address(address).version != version:
        detail = f"expected an {families[0]} value as indicated by `ipFamilies[0]`"
        yield FieldError.invalid("spec.clusterIPs[0]", address, detail)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        yield FieldError.not_supported("spec.ipFamilyPolicy", policy, _POLICIES)
    elif policy == _SINGLE and len(families) > 1:
        detail = f"must be '{_DUAL}' or 'PreferDualStack' when multiple IP families are specified"
        yield FieldError.invalid("spec.ipFamilyPolicy", policy, detail)


def _family_errors(spec: Mapping[str, Any]) -> Iterable[FieldError]:
    """Families that the cluster has not are for headless services that select nothing."""
    if spec.get("type") == "ExternalName" or (spec.get("clusterIP") == HEADLESS and not spec.get("selector")):
        return
    if spec.get("ipFamilyPolicy") == _DUAL:
        detail = "this cluster is not configured for dual-stack services"
        yield FieldError.invalid("spec.ipFamilyPolicy", _DUAL, detail)
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in _FAMILIES:
            yield FieldError.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _port_errors(spec: Mapping[str, Any]) -> Iterable[FieldError]:
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != HEADLESS and spec.get("type") != "ExternalName":
        yield FieldError.required("spec.ports")
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        where = f"spec.ports[{index}]"
        name, number = port.get("name") or "", port.get("port") or 0
        if not name and len(ports) > 1:
            yield FieldError.required(f"{where}.name")
        elif name:
            for problem in dns_label(name):
                yield FieldError.invalid(f"{where}.name", name, problem)
            if name in names:
                yield FieldError.duplicate(f"{where}.name", name)
            names.add(name)
        if not 1 <= number <= 65535:
            yield FieldError.invalid(f"{where}.port", number, "must be between 1 and 65535, inclusive")
        target = port.get("targetPort")
        if isinstance(target, int) and not 1 <= target <= 65535:
            yield FieldError.invalid(f"{where}.targetPort", target, "must be between 1 and 65535, inclusive")
        elif isinstance(target, str):
            for problem in port_name(target):
                yield FieldError.invalid(f"{where}.targetPort", target, problem)
        if port.get("protocol") not in _PROTOCOLS:
            yield FieldError.not_supported(f"{where}.protocol", port.get("protocol"), _PROTOCOLS)
        key = (port.get("protocol"), number)
        if key in numbers:
            yield FieldError.duplicate(where, dict(port))
        numbers.add(key)
