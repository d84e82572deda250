"""Reading the groups of a role: replicas whose pod template differs from that of the others."""

from collections.abc import Mapping
from typing import Any

from kdl_workloads import template as templates
from kdl_workloads.api.overlay import overlaid
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.metadata import count, mapping
from kdl_workloads.framework import Conventions
from kdl_workloads.job import ReplicaGroup

GROUP_LABEL = "kdl.io/replica-group"
"""Label of a pod: the group of its replica."""


def read_groups(
    value: Mapping[str, Any], path: str, template: Mapping[str, Any], conventions: Conventions
) -> tuple[ReplicaGroup, ...]:
    """The groups in their order, each with the whole template of its pods, the label of the group included.

    ``template`` is the role's. Peers reach a replica at the port of its role's template, so a group must not move it.
    """
    given = value.get("groups")
    if given is None:
        return ()
    path = f"{path}.groups"
    if not isinstance(given, list):
        raise SpecError(path, f"is {given!r} and must be a list")
    groups: list[ReplicaGroup] = []
    for position, item in enumerate(given):
        group = _group(item, f"{path}[{position}]", template, conventions)
        if any(other.name == group.name for other in groups):
            raise SpecError(f"{path}[{position}].name", f"is {group.name!r}, which is another group's name")
        groups.append(group)
    return tuple(groups)


def _group(item: Any, path: str, template: Mapping[str, Any], conventions: Conventions) -> ReplicaGroup:
    if not isinstance(item, Mapping):
        raise SpecError(path, f"is {item!r} and must be an object")
    name, replicas = item.get("name"), count(item, "replicas", path, None)
    if not isinstance(name, str) or not name:
        raise SpecError(f"{path}.name", "is required")
    if replicas is None:
        raise SpecError(f"{path}.replicas", "is required")
    try:
        whole = overlaid(template, mapping(item, "template", path))
    except ValueError as error:
        raise SpecError(f"{path}.template", str(error)) from error
    before, after = (_rendezvous_port(each, conventions) for each in (template, whole))
    if before != after:
        raise SpecError(f"{path}.template", f"must leave the port {conventions.port_name} as it is: peers use {before}")
    metadata = whole.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), GROUP_LABEL: name}
    return ReplicaGroup(name, replicas, {**whole, "metadata": {**metadata, "labels": labels}})


def _rendezvous_port(template: Mapping[str, Any], conventions: Conventions) -> int | None:
    return templates.port_number(template, conventions.container, conventions.port_name)
