"""Replicas that fail, are killed, deleted or restarted: how often each runs, and what is counted."""

import pytest

from e2e.manifests import DIALECTS, XGBOOST, Kind, Replicas, job
from e2e.namespace import Namespace
from e2e.pod_history import restarts
from e2e.programs import UNTIL_TOLD, Program, out_of_memory
from e2e.waiting import until

BY_DIALECT = pytest.mark.parametrize("kind", DIALECTS, ids=str)


@BY_DIALECT
def test_a_retryable_exit_code_replaces_the_pod(namespace: Namespace, kind: Kind) -> None:
    roles = {"Master": Replicas(program=UNTIL_TOLD, restart_policy="ExitCode")}
    running = namespace.submit(job(kind, "again", roles, backoffLimit=3))
    first = namespace.until_pod("again-master-0")["metadata"]["uid"]
    namespace.end("again-master-0", 137)
    until("another pod", lambda: namespace.history.uids("again-master-0"), lambda uids: len(uids) == 2)
    namespace.until_pod("again-master-0")
    namespace.end("again-master-0", 0)
    running.until("Succeeded")
    assert len(namespace.history.uids("again-master-0")) == 2
    assert namespace.history.uids("again-master-0")[0] == first
    assert running.replica_status("Master")["restarts"] == 1
    assert running.status()["firstFailure"]["exitCode"] == 137
    until(
        "the event", running.reasons, lambda found: [reason.endswith("Restarting") for reason in found].count(True) == 1
    )


@BY_DIALECT
def test_a_permanent_exit_code_ends_the_job(namespace: Namespace, kind: Kind) -> None:
    roles = {"Master": Replicas(program=UNTIL_TOLD, restart_policy="ExitCode")}
    running = namespace.submit(job(kind, "broken", roles, backoffLimit=3))
    namespace.until_pod("broken-master-0")
    namespace.end("broken-master-0", 2)
    running.until("Failed")
    assert len(namespace.history.all()) == 1
    assert running.status()["firstFailure"]["exitCode"] == 2
    assert running.status()["firstFailure"]["pod"] == "broken-master-0"


@BY_DIALECT
def test_a_replica_that_has_succeeded_never_runs_again(namespace: Namespace, kind: Kind) -> None:
    roles = {"Master": Replicas(program=UNTIL_TOLD), "Worker": Replicas(2, UNTIL_TOLD)}
    running = namespace.submit(job(kind, "done", roles))
    for name in ("done-master-0", "done-worker-0", "done-worker-1"):
        namespace.until_pod(name)
    namespace.end("done-worker-0")
    until("its success", lambda: running.replica_status("Worker").get("succeededIndexes"), lambda found: found == "0")
    namespace.delete_pod("done-worker-0")
    until("its end", namespace.pod_names, lambda names: "done-worker-0" not in names)
    # Something else has to happen after it, so that not to see the pod again means something.
    namespace.delete_pod("done-worker-1")
    until("the other's next pod", lambda: namespace.history.uids("done-worker-1"), lambda uids: len(uids) == 2)
    namespace.until_pod("done-worker-1")
    namespace.end("done-worker-1")
    namespace.end("done-master-0")
    running.until("Succeeded")
    assert len(namespace.history.uids("done-worker-0")) == 1
    assert len(namespace.history.uids("done-master-0")) == 1


@BY_DIALECT
def test_a_deleted_pod_is_replaced_and_charged_to_nobody(namespace: Namespace, kind: Kind) -> None:
    running = namespace.submit(job(kind, "bounced", {"Master": Replicas(program=UNTIL_TOLD)}, backoffLimit=0))
    namespace.until_pod("bounced-master-0")
    running.until("Running")
    namespace.delete_pod("bounced-master-0")
    until("another pod", lambda: namespace.history.uids("bounced-master-0"), lambda uids: len(uids) == 2)
    namespace.until_pod("bounced-master-0")
    namespace.end("bounced-master-0")
    running.until("Succeeded")
    assert not running.status().get("attempts")


@BY_DIALECT
def test_an_evicted_pod_is_replaced(namespace: Namespace, kind: Kind) -> None:
    """By the eviction API, as a drain does it: restart policy Never does not stand in the way."""
    running = namespace.submit(job(kind, "drained", {"Master": Replicas(program=UNTIL_TOLD)}, backoffLimit=0))
    namespace.until_pod("drained-master-0")
    running.until("Running")
    path = f"/api/v1/namespaces/{namespace.name}/pods/drained-master-0/eviction"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "drained-master-0"}}
    namespace.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=eviction)
    until("another pod", lambda: namespace.history.uids("drained-master-0"), lambda uids: len(uids) == 2)
    namespace.until_pod("drained-master-0")
    namespace.end("drained-master-0")
    running.until("Succeeded")


@pytest.mark.real_pods
def test_the_kubelet_restarts_a_container(namespace: Namespace) -> None:
    """Policy OnFailure: the same pod goes on, and its restarts are charged."""
    # The directory outlives the container, so that its second run ends well.
    script = "[ -f /state/ran ] && exit 0; touch /state/ran; exit 1"
    template = {
        "containers": [
            {
                "name": XGBOOST.container,
                "image": "docker.io/kdl/busybox:1",
                "command": ["sh", "-c", script],
                "volumeMounts": [{"name": "state", "mountPath": "/state"}],
            }
        ],
        "volumes": [{"name": "state", "emptyDir": {}}],
    }
    replicas = Replicas(restart_policy="OnFailure", pod=template)
    running = namespace.submit(job(XGBOOST, "stubborn", {"Master": replicas}, backoffLimit=2))
    running.until("Succeeded")
    [pod] = namespace.history.all()
    assert restarts(pod) == 1
    assert running.status()["attempts"] == 1
    assert running.replica_status("Master")["restarts"] == 1


@pytest.mark.real_pods
def test_out_of_memory(namespace: Namespace) -> None:
    """A real limit: the kernel kills the program, and the job tells of it."""
    running = namespace.submit(job(XGBOOST, "hungry", {"Master": Replicas(pod=out_of_memory(XGBOOST.container))}))
    running.until("Failed")
    assert running.status()["firstFailure"]["exitCode"] == 137


@pytest.mark.real_pods
@pytest.mark.kills("kubelet")
def test_a_program_that_is_killed_on_its_node(namespace: Namespace) -> None:
    """Its signal is told as an exit code, which restart policy ExitCode takes for retryable."""
    roles = {"Master": Replicas(program=Program(seconds=None), restart_policy="ExitCode")}
    running = namespace.submit(job(XGBOOST, "shot", roles, backoffLimit=1))
    uid = namespace.until_pod("shot-master-0")["metadata"]["uid"]
    namespace.cluster.orders("kill-pod", uid=uid)
    until("another pod", lambda: namespace.history.uids("shot-master-0"), lambda uids: len(uids) == 2)
    namespace.until_pod("shot-master-0")
    namespace.end("shot-master-0")
    running.until("Succeeded")
    assert running.status()["firstFailure"]["exitCode"] == 137
