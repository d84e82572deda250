"""MPIJobs of both versions of the one CRD, side by side under one controller."""

import asyncio
from typing import Any

from kdl_runtime.resources.registry import CONFIGMAPS, ROLE_BINDINGS, SECRETS, SERVICES
from kdl_workloads.framework import KUBEFLOW, KUBEFLOW_V2BETA1
from kdl_workloads.frameworks.mpi import MPI
from unit.kdl_workloads.operator.cluster import NAMESPACE, Cluster, on_virtual_time

OLD, NEW = MPI().resource(KUBEFLOW), MPI().resource(KUBEFLOW_V2BETA1)


def mpi_job(version: str, name: str, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "mpi", "image": "mpi:1"}]}}
    specs = {"Launcher": {"template": template}, "Worker": {"replicas": 2, "template": template}}
    return {
        "apiVersion": version,
        "kind": "MPIJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"mpiReplicaSpecs": specs, **spec},
    }


def names(cluster: Cluster, *resources: Any) -> list[str]:
    return sorted(
        found["metadata"]["name"] for resource in resources for found in cluster.direct.list(resource, NAMESPACE)
    )


@on_virtual_time
async def test_each_runs_in_the_way_of_its_version() -> None:
    cluster = Cluster(OLD)
    cluster.direct.create(OLD, mpi_job(KUBEFLOW, "old"))
    cluster.direct.create(NEW, mpi_job(KUBEFLOW_V2BETA1, "new"))
    async with cluster.operator() as operator:
        await operator.settle()
        assert len(operator.controllers) == 1
        assert sorted(cluster.pods()) == [
            "new-launcher",
            "new-worker-0",
            "new-worker-1",
            "old-worker-0",
            "old-worker-1",
        ]
        cluster.run_all()
        await operator.settle()
        assert "old-launcher" in cluster.pods()
        cluster.run_all()
        await operator.settle()
        assert cluster.conditions(OLD, "new") == cluster.conditions(OLD, "old") == ["Created=True", "Running=True"]
        assert names(cluster, ROLE_BINDINGS) == ["old-launcher"]
        assert names(cluster, SERVICES) == ["new"]
        [secret] = cluster.direct.list(SECRETS, NAMESPACE)
        new = cluster.direct.get(NEW, NAMESPACE, "new")
        assert secret["metadata"]["name"] == f"new-ssh-{new['metadata']['uid'][:8]}"
        [owner] = secret["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["apiVersion"]) == (new["metadata"]["uid"], KUBEFLOW_V2BETA1)
        assert secret["data"].keys() == {"ssh-privatekey", "ssh-publickey"}
        assert new["status"]["conditions"][-1]["message"] == f"MPIJob {NAMESPACE}/new is running."


@on_virtual_time
async def test_keys_stay_while_the_job_lives_and_hosts_follow_its_workers() -> None:
    cluster = Cluster(OLD)
    cluster.direct.create(NEW, mpi_job(KUBEFLOW_V2BETA1, "new"))
    async with cluster.operator() as operator:
        await operator.settle()
        [before] = cluster.direct.list(SECRETS, NAMESPACE)
        specs = {"spec": {"mpiReplicaSpecs": {"Worker": {"replicas": 3}}}}
        cluster.direct.patch(NEW, NAMESPACE, "new", specs)
        await operator.settle()
        assert "new-worker-2" in cluster.pods()
        [config] = cluster.direct.list(CONFIGMAPS, NAMESPACE)
        assert config["data"]["hostfile"].count("slots=1") == 3
    async with cluster.operator() as operator:
        await operator.settle()
        assert cluster.direct.list(SECRETS, NAMESPACE) == [before]
        cluster.direct.delete(SECRETS, NAMESPACE, before["metadata"]["name"])
        await asyncio.sleep(2 * 3600)
        [after] = cluster.direct.list(SECRETS, NAMESPACE)
        assert after["data"] != before["data"], "keys that somebody has deleted are made anew"


@on_virtual_time
async def test_its_service_goes_at_its_end() -> None:
    cluster = Cluster(OLD)
    cluster.direct.create(NEW, mpi_job(KUBEFLOW_V2BETA1, "new"))
    async with cluster.operator() as operator:
        await operator.settle()
        cluster.run_all()
        await operator.settle()
        assert names(cluster, SERVICES) == ["new"]
        cluster.end("new-launcher")
        await operator.settle()
        assert cluster.conditions(NEW, "new")[-1] == "Succeeded=True"
        assert names(cluster, SERVICES) == []
