"""Defaults and validation of the small built-in kinds: namespaces, configuration, secrets, classes, leases, nodes."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from kdl_local.apiserver.defaults import default_string
from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.names import config_key, qualified_name
from kdl_local.apiserver.types import Object

_MAX_DATA_BYTES = 1024 * 1024
_HIGHEST_USER_PRIORITY = 1_000_000_000
_PREEMPTION = ("PreemptLowerPriority", "Never")
_TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
_REQUIRED_KEYS = {
    _DOCKER_CONFIG: (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def default_namespace(namespace: Object) -> None:
    metadata = namespace.setdefault("metadata", {})
    if metadata.get("name"):
        metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    namespace.setdefault("status", {}).setdefault("phase", "Active")


def default_secret(secret: Object) -> None:
    """``stringData`` is written into ``data``; it is never stored."""
    default_string(secret, "type", "Opaque")
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def secret_errors(secret: Object, old: Object | None) -> list[FieldError]:
    errors = list(_key_errors(secret.get("data") or {}, "data"))
    size = 0
    for name, value in (secret.get("data") or {}).items():
        try:
            size += len(base64.b64decode(value or "", validate=True))
        except binascii.Error:
            errors.append(FieldError.invalid(f"data[{name}]", "<secret contents redacted>", "must be base64"))
    if size > _MAX_DATA_BYTES:
        errors.append(FieldError.too_long("data", _MAX_DATA_BYTES))
    for name in _REQUIRED_KEYS.get(secret.get("type") or "", ()):
        if name not in (secret.get("data") or {}):
            errors.append(FieldError.required(f"data[{name}]"))
    if old is not None and secret.get("type") != old.get("type"):
        errors.append(FieldError.invalid("type", secret.get("type"), "field is immutable"))
    return errors + _immutable_errors(secret, old, ("data",))


def config_map_errors(config: Object, old: Object | None) -> list[FieldError]:
    data, binary = config.get("data") or {}, config.get("binaryData") or {}
    errors = [*_key_errors(data, "data"), *_key_errors(binary, "binaryData")]
    for name in sorted(set(data) & set(binary)):
        errors.append(FieldError.invalid("data[" + name + "]", name, "duplicate of key present in binaryData"))
    size = sum(len(value.encode()) for value in data.values()) + sum(len(value) * 3 // 4 for value in binary.values())
    if size > _MAX_DATA_BYTES:
        errors.append(FieldError.too_long("", _MAX_DATA_BYTES))
    return errors + _immutable_errors(config, old, ("data", "binaryData"))


def _key_errors(data: Mapping[str, Any], path: str) -> Iterable[FieldError]:
    for name in data:
        for problem in config_key(name):
            yield FieldError.invalid(f"{path}[{name}]", name, problem)


def _immutable_errors(obj: Object, old: Object | None, fields: tuple[str, ...]) -> list[FieldError]:
    if not (old or {}).get("immutable"):
        return []
    assert old is not None
    errors: list[FieldError] = []
    if not obj.get("immutable"):
        errors.append(FieldError.forbidden("immutable", "field is immutable when `immutable` is set"))
    for name in fields:
        if (obj.get(name) or {}) != (old.get(name) or {}):
            errors.append(FieldError.forbidden(name, "field is immutable when `immutable` is set"))
    return errors


def default_endpoints(endpoints: Object) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            default_string(port, "protocol", "TCP")


def default_endpoint_slice(endpoints: Object) -> None:
    for port in endpoints.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def default_budget(budget: Object) -> None:
    status = budget.setdefault("status", {})
    for name in ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"):
        status.setdefault(name, 0)


def default_claim(claim: Object) -> None:
    claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    claim.setdefault("status", {}).setdefault("phase", "Pending")


def default_autoscaler(autoscaler: Object) -> None:
    spec = autoscaler.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def default_priority_class(item: Object) -> None:
    item.setdefault("preemptionPolicy", "PreemptLowerPriority")
    item.setdefault("value", 0)


def priority_class_errors(item: Object, old: Object | None) -> list[FieldError]:
    errors: list[FieldError] = []
    name, value, policy = item["metadata"].get("name", ""), item.get("value", 0), item.get("preemptionPolicy")
    if old is not None:
        if value != old.get("value", 0):
            errors.append(FieldError.forbidden("value", "may not be changed in an update."))
        if policy != old.get("preemptionPolicy"):
            errors.append(FieldError.invalid("preemptionPolicy", policy, "field is immutable"))
        return errors
    system = name in ("system-cluster-critical", "system-node-critical")
    if name.startswith("system-") and not system:
        detail = "priority class names with 'system-' prefix are reserved for system use only"
        errors.append(
            FieldError.forbidden("metadata.name", f"{detail}. error: {name} is not a known system priority class")
        )
    if value > _HIGHEST_USER_PRIORITY and not system:
        detail = f"maximum allowed value of a user defined priority is {_HIGHEST_USER_PRIORITY}"
        errors.append(FieldError.forbidden("value", detail))
    if policy == "":
        errors.append(FieldError.required("preemptionPolicy"))
    elif policy and policy not in _PREEMPTION:
        errors.append(FieldError.not_supported("preemptionPolicy", policy, _PREEMPTION))
    return errors


def lease_errors(lease: Object, old: Object | None) -> list[FieldError]:
    spec = lease.get("spec") or {}
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    errors: list[FieldError] = []
    if duration is not None and duration <= 0:
        errors.append(FieldError.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        errors.append(FieldError.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return errors


def default_node(node: Object) -> None:
    """Allocatable resources are those of the capacity until the node says otherwise."""
    status = node.setdefault("status", {})
    node.setdefault("spec", {})
    if status.get("capacity"):
        status.setdefault("allocatable", dict(status["capacity"]))


def node_errors(node: Object, old: Object | None) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[tuple[Any, Any]] = set()
    for index, taint in enumerate((node.get("spec") or {}).get("taints") or ()):
        path = f"metadata.taints[{index}]"  # So the real server says.
        for problem in qualified_name(taint.get("key") or ""):
            errors.append(FieldError.invalid(f"{path}.key", taint.get("key") or "", problem))
        if not taint.get("effect"):
            errors.append(FieldError.required(f"{path}.effect"))
        elif taint["effect"] not in _TAINT_EFFECTS:
            errors.append(FieldError.not_supported(f"{path}.effect", taint["effect"], _TAINT_EFFECTS))
        key = (taint.get("key"), taint.get("effect"))
        if key in seen:
            errors.append(FieldError.duplicate(path, dict(taint)))
        seen.add(key)
    return errors
