"""Which jobs are scaled by an autoscaler, and between which bounds."""

from typing import Any

import pytest

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.job import Job

METRICS = [{"type": "Resource"}]


def job(kind: str, api_version: str, elastic: dict[str, Any] | None, roles: dict[str, int]) -> Job:
    framework = frameworks()[kind]
    container = {"name": framework.conventions[api_version].container, "image": "train:1"}
    template = {"spec": {"containers": [container]}}
    specs = {role: {"replicas": replicas, "template": template} for role, replicas in roles.items()}
    spec = {framework.replica_specs_field: specs, "elasticPolicy": elastic}
    metadata = {"name": "job", "namespace": "ns"}
    obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
    return dialect_for(api_version).decode(obj, framework)


@pytest.mark.parametrize("kind", ["PyTorchJob", "PaddleJob"])
@pytest.mark.parametrize(
    ("elastic", "bounds"),
    [
        ({"minReplicas": 1, "maxReplicas": 4}, (1, 4)),
        ({"minReplicas": 2}, (2, 2)),
        ({"maxReplicas": 5}, (5, 5)),
        ({}, (3, 3)),
    ],
)
def test_bounds(kind: str, elastic: dict[str, Any], bounds: tuple[int, int]) -> None:
    found = job(kind, KUBEFLOW, {**elastic, "metrics": METRICS}, {"Worker": 3})
    (extra,) = frameworks()[kind].objects(found)
    assert (extra.resource.group, extra.resource.kind) == ("autoscaling", "HorizontalPodAutoscaler")
    assert (extra.body["spec"]["minReplicas"], extra.body["spec"]["maxReplicas"]) == bounds
    assert extra.body["spec"]["metrics"] == METRICS


@pytest.mark.parametrize(
    ("api_version", "elastic", "roles"),
    [
        (KUBEFLOW, None, {"Worker": 3}),
        (KUBEFLOW, {"minReplicas": 1}, {"Worker": 3}),
        (KUBEFLOW, {"metrics": []}, {"Worker": 3}),
        (KUBEFLOW, {"metrics": METRICS}, {"Master": 1}),
        (KUBEDL, {"metrics": METRICS}, {"Worker": 3}),
    ],
)
def test_no_autoscaler(api_version: str, elastic: dict[str, Any] | None, roles: dict[str, int]) -> None:
    assert list(frameworks()["PyTorchJob"].objects(job("PyTorchJob", api_version, elastic, roles))) == []
