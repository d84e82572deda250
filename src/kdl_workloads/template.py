"""Pod templates as dicts: look-ups and changes. Every change gives a new template that shares what did not change."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

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


def with_env(template: Template, env: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Set variables in every container of the template (not in its init containers), by ``merge_env``."""
    env = list(env)

    def change(found: Container) -> Container:
        return {**found, "env": merge_env(found.get("env") or (), env)}

    return map_containers(template, change) if env else dict(template)
