"""A job's manifest in another API group: the same job, with what differs by default written out.

The fields of both groups are those of their CRDs. Whether the result is the same job is not argued but asked of the
dialects: both manifests are decoded, and every default that differs becomes a field.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kdl_workloads import template as templates
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.kubedl import NESTED_RUN_POLICIES, RUN_POLICY_FIELDS, gathered_run_policy
from kdl_workloads.dialects.metadata import readable
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import KUBEDL, Conventions, Framework
from kdl_workloads.job import Job

PLACEHOLDER = "00000"
"""Stands for the end of a generated name, which is not known yet."""
RUN_POLICY = "runPolicy"
SCHEDULING_POLICY = "schedulingPolicy"
_PRIORITY_CLASS = {KUBEDL: "priorityClassName"}
_OTHER_PRIORITY_CLASS = "priorityClass"
_DEFAULTED = {
    "cleanPodPolicy": "clean_pod_policy",
    "ttlSecondsAfterFinished": "ttl_seconds_after_finished",
    "backoffLimit": "backoff_limit",
}
"""The fields of a run policy whose default depends on kind and group."""


class ConversionError(Exception):
    """A manifest that has no counterpart. The message names what stands in the way, and the way out."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """``object`` is the manifest in the other group. ``lost``: paths of fields that the other group does not have, and
    that are therefore not in it. ``before`` and ``after``: the job that each of the two is."""

    object: dict[str, Any]
    lost: tuple[str, ...]
    before: Job
    after: Job


def convert(obj: Mapping[str, Any], framework: Framework, to: str) -> Conversion:
    """The manifest of a job in the API version ``to``. ConversionError if the kind does not exist there, or the
    manifest is wrong to begin with. ``status`` and what the API server has added to ``metadata`` are left out."""
    source, target = str(obj["apiVersion"]), framework.conventions.get(to)
    if target is None:
        served = ", ".join(sorted(framework.conventions))
        raise ConversionError(f"{framework.kind} does not exist in {to}: it is a kind of {served}")
    before = _decoded(obj, framework)
    policy, options = _parts(readable(obj.get("spec")), framework, source)
    roles = {
        role: _role(spec, framework.conventions[source], target)
        for role, spec in readable(readable(obj.get("spec")).get(framework.replica_specs_field)).items()
    }
    policy = _with_scheduling(policy, source, to)
    converted = _assembled(obj, framework, to, (policy, options, roles))
    lost = _take_unknown(converted, target)
    _write_defaults(converted, framework, before)
    after = _decoded(converted, framework)
    return Conversion(converted, tuple(lost), before, after)


def _decoded(obj: Mapping[str, Any], framework: Framework) -> Job:
    metadata = obj["metadata"]
    named = {"namespace": "default", **metadata, "name": metadata.get("name") or metadata["generateName"] + PLACEHOLDER}
    try:
        return dialect_for(str(obj["apiVersion"])).decode({**obj, "metadata": named}, framework)
    except SpecError as error:
        raise ConversionError(f"{framework.kind} {named['name']} of {obj['apiVersion']}: {error}") from error


def _parts(spec: Mapping[str, Any], framework: Framework, source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The run policy and the kind's own fields."""
    if source == KUBEDL:
        policy = gathered_run_policy(spec)
        taken = {framework.replica_specs_field, *RUN_POLICY_FIELDS, *NESTED_RUN_POLICIES}
    else:
        policy = {name: value for name, value in readable(spec.get(RUN_POLICY)).items() if value is not None}
        taken = {framework.replica_specs_field, RUN_POLICY}
    return policy, {name: value for name, value in spec.items() if name not in taken and value is not None}


def _with_scheduling(policy: Mapping[str, Any], source: str, to: str) -> dict[str, Any]:
    """The groups call the priority class of a job by different names."""
    given = {name: value for name, value in readable(policy.get(SCHEDULING_POLICY)).items() if value is not None}
    if not given:
        return dict(policy)
    old, new = (_PRIORITY_CLASS.get(version, _OTHER_PRIORITY_CLASS) for version in (source, to))
    return {**policy, SCHEDULING_POLICY: {new if name == old else name: value for name, value in given.items()}}


