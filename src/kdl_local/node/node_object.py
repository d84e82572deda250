"""The Node object and the heartbeat of a node."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.pods import with_condition
from kdl_local.resources import LEASES, NODE_LEASES_NAMESPACE, NODES
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_micro_time, format_time
from kdl_runtime.errors import AlreadyExists, NotFound

Object = Mapping[str, Any]

HEARTBEAT_SECONDS = 10.0
LEASE_SECONDS = 40

_READY = {
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What a node says of itself. ``capacity`` maps resources to quantities; all of it is allocatable."""

    name: str
    address: str
    capacity: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    runtime: str = "kdl"
    extra_conditions: tuple[Mapping[str, str], ...] = ()
    taints: tuple[Mapping[str, str], ...] = ()


class NodeRegistration:
    """Registers a node and keeps it Ready. Each node has one; it owns nothing but its Node and its Lease."""

    def __init__(self, direct: Direct, clock: Clock, identity: NodeIdentity) -> None:
        self._direct = direct
        self._clock = clock
        self._identity = identity

    def register(self) -> None:
        """Creates the Node, or takes over the one of that name, and sends a first heartbeat."""
        identity = self._identity
        labels = {
            "kubernetes.io/hostname": identity.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": _architecture(),
            **identity.labels,
        }
        node = {"metadata": {"name": identity.name, "labels": labels}, "spec": self._spec(), "status": self._status([])}
        try:
            self._direct.create(NODES, node)
        except AlreadyExists:
            current = self._direct.get(NODES, "", identity.name)
            self._direct.patch(NODES, "", identity.name, {"metadata": {"labels": labels}})
            self._write_status(current)
        self._renew()

    def heartbeat(self) -> None:
        """Renews the Lease, and says Ready again if somebody has come to another conclusion meanwhile.

        A Node that was deleted is not made again: like a kubelet's, it comes back when the cluster starts anew.
        """
        node = self._direct.find(NODES, "", self._identity.name)
        if node is None:
            return
        self._renew()
        ready = [item for item in (node.get("status") or {}).get("conditions") or () if item["type"] == "Ready"]
        if not ready or ready[0]["status"] != "True":
            self._write_status(node)

    def _spec(self) -> dict[str, Any]:
        taints = [dict(taint) for taint in self._identity.taints]
        return {"taints": taints} if taints else {}

    def _write_status(self, node: Object) -> None:
        conditions = (node.get("status") or {}).get("conditions") or []
        patch = {"status": self._status(conditions)}
        self._direct.patch(NODES, "", self._identity.name, patch, subresource="status")

    def _renew(self) -> None:
        spec = {
            "holderIdentity": self._identity.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": format_micro_time(self._clock.now()),
        }
        try:
            self._direct.patch(LEASES, NODE_LEASES_NAMESPACE, self._identity.name, {"spec": spec})
        except NotFound:
            metadata = {"name": self._identity.name, "namespace": NODE_LEASES_NAMESPACE}
            self._direct.create(LEASES, {"metadata": metadata, "spec": spec})

    def _status(self, conditions: list[Any]) -> dict[str, Any]:
        now = format_time(self._clock.now())
        identity = self._identity
        new: list[Mapping[str, Any]] = [
            {"type": type_, "status": status, "reason": reason, "message": message}
            for type_, (status, reason, message) in _READY.items()
        ]
        result: list[Object] = conditions
        for item in (*new, *identity.extra_conditions):
            result = with_condition(result, {**item, "lastHeartbeatTime": now}, now)
        return {
            "capacity": dict(identity.capacity),
            "allocatable": dict(identity.capacity),
            "conditions": result,
            "addresses": [
                {"type": "InternalIP", "address": identity.address},
                {"type": "Hostname", "address": identity.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": node_info(identity.runtime),
        }


def node_info(runtime: str) -> dict[str, str]:
    uname = platform.uname()
    return {
        "architecture": _architecture(),
        "bootID": "",
        "containerRuntimeVersion": f"{runtime}://1",
        "kernelVersion": uname.release,
        "kubeProxyVersion": "",
        "kubeletVersion": f"v1.37.0+{runtime}",
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": "the host's own" if runtime == "process" else "none",
        "systemUUID": "",
    }


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
