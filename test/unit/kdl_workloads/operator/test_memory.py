"""What jobs cost that have finished."""

import gc
import tracemalloc

from kdl_runtime.codec.times import format_time
from kdl_runtime.types import ObjectKey
from unit.kdl_workloads.operator.cluster import (
    NAMESPACE,
    PYTORCH_JOBS,
    START,
    Cluster,
    on_virtual_time,
    pytorch_job,
)

JOBS = 800
TEMPLATE_BYTES = 5_000
MOST_BYTES = 2_000


def finished_jobs(cluster: Cluster) -> None:
    now = format_time(START)
    condition = {"reason": "r", "message": "m" * 80, "lastUpdateTime": now, "lastTransitionTime": now}
    conditions = [{**condition, "type": t, "status": s} for t, s in (("Running", "False"), ("Succeeded", "True"))]
    for number in range(JOBS):
        job = pytorch_job(f"job-{number}", cleanPodPolicy="All", ttlSecondsAfterFinished=10**9)
        for spec in job["spec"]["pytorchReplicaSpecs"].values():
            env = [{"name": "TEXT", "value": "x" * TEMPLATE_BYTES}]
            spec["template"]["spec"]["containers"][0]["env"] = env
        job["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "x" * TEMPLATE_BYTES}
        cluster.direct.create(PYTORCH_JOBS, job)
        status = {"conditions": conditions, "completionTime": now, "replicaStatuses": {}}
        cluster.direct.patch(PYTORCH_JOBS, NAMESPACE, f"job-{number}", {"status": status}, "status")


@on_virtual_time
async def test_a_finished_job_costs_its_metadata_only() -> None:
    cluster = Cluster()
    finished_jobs(cluster)
    async with cluster.operator() as operator:
        # The API server builds what it keeps of a list before anything is measured.
        await operator.settle()
    tracemalloc.start()
    try:
        async with cluster.operator() as operator:
            await operator.settle()
            gc.collect()
            allocated, _ = tracemalloc.get_traced_memory()
            informer = operator.manager.cache.informer(PYTORCH_JOBS)
            assert len(informer) == JOBS
            assert informer.raw(ObjectKey(NAMESPACE, "job-7")) is None
    finally:
        tracemalloc.stop()
    each = allocated / JOBS
    print(f"{each:.0f} bytes for each finished job")
    assert each < MOST_BYTES
