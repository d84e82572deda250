"""Older forms of MPIJobs: KubeDL's from before there were replica specs, Kubeflow's from before run policies."""

from collections.abc import Mapping
from typing import Any

from kdl_workloads import template as templates
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.metadata import readable

_UNITS = (("gpus", "gpusPerNode"), ("processingUnits", "processingUnitsPerNode"))
_RESOURCES = {"gpu": "nvidia.com/gpu", "": "nvidia.com/gpu"}


def kubedl_spec(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec with replica specs and slots in the place of the older fields; what is given in today's form wins.
    SpecError for numbers that do not fit together."""
    workers, slots = _numbers(spec)
    roles = dict(readable(spec.get("mpiReplicaSpecs")))
    given = {role.lower() for role in roles}
    template = spec.get("template")
    if template is not None and "worker" not in given and workers is not None:
        roles["Worker"] = {"replicas": workers, "template": template}
    if template is not None and "launcher" not in given:
        roles["Launcher"] = {"replicas": 1, "template": template}
    current = {**spec, "mpiReplicaSpecs": roles}
    if spec.get("slotsPerWorker") is None and slots is not None:
        current["slotsPerWorker"] = slots
    return current


def kubeflow_spec(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec with the clean-pod policy in the run policy, where an own one wins."""
    outer, policy = spec.get("cleanPodPolicy"), readable(spec.get("runPolicy"))
    if not outer or policy.get("cleanPodPolicy"):
        return spec
    return {**spec, "runPolicy": {**policy, "cleanPodPolicy": outer}}


def _numbers(spec: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Workers, and processes of each, as far as the older fields say."""
    given = [(total, per_node) for total, per_node in _UNITS if spec.get(total) is not None]
    if len(given) > 1:
        raise SpecError("spec.gpus", "excludes spec.processingUnits: keep one of them")
    if given:
        [(total, per_node)] = given
        return _divided(total, int(spec[total]), int(spec.get(per_node) or 1))
    if spec.get("replicas") is None or spec.get("template") is None:
        return None, None
    return int(spec["replicas"]), _limit(spec)


def _divided(field: str, total: int, per_node: int) -> tuple[int, int]:
    if total < per_node:
        return 1, total
    if total % per_node:
        raise SpecError(f"spec.{field}", f"is {total} and must be a multiple of {per_node}, the number per node")
    return total // per_node, per_node


def _limit(spec: Mapping[str, Any]) -> int | None:
    kind = str(spec.get("processingResourceType") or "")
    containers = templates.containers(readable(spec["template"]))
    limits = readable(readable((containers or [{}])[0].get("resources")).get("limits"))
    amount = limits.get(_RESOURCES.get(kind, kind))
    return None if amount is None else templates.whole(amount)