def _assembled(
    obj: Mapping[str, Any], framework: Framework, to: str, parts: tuple[Mapping[str, Any], ...]
) -> dict[str, Any]:
    policy, options, roles = parts
    metadata = {
        name: obj["metadata"][name]
        for name in ("name", "generateName", "namespace", "labels", "annotations")
        if obj["metadata"].get(name)
    }
    placed = dict(policy) if to == KUBEDL else {RUN_POLICY: dict(policy)} if policy else {}
    return {
        "apiVersion": to,
        "kind": framework.kind,
        "metadata": metadata,
        "spec": {**placed, **options, framework.replica_specs_field: roles},
    }


def _role(spec: Any, source: Conventions, target: Conventions) -> dict[str, Any]:
    """The replica spec with the container that trains, and its port, called as the target's users call them. Where no
    container has the name, the first one trains, as in KubeDL."""
    template = readable(readable(spec).get("template"))
    found = templates.find_container(template, source.container) or next(iter(templates.containers(template)), None)
    renamed = templates.map_containers(
        template, lambda container: _renamed(container, source, target) if container is found else container
    )
    return {**readable(spec), "template": renamed}


def _renamed(container: Mapping[str, Any], source: Conventions, target: Conventions) -> Mapping[str, Any]:
    ports = [
        {**port, "name": target.port_name} if port.get("name") == source.port_name else port
        for port in container.get("ports") or ()
    ]
    renamed = {**container, "name": target.container}
    return {**renamed, "ports": ports} if ports else renamed


def _take_unknown(converted: dict[str, Any], target: Conventions) -> list[str]:
    """Take away the fields that the target's CRD does not have; returns their paths."""
    try:
        target.model.model_validate(converted)
    except ValidationError as error:
        unknown = [item["loc"] for item in error.errors(include_url=False) if item["type"] == "extra_forbidden"]
        for place in unknown:
            _take(converted, place)
        return sorted(".".join(map(str, place)) for place in unknown)
    return []


def _take(obj: Any, place: tuple[int | str, ...]) -> None:
    *parents, name = place
    for parent in parents:
        obj = obj[parent]
    del obj[name]


def _write_defaults(converted: dict[str, Any], framework: Framework, before: Job) -> None:
    """Write out what the source's defaults say, where the target's say something else."""
    spec = converted["spec"]
    roles = spec[framework.replica_specs_field]
    after, target = _decoded(converted, framework), framework.conventions[str(converted["apiVersion"])]
    for key, value in roles.items():
        role = framework.role(after.api_version, key)
        if role is None or role.name not in before.roles:
            continue
        old, new = before.roles[role.name], after.roles[role.name]
        if old.replicas != new.replicas:
            value["replicas"] = old.replicas
        if old.restart_policy != new.restart_policy:
            value["restartPolicy"] = old.restart_policy.value
        if role.name in target.port_roles and framework.port(before, role.name) != framework.port(after, role.name):
            port = framework.port(before, role.name)
            value["template"] = templates.with_port(value["template"], target.container, target.port_name, port)
    policy = spec if after.api_version == KUBEDL else spec.setdefault(RUN_POLICY, {})
    for name, attribute in _DEFAULTED.items():
        old_value, new_value = getattr(before.run_policy, attribute), getattr(after.run_policy, attribute)
        if old_value != new_value and old_value is not None:
            policy[name] = getattr(old_value, "value", old_value)
    if not spec.get(RUN_POLICY, True):
        del spec[RUN_POLICY]


def remaining_differences(conversion: Conversion) -> Iterable[str]:
    """What of roles and limits is still not the same, because the other group cannot say it, as paths of the job."""
    before, after = conversion.before, conversion.after
    if before.roles.keys() != after.roles.keys():
        yield "roles"
    for role in before.roles.keys() & after.roles.keys():
        old, new = before.roles[role], after.roles[role]
        if (old.replicas, old.restart_policy) != (new.replicas, new.restart_policy):
            yield f"roles.{role}"
    for name in ("active_deadline_seconds", "suspend", *_DEFAULTED.values()):
        if getattr(before.run_policy, name) != getattr(after.run_policy, name):
            yield f"run_policy.{name}"
