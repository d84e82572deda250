"""Other forms of MPIJobs: KubeDL's from before there were replica specs, Kubeflow's from before run policies, and what
only v2beta1 has."""

from collections.abc import Mapping
from typing import Any

from kdl_workloads import template as templates
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.metadata import readable
from kdl_workloads.framework import KUBEDL, KUBEFLOW, KUBEFLOW_V2BETA1

_UNITS = (("gpus", "gpusPerNode"), ("processingUnits", "processingUnitsPerNode"))
_RESOURCES = {"gpu": "nvidia.com/gpu", "": "nvidia.com/gpu"}


def current_spec(api_version: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec in today's form, by the version that the job was written in."""
    forms = {KUBEDL: kubedl_spec, KUBEFLOW: kubeflow_spec, KUBEFLOW_V2BETA1: ssh_spec}
    return forms[api_version](spec)


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


def ssh_spec(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of a v2beta1 job in the words that all kinds have: a launcher that waits for ready workers depends on
    them, and one whose restart policy is Never has a last failure rule. In the MPI operator it is the pod of a batch/v1
    Job, which makes a new one after each failure that the back-off limit allows."""
    roles = dict(readable(spec.get("mpiReplicaSpecs")))
    names = {role.lower(): role for role in roles}
    launcher = readable(roles.get(names.get("launcher", "")))
    current = dict(spec)
    waits = spec.get("launcherCreationPolicy") == "WaitForWorkersReady"
    if waits and "worker" in names and launcher.get("dependsOn") is None:
        after = [{"upstream": names["worker"], "onPhase": "Ready"}]
        current["mpiReplicaSpecs"] = {**roles, names["launcher"]: {**launcher, "dependsOn": after}}
    if launcher.get("restartPolicy") == "Never":
        policy = readable(spec.get("runPolicy"))
        last = {"action": "Restart", "roles": ["Launcher"]}
        current["runPolicy"] = {**policy, "failureRules": [*(policy.get("failureRules") or ()), last]}
    return current


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
