"""Whether a pod may be stored (``k8s.io/kubernetes/pkg/apis/core/validation``, the rules that matter here)."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from kdl_local.apiserver.container_resources import resource_errors
from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.names import dns_label, dns_subdomain, env_name, label_value, port_name, qualified_name
from kdl_local.apiserver.types import Object

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MAX_DEADLINE = 2**31 - 1
_MAX_PORT = 65535
_VOLUME_SOURCES = {
    "emptyDir": "",
    "hostPath": "path",
    "secret": "secretName",
    "persistentVolumeClaim": "claimName",
    "downwardAPI": "",
    "configMap": "name",
    "projected": "",
}
"""In the order in which they are looked at, with the field that each needs."""
_CONTAINER_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NOT_IN_INIT = "may not be set for init containers without restartPolicy=Always"
_PROBES = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")

_UPDATE_DETAIL = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_errors(pod: Object, old: Object | None) -> list[FieldError]:
    """A pod whose defaults are filled in."""
    spec = pod.get("spec") or {}
    if old is not None:
        if spec == old.get("spec"):
            return []
        return pod_spec_errors(spec, "spec") + _update_errors(spec, old.get("spec") or {})
    errors = pod_spec_errors(spec, "spec")
    if spec.get("schedulingGates") and spec.get("nodeName"):
        detail = "cannot be set until all schedulingGates have been cleared"
        errors.append(FieldError.forbidden("spec.nodeName", detail))
    return errors


def pod_template_errors(template: Object, old: Object | None) -> list[FieldError]:
    """The object of kind PodTemplate."""
    return pod_spec_errors((template.get("template") or {}).get("spec") or {}, "template.spec")


def pod_spec_errors(spec: Mapping[str, Any], path: str) -> list[FieldError]:
    volumes: set[str] = set()
    errors: list[FieldError] = []
    for index, volume in enumerate(spec.get("volumes") or ()):
        errors += _volume_errors(volume, f"{path}.volumes[{index}]", volumes)
    seen: set[str] = set()
    if not spec.get("containers"):
        errors.append(FieldError.required(f"{path}.containers"))
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            errors += _container_errors(container, f"{path}.{kind}[{index}]", seen, volumes)
    errors += _port_conflicts(spec.get("containers") or (), f"{path}.containers")
    errors += _one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    errors += _one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    for name in ("hostname", "subdomain"):
        if spec.get(name):
            errors += _invalid(f"{path}.{name}", spec[name], dns_label(spec[name]))
    for name in ("nodeName", "serviceAccountName", "priorityClassName"):
        if spec.get(name):
            errors += _invalid(f"{path}.{name}", spec[name], dns_subdomain(spec[name]))
    if spec.get("dnsPolicy") == "None" and not spec.get("dnsConfig"):
        detail = "must provide `dnsConfig` when `dnsPolicy` is None"
        errors.append(FieldError.required(f"{path}.dnsConfig", detail))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MAX_DEADLINE:
        detail = f"must be between 1 and {_MAX_DEADLINE}, inclusive"
        errors.append(FieldError.invalid(f"{path}.activeDeadlineSeconds", deadline, detail))
    for name, value in (spec.get("nodeSelector") or {}).items():
        errors += _invalid(f"{path}.nodeSelector", name, qualified_name(name))
        errors += _invalid(f"{path}.nodeSelector", value, label_value(value))
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name") or ""
        errors += _invalid(f"{path}.schedulingGates[{index}]", name, qualified_name(name))
        if name in [earlier.get("name") for earlier in spec["schedulingGates"][:index]]:
            errors.append(FieldError.duplicate(f"{path}.schedulingGates[{index}]", name))
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        errors += _toleration_errors(toleration, f"{path}.tolerations[{index}]")
    return errors


def _invalid(path: str, value: Any, problems: Iterable[str]) -> list[FieldError]:
    return [FieldError.invalid(path, value, problem) for problem in problems]


def _one_of(path: str, value: Any, supported: Iterable[str]) -> list[FieldError]:
    if not value:
        return [FieldError.required(path)]
    return [] if value in supported else [FieldError.not_supported(path, value, supported)]


def _name_errors(name: str, path: str, seen: set[str]) -> list[FieldError]:
    if not name:
        return [FieldError.required(path)]
    if errors := _invalid(path, name, dns_label(name)):
        return errors
    if name in seen:
        return [FieldError.duplicate(path, name)]
    seen.add(name)
    return []


def _volume_errors(volume: Mapping[str, Any], path: str, seen: set[str]) -> list[FieldError]:
    """Adds the volume's name to those that may be mounted, unless something is wrong with it."""
    named = set(seen)
    errors = _name_errors(volume.get("name") or "", f"{path}.name", named)
    sources = [source for source in _VOLUME_SOURCES if volume.get(source) is not None]
    for source in sources[:1]:
        if (field := _VOLUME_SOURCES[source]) and not volume[source].get(field):
            errors.append(FieldError.required(f"{path}.{source}.{field}"))
    errors += [
        FieldError.forbidden(f"{path}.{source}", "may not specify more than 1 volume type") for source in sources[1:]
    ]
    if not errors:
        seen |= named
    return errors


