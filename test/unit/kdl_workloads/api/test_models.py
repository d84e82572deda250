"""The API types as a Python program uses them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from kdl_workloads.api import kubedl, kubeflow
from kdl_workloads.api.base import ObjectMeta
from kdl_workloads.frameworks.registry import BUILT_IN

EXAMPLES = Path(__file__).parents[4] / "examples"
MODELS: dict[tuple[str, str], type[BaseModel]] = {
    (version, framework.kind): conventions.model
    for framework in BUILT_IN
    for version, conventions in framework.conventions.items()
}
TEMPLATE = {"spec": {"containers": [{"name": "xgboost", "image": "i"}]}}


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/job*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_examples_round_trip(path: Path) -> None:
    obj = yaml.safe_load(path.read_text())
    model = MODELS[obj["apiVersion"], obj["kind"]].model_validate(obj)
    assert model.model_dump(mode="json", exclude_unset=True) | {"apiVersion": obj["apiVersion"]} == obj


def test_python_names() -> None:
    job = kubeflow.XGBoostJob(
        metadata=ObjectMeta(name="digits"),
        spec=kubeflow.XGBoostJobSpec(
            run_policy=kubeflow.RunPolicy(clean_pod_policy="None", ttl_seconds_after_finished=60),
            xgb_replica_specs={"Master": kubeflow.ReplicaSpec(template=TEMPLATE)},
        ),
    )
    assert job.model_dump(mode="json", exclude_none=True) == {
        "apiVersion": "kubeflow.org/v1",
        "kind": "XGBoostJob",
        "metadata": {"name": "digits"},
        "spec": {
            "runPolicy": {"cleanPodPolicy": "None", "ttlSecondsAfterFinished": 60},
            "xgbReplicaSpecs": {"Master": {"template": TEMPLATE}},
        },
    }


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"xgbReplicaSpecs": {"Master": {"template": TEMPLATE}}, "ttl": 5}, ("spec", "ttl")),
        ({"xgbReplicaSpecs": {"Master": {}}}, ("spec", "xgbReplicaSpecs", "Master", "template")),
        ({}, ("spec", "xgbReplicaSpecs")),
        (
            {"xgbReplicaSpecs": {"Master": {"template": TEMPLATE, "replicas": -1}}},
            ("spec", "xgbReplicaSpecs", "Master", "replicas"),
        ),
        ({"xgbReplicaSpecs": {}, "cleanPodPolicy": "Some"}, ("spec", "cleanPodPolicy")),
    ],
)
def test_mistakes_are_named(spec: dict[str, Any], where: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as error:
        kubedl.XGBoostJob.model_validate({"metadata": {"name": "a"}, "spec": spec})
    assert where in [item["loc"] for item in error.value.errors()]


def test_a_newer_status_is_no_mistake() -> None:
    job = kubedl.XGBoostJob.model_validate(
        {
            "metadata": {"name": "a", "resourceVersion": "5"},
            "spec": {"xgbReplicaSpecs": {}},
            "status": {"conditions": [{"type": "New", "status": "True", "colour": "red"}], "mood": "good"},
        }
    )
    assert job.status is not None
    assert job.status.conditions[0].type == "New"
