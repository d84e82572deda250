"""The environment and the command of a container. Pure but for the look-ups that it is given.

https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING
from typing import Any

from kdl_runtime.codec.quantity import parse_quantity

Object = Mapping[str, Any]

_REFERENCE = re.compile(r"\$\$|\$\(([^()]+)\)")
_LABEL = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


class ConfigError(Exception):
    """The container cannot be created as it is described; the message names what is missing."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values come from. ``config_map`` and ``secret`` give the object of that name in the pod's namespace, None
    if there is none. ``host_ip`` and ``pod_ip`` are what ``status.hostIP`` and ``status.podIP`` resolve to;
    ``node`` is the Node object, for resources that have no limit."""

    pod: Object
    config_map: Callable[[str], Object | None]
    secret: Callable[[str], Object | None]
    host_ip: str
    pod_ip: str
    node_capacity: Mapping[str, str]


def environment(container: Object, sources: Sources, base: Mapping[str, str]) -> dict[str, str]:
    """All variables of a container: those of ``base``, then ``envFrom``, then ``env``, later ones winning.

    Raises ConfigError in the kubelet's words for a reference to something that does not exist and is not optional.
    """
    result = dict(base)
    for item in container.get("envFrom") or ():
        result.update(_from_object(item, sources))
    for item in container.get("env") or ():
        value = _value(item, container, sources, result)
        if value is not None:
            result[item["name"]] = value
    return result


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces ``$(NAME)`` where the name is known; ``$$`` is a dollar sign, and what is unknown stays as it is."""

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text)


def command(container: Object, variables: Mapping[str, str]) -> list[str]:
    """The command line. ConfigError without ``command``: there is no image whose entry point it could be."""
    if not container.get("command"):
        raise ConfigError(
            f'container "{container["name"]}" has no command: images are not pulled on this node, so there is no '
            "entry point to run; set command in the pod template"
        )
    words = [*container["command"], *(container.get("args") or ())]
    return [expand(word, variables) for word in words]


def _from_object(item: Object, sources: Sources) -> dict[str, str]:
    prefix = item.get("prefix") or ""
    for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
        reference = item.get(field)
        if reference is not None:
            data = object_data(kind, reference["name"], sources, optional=bool(reference.get("optional")))
            return {prefix + key: value.decode(errors="replace") for key, value in (data or {}).items()}
    return {}


def _value(item: Object, container: Object, sources: Sources, known: Mapping[str, str]) -> str | None:
    """None leaves the variable out: an optional reference that leads nowhere."""
    source = item.get("valueFrom")
    if source is None:
        return expand(str(item.get("value") or ""), known)
    if "fieldRef" in source:
        return pod_field(source["fieldRef"]["fieldPath"], sources)
    if "resourceFieldRef" in source:
        return resource_field(source["resourceFieldRef"], container, sources)
    for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if field in source:
            return _key_value(kind, source[field], sources)
    raise ConfigError(f"env {item['name']}: valueFrom {', '.join(source)} is not supported")


def _key_value(kind: str, reference: Object, sources: Sources) -> str | None:
    optional = bool(reference.get("optional"))
    data = object_data(kind, reference["name"], sources, optional=optional)
    value = (data or {}).get(reference["key"])
    if value is not None:
        return value.decode(errors="replace")
    if optional:
        return None
    named = "ConfigMap" if kind == "configmap" else "Secret"
    namespace = sources.pod["metadata"]["namespace"]
    raise ConfigError(f"couldn't find key {reference['key']} in {named} {namespace}/{reference['name']}")


def object_data(kind: str, name: str, sources: Sources, *, optional: bool) -> dict[str, bytes] | None:
    """The contents of a ConfigMap or Secret; None for one that is optional and absent."""
    found = sources.config_map(name) if kind == "configmap" else sources.secret(name)
    if found is None:
        if optional:
            return None
        raise ConfigError(f'{kind} "{name}" not found')
    if kind == "secret":
        return {key: b64decode(value) for key, value in (found.get("data") or {}).items()}
    data = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return data | {key: b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def pod_field(path: str, sources: Sources) -> str:
    """A field of the pod by the paths that the downward API allows. ConfigError for any other."""
    pod = sources.pod
    metadata, spec = pod["metadata"], pod["spec"]
    if match := _LABEL.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    match path:
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(metadata[path.removeprefix("metadata.")])
        case "metadata.labels" | "metadata.annotations":
            items = metadata.get(path.removeprefix("metadata.")) or {}
            return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(items.items()))
        case "spec.nodeName":
            return str(spec.get("nodeName") or "")
        case "spec.serviceAccountName":
            return str(spec.get("serviceAccountName") or "")
        case "status.podIP" | "status.podIPs":
            return sources.pod_ip
        case "status.hostIP" | "status.hostIPs":
            return sources.host_ip
    raise ConfigError(f"fieldRef {path} is not a field that the downward API offers")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_field(reference: Object, container: Object, sources: Sources) -> str:
    """A request or limit of a container, in units of ``divisor``, rounded up. Without a limit it is the node's."""
    kind, _, name = reference["resource"].partition(".")
    owner = _container_named(reference.get("containerName"), container, sources.pod)
    resources = owner.get("resources") or {}
    quantity = (resources.get(kind) or {}).get(name)
    if quantity is None:
        quantity = sources.node_capacity.get(name, "0") if kind == "limits" else "0"
    divisor = parse_quantity(reference.get("divisor") or "0") or parse_quantity("1")
    return str((parse_quantity(str(quantity)) / divisor).to_integral_value(rounding=ROUND_CEILING))


def _container_named(name: str | None, container: Object, pod: Object) -> Object:
    if not name:
        return container
    everything: list[Object] = [*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())]
    for item in everything:
        if item["name"] == name:
            return item
    raise ConfigError(f"container {name} not found in the pod")
