"""The end: what was installed goes, and with it everything that it made."""

from e2e.cluster import DEPLOY, OPERATOR, OPERATOR_NAMESPACE, Cluster
from e2e.manifests import DIALECTS, Replicas, job
from e2e.namespace import Namespace
from e2e.programs import UNTIL_TOLD
from e2e.waiting import until
from kdl_runtime.resources.registry import PODS

GROUPS = ("training.kubedl.io", "kubeflow.org")


def test_nothing_is_left(cluster: Cluster, namespace: Namespace) -> None:
    """Jobs first, as the documentation tells, one of them in the middle of its run; then the operator."""
    jobs = [
        namespace.submit(job(kind, f"last-{number}", {"Master": Replicas(program=UNTIL_TOLD)}))
        for number, kind in enumerate(DIALECTS)
    ]
    for each in jobs:
        namespace.until_pod(f"{each.name}-master-0")
    for group in GROUPS:
        names = cluster.kubectl("api-resources", f"--api-group={group}", "--verbs=list", "-o", "name").split()
        assert names
        cluster.kubectl("delete", ",".join(names), "--all", "--all-namespaces", "--timeout=60s")
    cluster.kubectl("delete", "-k", str(DEPLOY), "--ignore-not-found", "--timeout=80s")
    assert named(cluster, "customresourcedefinitions") == []
    assert named(cluster, "clusterroles,clusterrolebindings,priorityclasses") == []
    assert named(cluster, "roles,rolebindings,serviceaccounts,services,deployments,leases", "--all-namespaces") == []
    assert cluster.try_kubectl("get", "namespace", OPERATOR_NAMESPACE).returncode != 0
    held = until(
        "pods without our finalizer",
        lambda: [
            pod["metadata"]["name"]
            for pod in namespace.api(lambda client: client.list(PODS))
            if any(finalizer.startswith("kdl.io/") for finalizer in pod["metadata"].get("finalizers") or ())
        ],
        lambda found: not found,
    )
    assert held == []


def named(cluster: Cluster, kinds: str, *options: str) -> list[str]:
    """The objects of these kinds that are called as ours are."""
    found = cluster.kubectl("get", kinds, "-o", "name", *options).split()
    return [name for name in found if OPERATOR in name or any(name.endswith(group) for group in GROUPS)]
