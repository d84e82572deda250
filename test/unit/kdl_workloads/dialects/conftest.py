"""Objects as users write them."""

from collections.abc import Callable
from typing import Any

import pytest

Objects = Callable[..., dict[str, Any]]


def replica(container: str, **fields: Any) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [{"name": container, "image": "train:1"}]}}, **fields}


@pytest.fixture
def kubedl_xgboost() -> Objects:
    """An XGBoostJob of KubeDL's group with a Master and two Workers; arguments are further fields of the spec."""

    def build(**spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "training.kubedl.io/v1alpha1",
            "kind": "XGBoostJob",
            "metadata": {"name": "digits", "namespace": "team", "uid": "u1", "generation": 3},
            "spec": {
                "xgbReplicaSpecs": {"Worker": replica("xgboostjob", replicas=2), "Master": replica("xgboostjob")},
                **spec,
            },
        }

    return build


@pytest.fixture
def kubeflow_pytorch() -> Objects:
    """A PyTorchJob of Kubeflow's group with a Master and two Workers; arguments are further fields of the spec."""

    def build(**spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "kubeflow.org/v1",
            "kind": "PyTorchJob",
            "metadata": {"name": "bert", "namespace": "team", "uid": "u2", "generation": 1},
            "spec": {
                "pytorchReplicaSpecs": {"Master": replica("pytorch"), "Worker": replica("pytorch", replicas=2)},
                **spec,
            },
        }

    return build
