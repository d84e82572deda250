"""Pod templates as dicts: look-ups and changes. Every change gives a new template that shares what did not change."""

from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any

from kdl_runtime.codec.quantity import parse_quantity

Template = Mapping[str, Any]
Container = Mapping[str, Any]


def containers(template: Template) -> list[Container]:
    return list((template.get("spec") or {}).get("containers") or ())


def find_container(template: Template, name: str) -> Container | None:
    return next((container for container in containers(template) if container.get("name") == name), None)


def port_number(template: Template, container: str, port_name: str) -> int | None:
    """Number of the named port of the named container; None where there is no such container or port."""
    found = find_container(template, container)
    ports = (found or {}).get("ports") or ()
    return next((int(port["containerPort"]) for port in ports if port.get("name") == port_name), None)


def map_containers(template: Template, change: Callable[[Container], Container]) -> dict[str, Any]:
    """The template with ``change`` applied to each of its containers; init containers are left alone."""
    spec = dict(template.get("spec") or {})
    spec["containers"] = [change(container) for container in containers(template)]
    return {**template, "spec": spec}


def with_port(template: Template, container: str, port_name: str, number: int) -> dict[str, Any]:
    """Add a port to the named container, unless it has a port of that name already."""

    def change(found: Container) -> Container:
        ports = list(found.get("ports") or ())
        if found.get("name") != container or any(port.get("name") == port_name for port in ports):
            return found
        return {**found, "ports": [*ports, {"name": port_name, "containerPort": number}]}

    return map_containers(template, change)


def whole(quantity: str | int) -> int:
    """A quantity in whole units (cores, bytes), rounded up. ValueError for what is none."""
    return ceil(parse_quantity(quantity))


def pod_request(template: Template, resource: str) -> int:
    """What a pod of the template requests of a resource: the sum of its containers, or its greediest init container."""

    def requests(name: str) -> list[str | int]:
        each = (template.get("spec") or {}).get(name) or ()
        return [((container.get("resources") or {}).get("requests") or {}).get(resource, 0) for container in each]

    total = sum(map(parse_quantity, requests("containers")))
    return ceil(max([total, *map(parse_quantity, requests("initContainers"))]))


def with_volume(template: Template, volume: Mapping[str, Any], container: str, path: str) -> dict[str, Any]:
    """Add a volume, in the place of one of the same name, and mount it in the named container at ``path``."""
    name = volume["name"]

    def change(found: Container) -> Container:
        mounts = list(found.get("volumeMounts") or ())
        if found.get("name") != container or any((m.get("name"), m.get("mountPath")) == (name, path) for m in mounts):
            return found
        return {**found, "volumeMounts": [*mounts, {"name": name, "mountPath": path}]}

    template = map_containers(template, change)
    others = [other for other in template["spec"].get("volumes") or () if other.get("name") != name]
    return {**template, "spec": {**template["spec"], "volumes": [*others, volume]}}


def config_map_volume(name: str, config_map: str, modes: Mapping[str, int]) -> dict[str, Any]:
    """A volume with files of a ConfigMap, those that have a mode."""
    items = [{"key": file, "path": file, "mode": mode} for file, mode in modes.items()]
    return {"name": name, "configMap": {"name": config_map, "items": items}}


KEPT_IF_SET = frozenset({"PYTHONUNBUFFERED"})
"""Variables that say nothing about the cluster: the user's own value stays."""


def merge_env(own: Iterable[Mapping[str, Any]], operator: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """``own`` followed by ``operator``, each name once. The operator's value wins, as it does in a list with both (the
    kubelet takes the last), but for the names in ``KEPT_IF_SET``."""
    own = list(own)
    kept = {str(item.get("name")) for item in own} & KEPT_IF_SET
    added = [item for item in operator if item["name"] not in kept]
    replaced = {item["name"] for item in added}
    return [*(item for item in own if item.get("name") not in replaced), *added]


def with_env(template: Template, env: Iterable[Mapping[str, Any]], container: str = "") -> dict[str, Any]:
    """Set variables by ``merge_env`` in the named container of the template; without a name in every one, but not in
    its init containers."""
    env = list(env)

    def change(found: Container) -> Container:
        if container and found.get("name") != container:
            return found
        return {**found, "env": merge_env(found.get("env") or (), env)}

    return map_containers(template, change) if env else dict(template)
