"""The CEL rules that follow from a framework's data, so that the API server refuses what cannot be carried out.

They are cheap by construction: the API server estimates the cost of a rule from the bounds in the schema, and refuses a
CRD whose rules could cost too much. Messages name the field, because a message is all that a user gets to see.
"""

from kdl_runtime.types import parse_api_version
from kdl_workloads.api.base import rule
from kdl_workloads.framework import Conventions, Framework, RoleSpec

MAX_ROLES = 8
MAX_NAME = 63

Rules = list[dict[str, str]]


def name_rules(framework: Framework, conventions: Conventions) -> Rules:
    """Rules on the whole object: its name is a part of the names of its pods and services."""
    field = framework.replica_specs_field
    replicas = f"(has(self.spec.{field}[r].replicas) ? self.spec.{field}[r].replicas : 1)"
    length = f"size(self.metadata.name) + size(r) + size(string({replicas} - 1)) + 2"
    for role, name in conventions.pod_names.items():
        fixed = f"size(self.metadata.name) + {len(name.format(job=''))}"
        length = f"(r.matches('(?i)^{role.lower()}$') ? {fixed} : {length})"
    return [
        rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name must be lower-case letters, digits and '-', begin with a letter and not end with '-'",
        ),
        rule(
            f"self.spec.{field}.all(r, {length} <= {MAX_NAME})",
            f"metadata.name is too long: a pod is <name>-<replica type>-<index>, of at most {MAX_NAME} characters",
        ),
    ]


def version_rules(framework: Framework, api_version: str) -> Rules:
    """Rules on the spec: what tells in which version the object was written must not come or go."""
    group, _ = parse_api_version(api_version)
    telling = {
        name: version for version in framework.versions(group) for name in framework.conventions[version].defaults
    }
    return [
        rule(
            f"has(self.{name}) == has(oldSelf.{name})",
            f"spec.{name} is what {parse_api_version(version)[1]} has and no other version: "
            "delete the object and create it anew in the version that you want",
        )
        for name, version in telling.items()
    ]


def role_rules(framework: Framework, api_version: str) -> Rules:
    """Rules on the map of replica specs. Its keys are accepted in any case."""
    path = f"spec.{framework.replica_specs_field}"
    conventions, roles = framework.conventions[api_version], framework.roles_in(api_version)
    names = [role.name for role in roles]
    known = "|".join(name.lower() for name in names)
    rules = [
        rule(
            f"self.all(r, r.matches('(?i)^({known})$'))",
            f"{path} has a replica type that {framework.kind} does not have: use {', '.join(names)}",
        ),
    ]
    for role in roles:
        rules += _one_role(role, path, required=role.name in conventions.required - conventions.implied)
    return rules


def _one_role(role: RoleSpec, path: str, *, required: bool) -> Rules:
    match = f"r.matches('(?i)^{role.name.lower()}$')"
    rules = (
        [rule(f"self.exists_one(r, {match})", f"{path}.{role.name} is required, once")]
        if required
        else [
            rule(
                f"self.filter(r, {match}).size() <= 1", f"{path}.{role.name} is given twice in different case: keep one"
            )
        ]
    )
    low, high = role.min_replicas, role.max_replicas
    if high is not None:
        wanted, text = f"self[r].replicas >= {low} && self[r].replicas <= {high}", f"between {low} and {high}"
        if low == high:
            wanted, text = f"self[r].replicas == {low}", f"{low}"
    else:
        wanted, text = f"self[r].replicas >= {low}", f"at least {low}"
    if low == 0 and high is None:
        return rules
    unset = f"!{match} || !has(self[r].replicas)"
    return [*rules, rule(f"self.all(r, {unset} || ({wanted}))", f"{path}.{role.name}.replicas must be {text}")]


def replica_rules(framework: Framework, conventions: Conventions) -> Rules:
    """Rules on one replica spec."""
    if conventions.any_container:
        return []
    path = f"spec.{framework.replica_specs_field}.<replica type>.template.spec.containers"
    return [
        rule(
            f"self.template.spec.containers.exists(c, c.name == '{conventions.container}')",
            f"{path} needs a container named {conventions.container}, the one that trains",
        )
    ]