def _container_errors(
    container: Mapping[str, Any], path: str, seen: set[str], volumes: set[Any]
) -> Iterable[FieldError]:
    yield from _name_errors(container.get("name") or "", f"{path}.name", seen)
    image = container.get("image") or ""
    if not image:
        yield FieldError.required(f"{path}.image")
    elif image.strip() != image:
        yield FieldError.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from _one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from _one_of(f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _MESSAGE_POLICIES)
    yield from _container_port_errors(container.get("ports") or (), f"{path}.ports")
    for index, entry in enumerate(container.get("env") or ()):
        yield from _env_errors(entry, f"{path}.env[{index}]")
    yield from _mount_errors(container.get("volumeMounts") or (), f"{path}.volumeMounts", volumes)
    yield from resource_errors(container.get("resources") or {}, f"{path}.resources")
    policy = container.get("restartPolicy")
    if policy is not None and policy not in _RESTART_POLICIES:
        yield FieldError.not_supported(f"{path}.restartPolicy", policy, sorted(_RESTART_POLICIES))
    if ".initContainers[" in path and policy != "Always":
        for name in (*_CONTAINER_PROBES, "lifecycle"):
            if container.get(name) is not None:
                yield FieldError.forbidden(f"{path}.{name}", _NOT_IN_INIT)
        return
    for name in _CONTAINER_PROBES:
        if (probe := container.get(name)) is not None:
            yield from _probe_errors(probe, f"{path}.{name}", restarts=name != "readinessProbe")
    for name, hook in (container.get("lifecycle") or {}).items():
        if name in ("postStart", "preStop"):
            yield from _handler_errors(hook, f"{path}.lifecycle.{name}", _HOOKS)


def _probe_errors(probe: Mapping[str, Any], path: str, *, restarts: bool) -> Iterable[FieldError]:
    """``restarts``: a failure ends the container."""
    yield from _handler_errors(probe, path, _PROBES)
    for name in _PROBE_NUMBERS:
        if (value := probe.get(name) or 0) < 0:
            yield FieldError.invalid(f"{path}.{name}", value, "must be greater than or equal to 0")
    if restarts and probe.get("successThreshold") != 1:
        yield FieldError.invalid(f"{path}.successThreshold", probe.get("successThreshold"), "must be 1")


