"""Nodes that kwok plays: their pods only seem to run, as the pods' annotations ``kdl.io/fake-…`` say.

The same manifests work on the fake nodes of the local cluster (docs/local-cluster.md). With kwok seconds are whole
ones, rounded up, and pods have no log.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdl_local.node.fake import FAKE_TAINT
from kdl_local.node.node_object import node_info
from kdl_runtime.client.client import Client, ListOptions
from kdl_runtime.errors import AlreadyExists, KdlError
from kdl_runtime.resources.registry import NODES

CONFIGURATION = Path(__file__).with_name("fake_nodes.yaml")
"""kwok's configuration: which nodes it plays and how."""

LABEL = ("type", "fake")
"""The label of the nodes that kwok plays. A node that loses it falls silent, as if its machine had gone."""

CAPACITY: Mapping[str, str] = {"cpu": "32", "memory": "256Gi", "pods": "110"}

READY_SECONDS = 60.0
_POLL_SECONDS = 0.1
_PARALLEL = 8


class FakeNodesError(KdlError):
    """Nodes do not become Ready."""


@dataclass(frozen=True, slots=True)
class FakeNodes:
    """``count`` nodes named ``<prefix>-<i>`` from 0, each with this ``capacity``. ``tainted``: only pods that tolerate
    ``kdl.io/fake`` come to them, for clusters that have real nodes as well."""

    count: int = 1
    tainted: bool = False
    prefix: str = "fake"
    capacity: Mapping[str, str] = field(default_factory=lambda: dict(CAPACITY))
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [f"{self.prefix}-{index}" for index in range(self.count)]


async def create(client: Client, nodes: FakeNodes, timeout: float = READY_SECONDS) -> list[str]:
    """Makes the nodes that are not there yet and waits until kwok has made all of them Ready. Their names."""
    wanted = [manifest(nodes, index) for index in range(nodes.count)]
    for start in range(0, len(wanted), _PARALLEL):
        async with asyncio.TaskGroup() as group:
            for node in wanted[start : start + _PARALLEL]:
                group.create_task(_create(client, node))
    waiting = set(nodes.names)
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        found = await client.list(NODES, "", ListOptions(label_selector="=".join(LABEL)))
        waiting -= {node["metadata"]["name"] for node in found if _is_ready(node)}
        if not waiting:
            return nodes.names
        if asyncio.get_running_loop().time() >= deadline:
            missing = ", ".join(sorted(waiting))
            raise FakeNodesError(f"not Ready after {timeout:g} s: {missing}. Does kwok run, and what is in its log?")
        await asyncio.sleep(_POLL_SECONDS)


async def _create(client: Client, node: Mapping[str, Any]) -> None:
    with suppress(AlreadyExists):
        await client.create(NODES, node)


def manifest(nodes: FakeNodes, index: int) -> dict[str, Any]:
    """The node as it is created; kwok adds the conditions."""
    name = nodes.names[index]
    key, value = LABEL
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **nodes.labels, key: value},
        },
        "spec": {"taints": [dict(FAKE_TAINT)]} if nodes.tainted else {},
        "status": {
            "capacity": dict(nodes.capacity),
            "allocatable": dict(nodes.capacity),
            "addresses": [
                {"type": "InternalIP", "address": f"10.{16 + index // 65536}.{index // 256 % 256}.{index % 256}"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": node_info("fake"),
        },
    }


def _is_ready(node: Mapping[str, Any]) -> bool:
    """Ready, and without the taints that keep the scheduler from it until somebody has seen that."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    taints = (node.get("spec") or {}).get("taints") or ()
    untouched = not any(taint["key"].startswith("node.kubernetes.io/") for taint in taints)
    return untouched and any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
