"""Defaults, validation and addresses of services."""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network, ip_address
from typing import Any

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.names import dns_label, label_value, qualified_name
from kdl_local.apiserver.types import Object

SERVICE_CIDR = IPv4Network("10.96.0.0/16")
"""Where cluster IPs come from; the first address is that of the service ``kubernetes``."""

HEADLESS = "None"
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")


def default_service(service: Object) -> None:
    """In place; the cluster IP is assigned by ``assign_cluster_ip``."""
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        # What selects nothing may have addresses of both families, whatever the cluster has.
        both = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if both else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if both else "SingleStack")
        if spec.get("clusterIP"):
            spec["clusterIPs"] = [spec["clusterIP"]]
    service.setdefault("status", {}).setdefault("loadBalancer", {})


def assign_cluster_ip(service: Object, taken: Collection[str], cidr: IPv4Network = SERVICE_CIDR) -> None:
    """Gives a new service that wants a cluster IP the first free one, in place.

    ``taken`` holds the addresses of all other services. A service that is headless, external or has an address keeps
    it. ValueError when the range is exhausted.
    """
    spec = service["spec"]
    if spec.get("clusterIP") or spec.get("type") == "ExternalName":
        return
    for address in cidr.hosts():
        if (text := str(address)) not in taken and address != cidr.network_address + 1:
            spec["clusterIP"], spec["clusterIPs"] = text, [text]
            return
    raise ValueError(f"no cluster IP is free in {cidr}: delete services that are not used")


def service_errors(service: Object, old: Object | None) -> list[FieldError]:
    """A service whose defaults are filled in."""
    spec = service.get("spec") or {}
    errors = list(_port_errors(spec))
    kind, address = spec.get("type"), spec.get("clusterIP") or ""
    if kind not in _TYPES:
        errors.append(FieldError.not_supported("spec.type", kind, _TYPES))
    if kind == "ExternalName" and not spec.get("externalName"):
        errors.append(FieldError.required("spec.externalName"))
    if address == HEADLESS and kind in ("NodePort", "LoadBalancer"):
        detail = f"may not be set to 'None' for {kind} services"
        errors.append(FieldError.invalid("spec.clusterIPs[0]", address, detail))
    if address and address != HEADLESS and not _is_address(address):
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        errors.append(FieldError.invalid("spec.clusterIPs[0]", address, detail))
    for name, value in (spec.get("selector") or {}).items():
        errors += [FieldError.invalid("spec.selector", name, problem) for problem in qualified_name(name)]
        errors += [FieldError.invalid("spec.selector", value, problem) for problem in label_value(value)]
    before = ((old or {}).get("spec") or {}).get("clusterIP") or ""
    valid = address == HEADLESS or not address or _is_address(address)
    if before and address != before and valid and kind != "ExternalName":
        errors.append(FieldError.invalid("spec.clusterIPs[0]", [address], "may not change once set"))
    return errors


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
        if port.get("protocol") not in _PROTOCOLS:
            yield FieldError.not_supported(f"{where}.protocol", port.get("protocol"), _PROTOCOLS)
        key = (port.get("protocol"), number)
        if key in numbers:
            yield FieldError.duplicate(where, dict(port))
        numbers.add(key)
