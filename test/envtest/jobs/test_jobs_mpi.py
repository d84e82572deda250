"""MPIJobs of v1 and v2beta1 in the one CRD, as the real API server stores, fills in, prunes and refuses them."""

from functools import partial
from typing import Any

import pytest

from envtest.controllers.world import World, until
from envtest.jobs.elastic import running
from kdl_runtime import Resource
from kdl_runtime.client.client import ListOptions, Patch, PatchType
from kdl_runtime.errors import Invalid
from kdl_runtime.resources.registry import SECRETS, SERVICES
from kdl_workloads.framework import KUBEFLOW, KUBEFLOW_V2BETA1
from kdl_workloads.frameworks.mpi import MPI

V1, V2BETA1 = MPI().resource(KUBEFLOW), MPI().resource(KUBEFLOW_V2BETA1)


async def apply(world: World, resource: Resource, name: str, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "mpi", "image": "mpi:1"}]}}
    specs = {"Launcher": {"template": template}, "Worker": {"replicas": 2, "template": template}}
    return await world.apply(resource, name, spec={"mpiReplicaSpecs": specs, **spec})


async def run(world: World, names: list[str]) -> bool:
    return sorted(await running(world)) == names


async def test_both_versions(world: World) -> None:
    old = await apply(world, V1, "old", mainContainer="mpi")
    new = await apply(world, V2BETA1, "new", mpiImplementation="OpenMPI")
    assert "sshAuthMountPath" not in old["spec"]
    assert new["spec"]["sshAuthMountPath"] == "/root/.ssh"
    for resource in (V1, V2BETA1):
        assert (await world.user.get(resource, world.key("old")))["spec"] == old["spec"]
        assert (await world.user.get(resource, world.key("new")))["spec"] == new["spec"]
    names = [f"{job}-{pod}" for job in ("new", "old") for pod in ("launcher", "worker-0", "worker-1")]
    await until(partial(run, world, names), "all pods of both jobs run")
    [secret] = await world.user.list(SECRETS, world.namespace, ListOptions())
    assert secret["metadata"]["name"] == f"new-ssh-{new['metadata']['uid'][:8]}"
    assert secret["type"] == "kubernetes.io/ssh-auth"
    services = await world.user.list(SERVICES, world.namespace, ListOptions())
    assert [service["metadata"]["name"] for service in services] == ["new"]


async def test_a_job_keeps_its_version(world: World) -> None:
    await apply(world, V1, "old", runPolicy={"suspend": True})
    await apply(world, V2BETA1, "new", runPolicy={"suspend": True})
    said = "spec.sshAuthMountPath is what v2beta1 has and no other version"
    for name, path in (("old", "/root/.ssh"), ("new", None)):
        patch = Patch(PatchType.MERGE, {"spec": {"sshAuthMountPath": path}})
        with pytest.raises(Invalid, match=said):
            await world.user.patch(V1, world.key(name), patch)
    with pytest.raises(Invalid, match=said):
        await world.user.patch(V2BETA1, world.key("old"), Patch(PatchType.MERGE, {"spec": {"slotsPerWorker": 2}}))
    changed = Patch(PatchType.MERGE, {"spec": {"slotsPerWorker": 2}})
    for resource, name in ((V1, "old"), (V1, "new"), (V2BETA1, "new")):
        assert (await world.user.patch(resource, world.key(name), changed))["spec"]["slotsPerWorker"] == 2


async def test_what_only_v2beta1_has_is_refused_in_v1(world: World) -> None:
    with pytest.raises(Invalid, match=r"spec.runLauncherAsWorker are of v2beta1"):
        await apply(world, V1, "old", runLauncherAsWorker=True)
