"""Many jobs at once, on fake nodes: all succeed. What it costs is reported, and nothing is asserted about time."""

import time
from collections.abc import Callable

import pytest

from e2e import operating
from e2e.cluster import Cluster
from e2e.manifests import KINDS, job, master_and_workers
from e2e.namespace import Namespace, fake_nodes
from e2e.programs import Program
from e2e.waiting import until
from kdl_local.node.fake import FAKE_TAINT
from kdl_testing.envtest.fake_nodes import LABEL

JOBS = 100
LEAST_NODES = 50
ON_FAKE_NODES = {
    "nodeSelector": dict([LABEL]),
    "tolerations": [{"key": FAKE_TAINT["key"], "operator": "Exists"}],
}
MEASURED = "measured"


@pytest.mark.timeout(600)
def test_100_jobs_of_3_pods(
    cluster: Cluster, namespace: Namespace, record_property: Callable[[str, object], None]
) -> None:
    nodes = fake_nodes(namespace.api)
    if len(nodes) < LEAST_NODES:
        pytest.skip(f"needs {LEAST_NODES} fake nodes, and there are {len(nodes)}")
    requests, cpu = (
        operating.total(cluster, name) for name in ("rest_client_requests_total", "process_cpu_seconds_total")
    )
    begin = time.monotonic()
    jobs = []
    for number in range(JOBS):
        kind = KINDS[number % len(KINDS)]
        roles = master_and_workers(kind, 2, Program(seconds=2), pod=ON_FAKE_NODES)
        jobs.append(namespace.submit(job(kind, f"job-{number}", roles)))
    for each in jobs:
        each.until("Succeeded", seconds=300)
    seconds = time.monotonic() - begin
    requests = operating.total(cluster, "rest_client_requests_total") - requests
    cpu = operating.total(cluster, "process_cpu_seconds_total") - cpu
    memory = operating.total(cluster, "process_resident_memory_bytes") / 2**20
    record_property(
        MEASURED,
        f"{JOBS} jobs of 3 pods on {len(nodes)} fake nodes in {seconds:.0f} s; the operator: {requests / JOBS:.1f} "
        f"requests and {1000 * cpu / JOBS:.0f} ms of CPU a job, {memory:.0f} MiB",
    )
    pods = until("all pods", namespace.history.all, lambda found: len(found) >= 3 * JOBS)
    assert len(pods) == 3 * JOBS, "no pod was made twice"
    assert {pod["spec"]["nodeName"] for pod in pods} <= nodes
    assert all(each.conditions()["Succeeded"]["status"] == "True" for each in jobs)
