"""Taking over a cluster from another operator: its Deployment and its webhook are real ones here."""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest

from kdl_cli.commands import migrate
from kdl_cli.errors import CliError
from kdl_cli.options import Connection
from kdl_cli.session import Session, connect
from kdl_runtime.errors import AlreadyExists, NotFound
from kdl_runtime.resources.registry import DEPLOYMENTS, NAMESPACES, PODS
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.envtest import Cluster
from kdl_testing.eventually import eventually
from kdl_workloads.crds import crd
from kdl_workloads.framework import KUBEFLOW
from kdl_workloads.frameworks.registry import frameworks

SPACE = "migration"
JOBS = frameworks()["XGBoostJob"].resource(KUBEFLOW)
WEBHOOKS = Resource(
    "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False
)
WEBHOOK_NAME = "validator.training-operator.kubeflow.org"


def deployment(name: str, image: str) -> dict[str, Any]:
    labels = {"control-plane": name}
    pod = {"containers": [{"name": "manager", "image": image}], "terminationGracePeriodSeconds": 0}
    return {
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def webhook() -> dict[str, Any]:
    """As the training operator has it: without the operator no job can be written any more."""
    rule = {"apiGroups": ["kubeflow.org"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"]}
    return {
        "metadata": {"name": WEBHOOK_NAME},
        "webhooks": [
            {
                "name": "validator.xgboostjob.training-operator.kubeflow.org",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {"service": {"namespace": SPACE, "name": "training-operator"}},
                "rules": [{**rule, "resources": ["xgboostjobs"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SPACE}},
            }
        ],
    }


@pytest.fixture
async def session(fake_cluster: Cluster) -> AsyncIterator[Session]:
    async with connect(Connection(kubeconfig=str(fake_cluster.kubeconfig))) as session:
        with suppress(AlreadyExists):
            await session.client.create(NAMESPACES, {"metadata": {"name": SPACE}})
        yield session


@pytest.fixture
def here(fake_cluster: Cluster) -> Connection:
    return Connection(kubeconfig=str(fake_cluster.kubeconfig), namespace=SPACE)


async def test_the_other_operator_makes_room(
    session: Session,
    here: Connection,
    fake_cluster: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client, snapshot = session.client, tmp_path / "before.json"
    fake_cluster.install_crds([crd(frameworks()["XGBoostJob"], KUBEFLOW)])
    stored = await client.create(JOBS, job())
    await client.create(PODS, pod_of(stored))
    await client.create(DEPLOYMENTS, deployment("training-operator", "kubeflow/training-operator:v1.9.4"))
    await client.create(DEPLOYMENTS, deployment("bystander", "bystander:1"))
    await client.create(WEBHOOKS, webhook())

    async def running() -> str:
        pod = await client.get(PODS, ObjectKey(SPACE, "digits-master-0"))
        assert pod["status"].get("phase") == "Running"
        return str(pod["metadata"]["uid"])

    await eventually(running, within=60)
    await migrate._cluster(here, [], None)
    told = click.unstyle(capsys.readouterr().out)
    assert "training-operator   2          kubeflow/training-operator:v1.9.4" in told
    assert f"ValidatingWebhookConfiguration   {WEBHOOK_NAME}" in told
    assert "bystander" not in told
    await client.get(WEBHOOKS, ObjectKey("", WEBHOOK_NAME))

    await migrate._cluster(here, [], snapshot)
    told = click.unstyle(capsys.readouterr().out)
    assert f"deployment.apps/training-operator in {SPACE} scaled to 0 (was 2)" in told
    assert f"{WEBHOOK_NAME} deleted" in told
    with pytest.raises(NotFound):
        await client.get(WEBHOOKS, ObjectKey("", WEBHOOK_NAME))
    replicas = {item["metadata"]["name"]: item["spec"]["replicas"] for item in await client.list(DEPLOYMENTS, SPACE)}
    assert replicas == {"training-operator": 0, "bystander": 2}
    await migrate._verify(snapshot, here)
    # Other tests may have left jobs in the cluster.
    assert re.search(r"^[1-9]\d* pods run on, 0 have ended, 0 were replaced$", capsys.readouterr().out, re.MULTILINE)


def job() -> dict[str, Any]:
    role = {"template": {"spec": {"containers": [{"name": "xgboost", "image": "train:1"}]}}}
    return {"metadata": {"name": "digits", "namespace": SPACE}, "spec": {"xgbReplicaSpecs": {"Master": role}}}


def pod_of(stored: dict[str, Any]) -> dict[str, Any]:
    owner = {"apiVersion": JOBS.api_version, "kind": JOBS.kind, "controller": True, "name": "digits"}
    labels = {f"training.kubeflow.org/{name}": value for name, value in LABELS.items()}
    return {
        "metadata": {
            "name": "digits-master-0",
            "namespace": SPACE,
            "labels": labels,
            "ownerReferences": [{**owner, "uid": stored["metadata"]["uid"]}],
        },
        "spec": stored["spec"]["xgbReplicaSpecs"]["Master"]["template"]["spec"],
    }


LABELS = {
    "job-name": "digits",
    "operator-name": "xgboostjob-controller",
    "replica-type": "master",
    "replica-index": "0",
    "job-role": "master",
}


async def test_one_that_does_not_stop_stops_the_take_over(
    session: Session, here: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pod with the operator's labels that nobody ends."""
    client, peer = session.client, deployment("kubedl", "kubedl/kubedl:0.4.2")
    await client.create(DEPLOYMENTS, {**peer, "spec": {**peer["spec"], "replicas": 0}})
    await client.create(WEBHOOKS, {**webhook(), "metadata": {"name": "kept"}})
    template = peer["spec"]["template"]
    stray = {"metadata": {"name": "stray", "namespace": SPACE, **template["metadata"]}, "spec": template["spec"]}
    await client.create(PODS, stray)
    monkeypatch.setattr("kdl_cli.takeover.STOP_SECONDS", 1.0)
    try:
        with pytest.raises(CliError, match=r"kubedl in migration still has pods .* nothing else was done"):
            await migrate._cluster(here, [], tmp_path / "before.json")
        assert await client.get(WEBHOOKS, ObjectKey("", "kept"))
    finally:
        await client.delete(WEBHOOKS, ObjectKey("", "kept"))
        await client.delete(DEPLOYMENTS, ObjectKey(SPACE, "kubedl"))
