"""The operator under test, as its users see it: its pods, or its process, and its metrics."""

from collections.abc import Iterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from e2e.cluster import OPERATOR, OPERATOR_NAMESPACE, Cluster
from kdl_runtime.codec.json import decode

METRICS_PATH = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/services/{OPERATOR}-metrics:metrics/proxy/metrics"
"""Through the API server, which only cluster administrators may."""


def metrics_text(cluster: Cluster) -> str:
    if cluster.real_pods:
        return cluster.kubectl("get", "--raw", METRICS_PATH)
    return str(cluster.orders("operator-metrics"))


def total(cluster: Cluster, name: str, **labels: str) -> float:
    """The sum of all series of a metric that carry the labels; 0 if there is none."""
    return sum(value for found, value in _samples(cluster, name) if labels.items() <= found.items())


def _samples(cluster: Cluster, name: str) -> Iterator[tuple[dict[str, str], float]]:
    # The parser gives every counter the ending that OpenMetrics asks for.
    names = {name, f"{name}_total"}
    for family in text_string_to_metric_families(metrics_text(cluster)):
        for sample in family.samples:
            if sample.name in names:
                yield sample.labels, sample.value


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    """Of the operator; none where it runs as a process."""
    listed = cluster.kubectl("get", "pods", f"--namespace={OPERATOR_NAMESPACE}", "-o", "json")
    return [pod for pod in decode(listed.encode())["items"] if pod["metadata"]["name"].startswith(OPERATOR)]


def incarnation(cluster: Cluster) -> str:
    """What changes whenever the operator is started again."""
    if not cluster.real_pods:
        return str(cluster.orders("operator-pid"))
    return ", ".join(
        sorted(
            f"{pod['metadata']['uid']} {status['restartCount']}"
            for pod in pods(cluster)
            for status in pod["status"].get("containerStatuses", ())
        )
    )


def wait_ready(cluster: Cluster) -> None:
    """Until the operator answers that it is ready."""
    if cluster.real_pods:
        rollout = ("rollout", "status", f"deployment/{OPERATOR}", f"--namespace={OPERATOR_NAMESPACE}", "--timeout=80s")
        cluster.kubectl(*rollout)
    else:
        cluster.orders("operator-ready")
