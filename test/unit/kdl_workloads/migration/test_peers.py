"""How other operators are recognised."""

from typing import Any

import pytest

from kdl_runtime.types import ObjectKey
from kdl_workloads.migration.peers import calls_for, peer_operator, unserved_versions


def deployment(image: str, replicas: int | None = 2) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ops", "name": "manager"},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": {"app": "manager"}},
            "template": {"spec": {"containers": [{"name": "proxy", "image": "proxy:1"}, {"image": image}]}},
        },
    }


@pytest.mark.parametrize(
    "image",
    [
        "docker.io/kubedl/kubedl:0.4.2",
        "kubedl/kubedl",
        "kubeflow/training-operator:v1-5a5f92d",
        "ghcr.io/kubeflow/training-v1/training-operator:v1.9.4",
        "mpioperator/mpi-operator:0.8.0",
        "registry.internal:5000/mirror/training-operator@sha256:0123",
        "gcr.io/kubeflow-images-public/tf_operator:v0.6.0",
    ],
)
def test_operators_are_known_by_the_repository_of_their_image(image: str) -> None:
    found = peer_operator(deployment(image))
    assert found is not None
    assert (found.key, found.image, found.replicas) == (ObjectKey("ops", "manager"), image, 2)
    assert found.selector == {"app": "manager"}


@pytest.mark.parametrize("image", ["", "nginx", "kubedl-dashboard:1", "kubedl/kaniko:latest", "kdl/operator:dev"])
def test_other_deployments_are_none(image: str) -> None:
    assert peer_operator(deployment(image)) is None


def test_one_that_is_chosen_is_one_whatever_its_image() -> None:
    found = peer_operator(deployment("own-build:7", replicas=None), {ObjectKey("ops", "manager")})
    assert found is not None
    assert (found.image, found.replicas) == ("proxy:1, own-build:7", 1)
    assert peer_operator(deployment("own-build:7"), {ObjectKey("ops", "other")}) is None


@pytest.mark.parametrize(
    ("groups", "called"),
    [(["kubeflow.org"], True), (["apps", "training.kubedl.io"], True), (["serving.kserve.io"], False), ([], False)],
)
def test_webhooks_for_jobs(groups: list[str], called: bool) -> None:
    configuration = {"webhooks": [{"rules": [{"apiGroups": ["apps"]}]}, {"rules": [{"apiGroups": groups}]}]}
    assert calls_for(configuration, frozenset({"kubeflow.org", "training.kubedl.io"})) is called


def test_a_configuration_without_webhooks_calls_nobody() -> None:
    assert not calls_for({}, frozenset({"kubeflow.org"}))


def test_versions_in_which_objects_may_be_stored() -> None:
    definition = {"status": {"storedVersions": ["v1beta2", "v1"]}}
    assert unserved_versions(definition, {"v1"}) == ["v1beta2"]
    assert unserved_versions(definition, {"v1", "v1beta2"}) == []
    assert unserved_versions({}, {"v1"}) == []
