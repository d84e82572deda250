"""Roles that wait for others: how far all pods of a role have come before the next one's are made."""

import pytest

from e2e.manifests import XGBOOST_KUBEFLOW, Object, Replicas, job
from e2e.namespace import Namespace
from e2e.programs import UNTIL_TOLD
from e2e.running_job import RunningJob
from e2e.waiting import until

MASTER, WORKERS = "line-master-0", ("line-worker-0", "line-worker-1")
READY = {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1}


def waiting(phase: str, probe: Object | None = None) -> Object:
    """A Master that waits for two Workers."""
    roles = {"Master": Replicas(program=UNTIL_TOLD), "Worker": Replicas(2, UNTIL_TOLD)}
    manifest = job(XGBOOST_KUBEFLOW, "line", roles)
    specs = manifest["spec"]["xgbReplicaSpecs"]
    specs["Master"]["dependsOn"] = [{"upstream": "Worker", "onPhase": phase}]
    if probe is not None:
        specs["Worker"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe
    return manifest


def ended_well(namespace: Namespace, running: RunningJob, *names: str) -> None:
    """The Master comes, and it and the others that are named end."""
    namespace.until_pod(MASTER)
    for name in (*names, MASTER):
        namespace.end(name)
    running.until("Succeeded")


def created(namespace: Namespace, name: str) -> str:
    return str(namespace.history.named(name)[0]["metadata"]["creationTimestamp"])


def test_after_all_have_succeeded(namespace: Namespace) -> None:
    running = namespace.submit(waiting("Succeeded"))
    for name in WORKERS:
        namespace.until_pod(name)
    namespace.end(WORKERS[0])
    until("its success", lambda: running.replica_status("Worker").get("succeededIndexes"), lambda found: found == "0")
    assert MASTER not in namespace.pod_names()
    namespace.end(WORKERS[1])
    ended_well(namespace, running)
    assert len(namespace.history.all()) == 3


def test_after_all_run(namespace: Namespace) -> None:
    running = namespace.submit(waiting("Running"))
    namespace.until_pod(MASTER)
    assert all(created(namespace, name) <= created(namespace, MASTER) for name in WORKERS)
    assert running.replica_status("Worker")["active"] == 2
    ended_well(namespace, running, *WORKERS)


@pytest.mark.real_pods
def test_after_all_are_ready(namespace: Namespace) -> None:
    """A probe of the kubelet decides, and not that the container runs."""
    running = namespace.submit(waiting("Ready", READY))
    for name in WORKERS:
        namespace.until_pod(name)
    namespace.kubectl("exec", WORKERS[0], "--", "touch", "/tmp/ready")
    first = ("wait", "--for=condition=Ready", f"pod/{WORKERS[0]}", "--timeout=60s")
    namespace.kubectl(*first)
    assert MASTER not in namespace.pod_names()
    namespace.kubectl("exec", WORKERS[1], "--", "touch", "/tmp/ready")
    ended_well(namespace, running, *WORKERS)
