"""Jobs that another operator runs are taken over: their pods, on real nodes, do not notice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e import operating
from e2e.cluster import OPERATOR, OPERATOR_NAMESPACE, Cluster
from e2e.manifests import DIALECTS, Kind, Replicas, job
from e2e.namespace import Namespace
from e2e.programs import UNTIL_TOLD
from e2e.waiting import until
from kdl_cli.main import run
from kdl_runtime.resources.registry import PODS
from kdl_workloads.dialects.registry import dialect_for

ROLES = {"Master": Replicas(program=UNTIL_TOLD), "Worker": Replicas(2, UNTIL_TOLD)}
REPLICAS = (("Master", 0), ("Worker", 0), ("Worker", 1))


@pytest.fixture
def no_operator(cluster: Cluster) -> Iterator[None]:
    """Nobody looks at jobs until the test has the operator started, or ends."""
    scale(cluster, 0)
    until("no operator", lambda: operating.pods(cluster), lambda found: not found)
    yield
    scale(cluster, 1)
    operating.wait_ready(cluster)


def scale(cluster: Cluster, replicas: int) -> None:
    cluster.kubectl("scale", f"deployment/{OPERATOR}", f"--namespace={OPERATOR_NAMESPACE}", f"--replicas={replicas}")


@pytest.mark.real_pods
@pytest.mark.usefixtures("no_operator")
def test_pods_of_another_operator_run_on(cluster: Cluster, namespace: Namespace, tmp_path: Path) -> None:
    kept = [namespace.submit(job(kind, f"kept-{number}", ROLES)) for number, kind in enumerate(DIALECTS)]
    pods = [pod_of(running.kind, running.object(), *replica) for running in kept for replica in REPLICAS]
    names = sorted(pod["metadata"]["name"] for pod in pods)
    for pod in pods:
        create(namespace, pod)
    for name in names:
        namespace.until_pod(name, "Running")
    snapshot = tmp_path / "before.json"
    assert kdl(cluster, "migrate", "cluster", "--apply", "--snapshot", str(snapshot)) == 0

    scale(cluster, 1)
    operating.wait_ready(cluster)
    for running in kept:
        running.until("Running")
    assert kdl(cluster, "migrate", "verify", str(snapshot)) == 0
    for name in names:
        namespace.end(name)
    for running in kept:
        running.until("Succeeded")
    assert sorted(pod["metadata"]["name"] for pod in namespace.history.all()) == names


def create(namespace: Namespace, pod: dict[str, Any]) -> None:
    namespace.api(lambda client: client.create(PODS, pod))


def kdl(cluster: Cluster, *arguments: str) -> int:
    return run([*arguments, "--kubeconfig", str(cluster.kubeconfig)])


def pod_of(kind: Kind, stored: dict[str, Any], role: str, index: int) -> dict[str, Any]:
    """As the other operator makes it: our group's labels and owner, and nothing of ours."""
    dialect, metadata = dialect_for(kind.api_version), stored["metadata"]
    found = dialect.outline(stored)
    owner = {"apiVersion": kind.api_version, "kind": kind.name, "name": metadata["name"], "uid": metadata["uid"]}
    template = stored["spec"][kind.replica_specs_field][role]["template"]
    return {
        "metadata": {
            "name": found.child_name(role, index),
            "namespace": metadata["namespace"],
            "labels": dialect.labels(found, role, index, master=role == "Master"),
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {**template["spec"], "restartPolicy": "Never"},
    }
