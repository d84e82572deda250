"""Claims of single replicas, from the job's beginning to its end, with an API server."""

from typing import Any

from kdl_runtime.resources.registry import PERSISTENT_VOLUME_CLAIMS
from unit.kdl_workloads.operator.cluster import NAMESPACE, PYTORCH_JOBS, Cluster, Operator, on_virtual_time, pytorch_job

CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
NAMES = ["data-job-worker-0", "data-job-worker-1"]


def claiming_job(template: Any = CLAIM, **retention: str) -> dict[str, Any]:
    job = pytorch_job()
    job["spec"]["pytorchReplicaSpecs"]["Worker"] |= {
        "volumeClaimTemplates": [template],
        "persistentVolumeClaimRetentionPolicy": retention,
    }
    return job


def claims(cluster: Cluster) -> dict[str, str]:
    """UIDs by name."""
    return {
        item["metadata"]["name"]: item["metadata"]["uid"]
        for item in cluster.direct.list(PERSISTENT_VOLUME_CLAIMS, NAMESPACE)
    }


async def run(operator: Operator, job: dict[str, Any]) -> None:
    cluster = operator.cluster
    cluster.direct.create(PYTORCH_JOBS, job)
    await operator.until(lambda: len(cluster.pods()) == 3)
    cluster.run_all()
    await operator.settle()


async def finish(operator: Operator) -> None:
    cluster = operator.cluster
    for name in cluster.pods():
        cluster.end(name)
    await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1:] == ["Succeeded=True"])
    await operator.settle()


@on_virtual_time
async def test_a_claim_outlives_its_pod_and_its_job_and_serves_the_next() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await run(operator, claiming_job())
        before = claims(cluster)
        assert sorted(before) == NAMES
        (volume,) = cluster.pods()["job-worker-1"]["spec"]["volumes"]
        assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": "data-job-worker-1"}}
        failed = cluster.pods()["job-worker-1"]["metadata"]["uid"]
        cluster.end("job-worker-1", 1)
        await operator.until(
            lambda: cluster.pods().get("job-worker-1", {}).get("metadata", {}).get("uid", failed) != failed
        )
        assert claims(cluster) == before
        cluster.run_all()
        await finish(operator)
        cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Background")
        for name in cluster.pods():
            cluster.kill(name)
        await operator.settle()
        for name in cluster.pods():
            cluster.kill(name)
        await run(operator, claiming_job())
        assert claims(cluster) == before


@on_virtual_time
async def test_claims_go_with_the_end_of_the_job() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await run(operator, claiming_job(whenFinished="Delete"))
        assert sorted(claims(cluster)) == NAMES
        await finish(operator)
        assert claims(cluster) == {}


@on_virtual_time
async def test_claims_go_also_if_the_operator_was_away() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await run(operator, claiming_job(whenFinished="Delete"))
        (owner,) = [claim.get("ownerReferences", []) for claim in metadata(cluster) if claim["name"] == NAMES[0]]
        assert owner == []
    status = {"conditions": [{"type": "Failed", "status": "True", "reason": "x"}]}
    cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, "job", {"status": status}, "status")
    async with cluster.operator() as operator:
        await operator.settle()
        assert claims(cluster) == {}


@on_virtual_time
async def test_claims_that_go_with_the_job_are_owned_by_it() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        await run(operator, claiming_job(whenDeleted="Delete"))
        uid = cluster.direct.get(PYTORCH_JOBS, NAMESPACE, "job")["metadata"]["uid"]
        assert [owner["uid"] for claim in metadata(cluster) for owner in claim["ownerReferences"]] == [uid, uid]


@on_virtual_time
async def test_a_claim_of_the_user_is_used_and_never_deleted() -> None:
    cluster = Cluster()
    own = {**CLAIM, "metadata": {"name": "data-job-worker-0", "namespace": NAMESPACE}}
    cluster.direct.create(PERSISTENT_VOLUME_CLAIMS, own)
    uid = claims(cluster)["data-job-worker-0"]
    async with cluster.operator() as operator:
        await run(operator, claiming_job(whenFinished="Delete"))
        await finish(operator)
        assert claims(cluster) == {"data-job-worker-0": uid}


@on_virtual_time
async def test_a_claim_of_another_controller_holds_the_job_up() -> None:
    cluster = Cluster()
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": True}
    metadata = {"name": "data-job-worker-0", "namespace": NAMESPACE, "ownerReferences": [owner]}
    cluster.direct.create(PERSISTENT_VOLUME_CLAIMS, {**CLAIM, "metadata": metadata})
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, claiming_job())
        await operator.settle()
        assert cluster.pods() == {}
        message = cluster.status(PYTORCH_JOBS)["conditions"][0]["message"]
        assert "PersistentVolumeClaim data-job-worker-0 exists and belongs to StatefulSet db" in message


@on_virtual_time
async def test_a_group_that_kubernetes_would_refuse_fails_the_job() -> None:
    cluster = Cluster(rules=False)
    async with cluster.operator() as operator:
        job = claiming_job()
        job["spec"]["pytorchReplicaSpecs"]["Worker"]["groups"] = [
            {"name": "a", "replicas": 1, "template": {"spec": {"nodeSelektor": {}}}}
        ]
        cluster.direct.create(PYTORCH_JOBS, job)
        await operator.settle()
        (condition,) = [c for c in cluster.status(PYTORCH_JOBS)["conditions"] if c["type"] == "Failed"]
        assert "Worker.groups[0].template.spec: unknown field 'nodeSelektor'" in condition["message"]
        assert (cluster.pods(), claims(cluster)) == ({}, {})


def metadata(cluster: Cluster) -> list[dict[str, Any]]:
    return [item["metadata"] for item in cluster.direct.list(PERSISTENT_VOLUME_CLAIMS, NAMESPACE)]
