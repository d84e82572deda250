"""Something is killed in the middle of a job. The job succeeds, and its pods, counts and events do not show it."""

import time
from collections import Counter

import pytest

from e2e import operating
from e2e.cluster import Cluster
from e2e.manifests import DIALECTS, PYTORCH, XGBOOST, XGBOOST_KUBEFLOW, Replicas, job
from e2e.namespace import Namespace
from e2e.pod_history import restarts
from e2e.programs import UNTIL_TOLD, Program
from e2e.running_job import RunningJob
from e2e.waiting import until
from kdl_runtime.resources.registry import NODES
from kdl_runtime.types import ObjectKey

OUTAGE_SECONDS = 6
"""How long a component stays away: long enough for the pods to end meanwhile."""
RECOVERY_SECONDS = 180

ROLES = {"Master": Replicas(program=UNTIL_TOLD), "Worker": Replicas(2, Program(seconds=5))}
"""The workers end as they like, also while nobody looks; the master, whose success is the job's, when it is told."""


def assert_it_ends_untouched(namespace: Namespace, running: RunningJob) -> None:
    """The job succeeds: every replica has run once, nothing is charged, and no event was told twice."""
    master, *workers = (f"{running.name}-{replica}" for replica in ("master-0", "worker-0", "worker-1"))
    for name in workers:
        namespace.until_pod(name, "Succeeded", seconds=RECOVERY_SECONDS)
    until("the end that is written", lambda: try_end(namespace, master), seconds=RECOVERY_SECONDS)
    running.until("Succeeded", seconds=RECOVERY_SECONDS)
    seen = sorted(pod["metadata"]["name"] for pod in namespace.history.all() if running.owns(pod))
    assert seen == [master, *workers]
    assert [restarts(pod) for pod in running.pods()] == [0, 0, 0]
    status = running.status()
    assert not status.get("attempts")
    assert not any(role.get("restarts") for role in status["replicaStatuses"].values())
    told = Counter((event["reason"], event.get("note", "")) for event in running.events())
    assert [text for text, times in told.items() if times > 1] == []
    assert not any(event.get("series") for event in running.events())


def wait_until_all_run(running: RunningJob) -> None:
    """A container that is being started when its kubelet or containerd goes fails, as it may."""
    started = {"Running", "Succeeded"}
    until(
        "all three pods",
        lambda: [pod["status"].get("phase") for pod in running.pods()],
        lambda phases: len(phases) == 3 and set(phases) <= started,
    )


def try_end(namespace: Namespace, master: str) -> bool:
    """Whether the master could be told to end: what it takes may not be back yet."""
    try:
        namespace.end(master)
    except AssertionError:
        return False
    return True


def kill_operator(cluster: Cluster) -> None:
    """And wait until it runs again."""
    before = operating.incarnation(cluster)
    cluster.orders.kill("operator")
    cluster.orders.start("operator")
    until("another operator", lambda: operating.incarnation(cluster), lambda found: found not in ("", before))


@pytest.mark.kills("operator")
def test_operator_killed(cluster: Cluster, namespace: Namespace) -> None:
    """Once, at another moment for each of four jobs: as pods end, while it runs, while pods start, at once."""
    ending = namespace.submit(job(XGBOOST, "ending", ROLES))
    wait_until_all_run(ending)
    running = namespace.submit(job(XGBOOST_KUBEFLOW, "running", ROLES))
    running.until("Running")
    until("the end of a pod", lambda: [pod for pod in ending.pods() if pod["status"]["phase"] == "Succeeded"])
    starting = namespace.submit(job(PYTORCH, "starting", ROLES))
    until("a pod", starting.pods)
    new = namespace.submit(job(XGBOOST, "new", ROLES))
    kill_operator(cluster)
    for hit in (ending, running, starting, new):
        assert_it_ends_untouched(namespace, hit)


@pytest.mark.real_pods
def test_operator_pod_deleted(cluster: Cluster, namespace: Namespace) -> None:
    hit = [namespace.submit(job(kind, f"hit-{number}", ROLES)) for number, kind in enumerate(DIALECTS)]
    for running in hit:
        running.until("Running")
    [pod] = operating.pods(cluster)
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], f"--namespace={pod['metadata']['namespace']}")
    for running in hit:
        assert_it_ends_untouched(namespace, running)
    operating.wait_ready(cluster)


@pytest.mark.parametrize(
    "component",
    [
        pytest.param(name, marks=pytest.mark.kills(name))
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "containerd")
    ],
)
def test_component_killed(cluster: Cluster, namespace: Namespace, component: str) -> None:
    running = namespace.submit(job(XGBOOST, "hit", ROLES))
    wait_until_all_run(running)
    cluster.orders.kill(component)
    try:
        time.sleep(OUTAGE_SECONDS)
    finally:
        cluster.orders.start(component)
    assert_it_ends_untouched(namespace, running)


@pytest.mark.kills("kube-apiserver", "operator")
def test_operator_killed_while_there_is_no_api_server(cluster: Cluster, namespace: Namespace) -> None:
    """It comes back first, finds nobody, and waits."""
    running = namespace.submit(job(XGBOOST, "hit", ROLES))
    wait_until_all_run(running)
    cluster.orders.kill("kube-apiserver")
    try:
        cluster.orders.kill("operator")
        time.sleep(OUTAGE_SECONDS)
    finally:
        cluster.orders.start("kube-apiserver")
        cluster.orders.start("operator")
    operating.wait_ready(cluster)
    assert_it_ends_untouched(namespace, running)


@pytest.mark.real_pods
@pytest.mark.kills("kubelet")
@pytest.mark.timeout(600)
def test_a_lost_node(cluster: Cluster, namespace: Namespace) -> None:
    """The kubelet of a node is gone for good: its replica runs again elsewhere, without being charged for it."""
    operators = {pod["spec"]["nodeName"] for pod in operating.pods(cluster)}
    usable = sorted(set(cluster.orders("nodes")) - operators)
    if not usable or len(cluster.orders("nodes")) < 2:
        pytest.skip("needs a node beside the one of the operator")
    lost = usable[0]
    unreachable = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 1,
    }
    spread = {
        "tolerations": [unreachable],
        "affinity": {
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "preference": {
                            "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [lost]}]
                        },
                    }
                ]
            }
        },
    }
    running = namespace.submit(job(XGBOOST, "lost", {"Master": Replicas(program=UNTIL_TOLD, pod=spread)}))
    first = namespace.until_pod("lost-master-0")
    assert first["spec"]["nodeName"] == lost
    running.until("Running")
    component = f"kubelet@{lost}"
    cluster.orders.kill(component)
    try:
        until(
            "another pod",
            lambda: namespace.history.uids("lost-master-0"),
            lambda uids: len(uids) == 2,
            seconds=RECOVERY_SECONDS,
        )
        second = namespace.until_pod("lost-master-0")
        assert second["spec"]["nodeName"] != lost
        namespace.end("lost-master-0")
        running.until("Succeeded")
    finally:
        cluster.orders.start(component)
        until("the node", lambda: is_ready(cluster, namespace, lost), seconds=RECOVERY_SECONDS)
    assert not running.status().get("attempts")
    assert len(namespace.history.uids("lost-master-0")) == 2


def is_ready(cluster: Cluster, namespace: Namespace, name: str) -> bool:
    node = namespace.api(lambda client: client.get(NODES, ObjectKey("", name)))
    conditions = node["status"]["conditions"]
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
