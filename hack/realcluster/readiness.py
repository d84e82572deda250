"""Waiting until pods can run in a cluster, whatever it is made of."""

import time
from collections.abc import Sequence

from kdl_runtime.client.client import Client
from kdl_runtime.errors import ApiError, TransportError
from kdl_runtime.resources.registry import NODES, SERVICE_ACCOUNTS
from kdl_runtime.types import ObjectKey
from kdl_testing.envtest.cluster import Cluster
from realcluster.errors import ClusterError

READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
_NOT_READY_TAINTS = "node.kubernetes.io/"


def wait(cluster: Cluster, nodes: Sequence[str], hint: str) -> None:
    """Until all these nodes are Ready and pods have a service account. ClusterError, which ends with the hint."""
    deadline = time.monotonic() + READY_SECONDS
    while problem := _problem(cluster, nodes):
        if time.monotonic() >= deadline:
            raise ClusterError(f"after {READY_SECONDS:g} s {problem}. {hint}")
        time.sleep(_POLL_SECONDS)


def _problem(cluster: Cluster, nodes: Sequence[str]) -> str:
    try:
        return cluster.call(lambda client: lacking(client, nodes))
    except (ApiError, TransportError) as error:
        return str(error)


async def lacking(client: Client, nodes: Sequence[str]) -> str:
    """What pods still wait for; "" if for nothing."""
    found = {node["metadata"]["name"]: node for node in await client.list(NODES)}
    for name in nodes:
        if name not in found:
            return f"{name} has not registered"
        conditions = {item["type"]: item for item in found[name].get("status", {}).get("conditions", ())}
        condition = conditions.get("Ready", {})
        if condition.get("status") != "True":
            return f"{name} is not Ready: {condition.get('message', 'its kubelet has not said why')}"
        if any(taint["key"].startswith(_NOT_READY_TAINTS) for taint in found[name]["spec"].get("taints", ())):
            return f"{name} still has the taint of a node that is not ready"
    try:
        await client.get(SERVICE_ACCOUNTS, ObjectKey("default", "default"))
    except ApiError:
        return "the namespace default has no service account yet"
    return ""
