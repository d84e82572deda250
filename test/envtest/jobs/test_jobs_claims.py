"""Claims of single replicas, with the real volume controllers and the real garbage collector."""

from functools import partial
from typing import Any

from envtest.controllers.world import COLLECTION_SECONDS, World, until
from envtest.jobs.elastic import job, pods, resource, running
from kdl_runtime.client.client import ListOptions, Patch, PatchType, WriteOptions
from kdl_runtime.resources.registry import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS

KIND = "JAXJob"
NAMES = ["data-job-worker-0", "data-job-worker-1"]
CLAIM: dict[str, Any] = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def claiming(world: World, **retention: str) -> dict[str, Any]:
    template = {"metadata": CLAIM["metadata"], "spec": {**CLAIM["spec"], "storageClassName": world.namespace}}
    return job(
        KIND,
        2,
        {"runPolicy": {"cleanPodPolicy": "All"}},
        restartPolicy="OnFailure",
        volumeClaimTemplates=[template],
        persistentVolumeClaimRetentionPolicy=retention,
    )


async def with_volumes(world: World) -> None:
    for number in range(2):
        name = f"{world.namespace}-{number}"
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": world.namespace,
            "hostPath": {"path": f"/volumes/{name}"},
        }
        await world.user.create(PERSISTENT_VOLUMES, {"metadata": {"name": name}, "spec": spec})


async def claims(world: World) -> dict[str, dict[str, Any]]:
    found = await world.user.list(PERSISTENT_VOLUME_CLAIMS, world.namespace, ListOptions())
    return {item["metadata"]["name"]: item for item in found}


async def runs(world: World) -> bool:
    return len(await running(world)) == 2


async def start(world: World, **retention: str) -> dict[str, str]:
    """The UIDs of the claims of a job that runs."""
    await with_volumes(world)
    await world.apply(resource(KIND), "job", spec=claiming(world, **retention))
    await until(partial(runs, world), "both workers run with their volumes")
    found = await claims(world)
    assert sorted(found) == NAMES
    assert {claim["status"]["phase"] for claim in found.values()} == {"Bound"}
    return {name: claim["metadata"]["uid"] for name, claim in found.items()}


async def test_a_claim_outlives_its_pod_and_its_job(world: World) -> None:
    before = await start(world)
    old = (await pods(world))["job-worker-1"]["metadata"]["uid"]
    await world.user.delete(PODS, world.key("job-worker-1"))

    async def replaced() -> bool:
        found = (await pods(world)).get("job-worker-1")
        return found is not None and found["metadata"]["uid"] != old and found["status"]["phase"] == "Running"

    await until(replaced, "the pod is replaced")
    volumes = (await pods(world))["job-worker-1"]["spec"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-job-worker-1"}} in volumes
    await world.user.delete(resource(KIND), world.key("job"))

    async def gone() -> bool:
        return not await pods(world) and await world.find(resource(KIND), "job") is None

    await until(gone, "the job has gone", COLLECTION_SECONDS)
    after = await claims(world)
    assert {name: claim["metadata"]["uid"] for name, claim in after.items()} == before
    assert not any("deletionTimestamp" in claim["metadata"] for claim in after.values())


async def test_claims_go_when_the_job_has_finished(world: World) -> None:
    await start(world, whenFinished="Delete")
    for name in await pods(world):
        state = {
            "terminated": {"exitCode": 0, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z"}
        }
        container = {"name": "jax", "image": "a", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        patch = Patch(PatchType.MERGE, {"status": {"phase": "Succeeded", "containerStatuses": [container]}})
        await world.user.patch(PODS, world.key(name), patch, WriteOptions(subresource="status"))

    async def gone() -> bool:
        return not await claims(world)

    await until(gone, "the claims have gone")
    found = await world.find(resource(KIND), "job")
    assert found is not None
    assert found["status"]["conditions"][-1]["type"] == "Succeeded"


async def test_claims_go_with_the_job(world: World) -> None:
    await start(world, whenDeleted="Delete")
    await world.user.delete(resource(KIND), world.key("job"))

    async def gone() -> bool:
        return not await claims(world)

    await until(gone, "the claims have gone", COLLECTION_SECONDS)