def _handler_errors(handler: Mapping[str, Any], path: str, kinds: Iterable[str]) -> Iterable[FieldError]:
    found = [kind for kind in kinds if handler.get(kind) is not None]
    if not found:
        yield FieldError.required(path, "must specify a handler type")
    for kind in found[1:]:
        yield FieldError.forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
    for kind in found[:1]:
        action, where = handler[kind], f"{path}.{kind}"
        if kind == "exec" and not action.get("command"):
            yield FieldError.required(f"{where}.command")
        if kind in ("httpGet", "tcpSocket", "grpc"):
            yield from _port_errors(action.get("port") or 0, f"{where}.port")
        if kind == "httpGet":
            yield from _one_of(f"{where}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))


def _port_errors(port: int | str, path: str) -> Iterable[FieldError]:
    if isinstance(port, str):
        yield from _invalid(path, port, port_name(port))
    elif not 1 <= port <= _MAX_PORT:
        yield FieldError.invalid(path, port, "must be between 1 and 65535, inclusive")


def _container_port_errors(ports: Iterable[Mapping[str, Any]], path: str) -> Iterable[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        if name := port.get("name"):
            yield from _invalid(f"{where}.name", name, port_name(name))
            if name in names:
                yield FieldError.duplicate(f"{where}.name", name)
            names.add(name)
        number = port.get("containerPort") or 0
        if number == 0:
            yield FieldError.required(f"{where}.containerPort")
        for field in ("containerPort", "hostPort"):
            value = port.get(field) or 0
            if value and not 1 <= value <= _MAX_PORT:
                yield FieldError.invalid(f"{where}.{field}", value, "must be between 1 and 65535, inclusive")
        yield from _one_of(f"{where}.protocol", port.get("protocol"), _PROTOCOLS)


def _port_conflicts(containers: Iterable[Mapping[str, Any]], path: str) -> Iterable[FieldError]:
    taken: set[tuple[Any, Any, Any]] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort"):
                key = (port.get("protocol"), port.get("hostIP"), port["hostPort"])
                if key in taken:
                    text = f"{port.get('protocol')}/{port['hostPort']}"
                    yield FieldError.duplicate(f"{path}[{index}].ports[{number}].hostPort", text)
                taken.add(key)


def _env_errors(entry: Mapping[str, Any], path: str) -> Iterable[FieldError]:
    name = entry.get("name") or ""
    if not name:
        yield FieldError.required(f"{path}.name")
    else:
        yield from _invalid(f"{path}.name", name, env_name(name))
    source = entry.get("valueFrom")
    if source is None:
        return
    if len(source) != 1:
        detail = "may not have more than one field specified at a time" if source else "must specify one of: "
        names = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield FieldError.invalid(f"{path}.valueFrom", "", detail if source else detail + names)
    elif entry.get("value"):
        yield FieldError.invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")


def _mount_errors(mounts: Iterable[Mapping[str, Any]], path: str, volumes: set[Any]) -> Iterable[FieldError]:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        where = f"{path}[{index}]"
        name, place = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield FieldError.required(f"{where}.name")
        if name not in volumes:
            yield FieldError.not_found(f"{where}.name", name)
        if not place:
            yield FieldError.required(f"{where}.mountPath")
        elif place in places:
            yield FieldError.invalid(f"{where}.mountPath", place, "must be unique")
        places.add(place)


def _toleration_errors(toleration: Mapping[str, Any], path: str) -> Iterable[FieldError]:
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if key:
        yield from _invalid(f"{path}.key", key, qualified_name(key))
    elif operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield FieldError.invalid(f"{path}.operator", toleration.get("operator") or "", detail)
    if operator not in ("Equal", "Exists"):
        yield FieldError.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    elif operator == "Exists" and toleration.get("value"):
        detail = "value must be empty when `operator` is 'Exists'"
        yield FieldError.invalid(f"{path}.operator", toleration["value"], detail)
    effect = toleration.get("effect")
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield FieldError.invalid(f"{path}.effect", effect or "", detail)
    if effect and effect not in _TAINT_EFFECTS:
        yield FieldError.not_supported(f"{path}.effect", effect, _TAINT_EFFECTS)


def _update_errors(spec: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    errors: list[FieldError] = []
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind) or ()) != len(old.get(kind) or ()):
            return [FieldError.forbidden(f"spec.{kind}", "pod updates may not add or remove containers")]
    deadline, previous = spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    if deadline is not None and not 0 <= deadline <= _MAX_DEADLINE:
        detail = f"must be between 0 and {_MAX_DEADLINE}, inclusive"
        return [*errors, FieldError.invalid("spec.activeDeadlineSeconds", deadline, detail)]
    if previous is not None and deadline is None:
        detail = "must not update from a positive integer to nil value"
        errors.append(FieldError.invalid("spec.activeDeadlineSeconds", deadline, detail))
    elif previous is not None and deadline > previous:
        detail = "must be less than or equal to previous value"
        return [*errors, FieldError.invalid("spec.activeDeadlineSeconds", deadline, detail)]
    tolerated = [_lasting(toleration) for toleration in spec.get("tolerations") or ()]
    if any(_lasting(toleration) not in tolerated for toleration in old.get("tolerations") or ()):
        errors.append(
            FieldError.forbidden(
                "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
            )
        )
    known = {gate.get("name") for gate in old.get("schedulingGates") or ()}
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        if gate.get("name") not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            errors.append(FieldError.forbidden(f"spec.schedulingGates[{index}].name", detail))
    if known and any(
        (spec.get("nodeSelector") or {}).get(name) != value for name, value in (old.get("nodeSelector") or {}).items()
    ):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(FieldError.invalid("spec.nodeSelector", spec.get("nodeSelector"), detail))
    if _fixed_part(spec, old) != _fixed_part(old, old):
        errors.append(FieldError.forbidden("spec", _UPDATE_DETAIL))
    return errors


def _lasting(toleration: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}


def _fixed_part(spec: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a spec that never change. Others have rules of their own; while there are gates the choice of nodes
    may be narrowed."""
    fixed = copy.deepcopy(dict(spec))
    for kind in ("containers", "initContainers"):
        for container in fixed.get(kind) or ():
            container.pop("image", None)
    gated = ("nodeSelector",) if old.get("schedulingGates") else ()
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates", *gated):
        fixed.pop(name, None)
    return fixed
