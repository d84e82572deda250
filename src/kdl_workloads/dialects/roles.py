"""Reading the map of replica specs: canonical role names, defaults, and what makes a job impossible to carry out."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kdl_workloads import template as templates
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.claims import read_claims, read_retention
from kdl_workloads.dialects.groups import read_groups
from kdl_workloads.dialects.metadata import count, mapping
from kdl_workloads.dialects.order import check_order, read_depends_on
from kdl_workloads.framework import Conventions, Framework, RoleSpec
from kdl_workloads.job import Job, ReplicaGroup, ReplicaSpec, RestartPolicy

MAX_LABEL = 63
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def decode_roles(spec: Mapping[str, Any], framework: Framework, api_version: str) -> dict[str, ReplicaSpec]:
    """The replica specs by canonical role name, in the order of the kind's roles."""
    conventions, names = framework.conventions[api_version], _names(framework, api_version)
    path = f"spec.{framework.replica_specs_field}"
    given = mapping(spec, framework.replica_specs_field, "spec")
    if not given:
        raise SpecError(path, f"is required: name at least one of {names}")
    by_role: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for key in given:
        role = framework.role(api_version, key)
        if role is None:
            raise SpecError(f"{path}.{key}", f"is not a replica type of {framework.kind}: use {names}")
        if role.name in by_role:
            raise SpecError(f"{path}.{key}", f"is given twice, also as {by_role[role.name][0]}: keep one of them")
        by_role[role.name] = (key, mapping(given, key, path))
    for name in sorted(conventions.required - by_role.keys()):
        raise SpecError(f"{path}.{name}", f"is required: every {framework.kind} has one {name}")
    roles = {
        role.name: _decode_role(role, f"{path}.{by_role[role.name][0]}", by_role[role.name][1], conventions)
        for role in framework.roles
        if role.name in by_role
    }
    depends_on = {role: read_depends_on(by_role[role][1], f"{path}.{by_role[role][0]}", roles) for role in roles}
    check_order(path, depends_on, {role: conventions.waits_for.get(role, {}).keys() & roles.keys() for role in roles})
    return {role: replace(spec, depends_on=depends_on[role]) for role, spec in roles.items()}


def _names(framework: Framework, api_version: str) -> str:
    return ", ".join(role.name for role in framework.roles_in(api_version))


def _decode_role(role: RoleSpec, path: str, value: Mapping[str, Any], conventions: Conventions) -> ReplicaSpec:
    template = _checked_template(mapping(value, "template", path), f"{path}.template", conventions)
    template = templates.map_containers(template, _with_failure_message)
    if role.name in conventions.port_roles:
        template = templates.with_port(template, conventions.container, conventions.port_name, conventions.port)
    groups = tuple(
        replace(group, template=_checked_group(group, f"{path}.groups[{position}].template", conventions))
        for position, group in enumerate(read_groups(value, path, template, conventions))
    )
    grouped = sum(group.replicas for group in groups)
    given = count(value, "replicas", path, grouped or None)
    replicas = role.default_replicas if given is None else given
    if replicas < grouped:
        raise SpecError(f"{path}.replicas", f"is {replicas} and must be {grouped} or more, as its groups have together")
    if replicas < role.min_replicas or (role.max_replicas is not None and replicas > role.max_replicas):
        wanted = f"{role.min_replicas}" if role.min_replicas == role.max_replicas else f"at least {role.min_replicas}"
        raise SpecError(f"{path}.replicas", f"is {replicas} and must be {wanted}")
    policy = value.get("restartPolicy") or conventions.restart_policies[role.name]
    if policy not in list(RestartPolicy):
        raise SpecError(f"{path}.restartPolicy", f"is {policy!r} and must be one of {', '.join(RestartPolicy)}")
    return ReplicaSpec(
        replicas,
        RestartPolicy(policy),
        template,
        claims=read_claims(value, path),
        claim_retention=read_retention(value, path),
        groups=groups,
    )


def _checked_group(group: ReplicaGroup, path: str, conventions: Conventions) -> Mapping[str, Any]:
    return templates.map_containers(_checked_template(group.template, path, conventions), _with_failure_message)


def _checked_template(template: Mapping[str, Any], path: str, conventions: Conventions) -> Mapping[str, Any]:
    containers = templates.containers(template)
    if not containers:
        raise SpecError(f"{path}.spec.containers", "is required: give the container that trains")
    for position, container in enumerate(containers):
        if not container.get("image"):
            raise SpecError(f"{path}.spec.containers[{position}].image", "is required")
    if not conventions.any_container and templates.find_container(template, conventions.container) is None:
        raise SpecError(
            f"{path}.spec.containers", f"needs a container named {conventions.container!r}, the one that trains"
        )
    return template


def _with_failure_message(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let the kubelet put the last lines of the log into the status of a failed container, so that the job can show
    them as the first failure. A policy that the user set stays."""
    return {"terminationMessagePolicy": "FallbackToLogsOnError", **container}


def check_names(job: Job, framework: Framework) -> None:
    """A pod's name is also its host name and its service's name: a DNS label of at most 63 characters (RFC 1035)."""
    name = job.name
    if not _LABEL.fullmatch(name):
        raise SpecError(
            "metadata.name",
            f"is {name!r} and must be lower-case letters, digits and '-', begin with a letter and end with no '-'",
        )
    pods = [framework.child_name(job, role, max(spec.replicas - 1, 0)) for role, spec in job.roles.items()]
    longest = max(pods, key=len, default=name)
    if len(longest) > MAX_LABEL:
        raise SpecError(
            "metadata.name",
            f"is too long by {len(longest) - MAX_LABEL}: its pod {longest} would have {len(longest)} characters, "
            f"and {MAX_LABEL} fit",
        )
