from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdl_cli.manifests import Manifest, read
from kdl_cli.validation import problems
from kdl_workloads.frameworks.registry import frameworks

EXAMPLES = Path(__file__).parents[3] / "examples"
MASTER = "spec.xgbReplicaSpecs.Master"
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def manifest() -> Manifest:
    [found] = read(str(EXAMPLES / "xgboost" / "job.yaml"))
    return found


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/job*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_the_examples_are_good(path: Path) -> None:
    assert [problems(found, frameworks()) for found in read(str(path))] == [[]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda job: job["spec"].update(colour="red"), "spec.colour: unknown field"),
        (lambda job: job["spec"].pop("xgbReplicaSpecs"), "spec.xgbReplicaSpecs: is required"),
        (lambda job: job["spec"].update(backoffLimit="many"), "spec.backoffLimit: input should be a valid integer"),
        (lambda job: replica(job)["template"]["spec"].update(contaners=[]), f"{MASTER}.template.spec: unknown field"),
        (lambda job: replica(job).update(replicas=2), f"{MASTER}.replicas: is 2 and must be 1"),
        (lambda job: job["metadata"].update(name="x" * 60), "metadata.name"),
    ],
)
def test_each_mistake_names_its_field(manifest: Manifest, change: Change, expected: str) -> None:
    change(manifest.object)
    found = problems(manifest, frameworks())
    assert found, "nothing was found"
    assert found[0].startswith(expected)


def test_mistakes_are_told_together(manifest: Manifest) -> None:
    manifest.object["spec"].update(colour="red", backoffLimit="many")
    assert len(problems(manifest, frameworks())) == 2


@pytest.mark.parametrize("api_version", ["v1", "kubeflow.org/v2"])
def test_what_is_no_job_of_ours_is_left_to_the_server(manifest: Manifest, api_version: str) -> None:
    assert problems(Manifest("x", {**manifest.object, "apiVersion": api_version, "spec": 3}), frameworks()) == []


def replica(job: dict[str, Any]) -> dict[str, Any]:
    found = job["spec"]["xgbReplicaSpecs"]["Master"]
    assert isinstance(found, dict)
    return found
