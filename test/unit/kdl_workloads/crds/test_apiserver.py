"""The CRDs in the local API server: what a user is told, and what is kept."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.client.options import Patch, PatchType, WriteOptions
from kdl_runtime.clock import LoopClock
from kdl_runtime.errors import BadRequest, Invalid
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.types import ObjectKey
from kdl_testing.direct import DirectTransport
from kdl_workloads.crds import crd
from kdl_workloads.framework import KUBEFLOW
from kdl_workloads.frameworks.pytorch import PyTorch

JOBS = PyTorch().resource(KUBEFLOW)
KEY = ObjectKey("default", "bert")
STRICT = WriteOptions(field_validation="Strict")


@pytest.fixture
async def client() -> Client:
    clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
    server = ApiServer(clock, random.Random(1))
    server.direct.create(CRDS, crd(PyTorch(), KUBEFLOW))
    return Client(DirectTransport(server), clock)


def job(**container: Any) -> dict[str, Any]:
    replica = {"template": {"spec": {"containers": [{"name": "pytorch", "image": "i", **container}]}}}
    return {
        "apiVersion": KUBEFLOW,
        "kind": "PyTorchJob",
        "metadata": {"name": KEY.name, "namespace": KEY.namespace},
        "spec": {"pytorchReplicaSpecs": {"Master": replica, "Worker": {**replica, "replicas": 2}}},
    }


async def test_a_misspelt_field_is_named(client: Client) -> None:
    with pytest.raises(BadRequest) as error:
        await client.create(JOBS, job(imagePullPolicie="Always"), STRICT)
    assert 'unknown field "spec.pytorchReplicaSpecs.Master.template.spec.containers[0].imagePullPolicie"' in str(
        error.value
    )


async def test_a_rule_names_its_field(client: Client) -> None:
    obj = job()
    obj["spec"]["pytorchReplicaSpecs"]["Master"]["replicas"] = 2
    with pytest.raises(Invalid) as error:
        await client.create(JOBS, obj, STRICT)
    assert error.value.message.startswith(
        'PyTorchJob.kubeflow.org "bert" is invalid: spec.pytorchReplicaSpecs: Invalid'
    )
    assert error.value.message.endswith(": spec.pytorchReplicaSpecs.Master.replicas must be 1")


async def test_defaults_are_not_written_back(client: Client) -> None:
    created = await client.create(JOBS, job(), STRICT)
    assert created["spec"] == job()["spec"]


async def test_workers_are_scaled(client: Client) -> None:
    await client.create(JOBS, job(), STRICT)
    patch = Patch(PatchType.MERGE, {"spec": {"replicas": 5}})
    await client.patch(JOBS, KEY, patch, WriteOptions(subresource="scale"))
    stored = await client.get(JOBS, KEY)
    assert stored["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] == 5


async def test_the_name_counts_the_workers_that_a_scale_adds(client: Client) -> None:
    obj = job()
    obj["metadata"]["name"] = "a" * (63 - len("-worker-1"))
    await client.create(JOBS, obj, STRICT)
    patch = Patch(PatchType.MERGE, {"spec": {"replicas": 11}})
    with pytest.raises(Invalid, match=r"metadata\.name is too long"):
        await client.patch(
            JOBS, ObjectKey("default", obj["metadata"]["name"]), patch, WriteOptions(subresource="scale")
        )
