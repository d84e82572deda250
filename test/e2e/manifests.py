"""Jobs for tests, in both API groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e.programs import ONE_SECOND, Program
from kdl_runtime.types import Resource
from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.registry import frameworks

Object = dict[str, Any]

_FRAMEWORKS = frameworks(())


@dataclass(frozen=True)
class Kind:
    """A kind of job in one API group."""

    name: str
    api_version: str

    def __str__(self) -> str:
        return f"{self.name}.{self.api_version.partition('/')[0]}"

    @property
    def resource(self) -> Resource:
        return _FRAMEWORKS[self.name].resource(self.api_version)

    @property
    def container(self) -> str:
        return _FRAMEWORKS[self.name].conventions[self.api_version].container

    @property
    def replica_specs_field(self) -> str:
        return _FRAMEWORKS[self.name].replica_specs_field


XGBOOST = Kind("XGBoostJob", KUBEDL)
XGBOOST_KUBEFLOW = Kind("XGBoostJob", KUBEFLOW)
PYTORCH = Kind("PyTorchJob", KUBEDL)
PYTORCH_KUBEFLOW = Kind("PyTorchJob", KUBEFLOW)
JAX = Kind("JAXJob", KUBEFLOW)

DIALECTS = (XGBOOST, XGBOOST_KUBEFLOW)
KINDS = (XGBOOST, XGBOOST_KUBEFLOW, PYTORCH, PYTORCH_KUBEFLOW, JAX)


@dataclass(frozen=True)
class Replicas:
    """``pod`` is merged into the spec of the template."""

    count: int = 1
    program: Program = ONE_SECOND
    restart_policy: str = "Never"
    pod: Mapping[str, Any] = field(default_factory=dict)


def job(kind: Kind, name: str, roles: Mapping[str, Replicas], **policy: Any) -> Object:
    """A job of these roles. ``policy`` are fields of the run policy, which each group has in a place of its own."""
    spec: Object = {kind.replica_specs_field: {role: _role(kind, replicas) for role, replicas in roles.items()}}
    policy = {"cleanPodPolicy": "None", **policy}
    spec |= policy if kind.api_version == KUBEDL else {"runPolicy": policy}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}, "spec": spec}


def master_and_workers(
    kind: Kind, workers: int, program: Program = ONE_SECOND, pod: Mapping[str, Any] | None = None
) -> dict[str, Replicas]:
    """So many workers and one more replica: a Master where the kind has one."""
    pod = pod or {}
    if kind.name == JAX.name:
        return {"Worker": Replicas(workers + 1, program, pod=pod)}
    return {"Master": Replicas(1, program, pod=pod), "Worker": Replicas(workers, program, pod=pod)}


def run_policy_patch(kind: Kind, **policy: Any) -> Object:
    """A merge patch that changes fields of the run policy."""
    return {"spec": policy if kind.api_version == KUBEDL else {"runPolicy": policy}}


def _role(kind: Kind, replicas: Replicas) -> Object:
    template = replicas.program.template(kind.container)
    template["spec"] |= replicas.pod
    return {"replicas": replicas.count, "restartPolicy": replicas.restart_policy, "template": template}
