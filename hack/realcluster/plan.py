"""What a cluster is to be: written by ``up`` and read by the processes that it starts."""

from pathlib import Path

import msgspec

from kdl_testing.envtest.options import API_SERVER, CONTROLLER_MANAGER, ETCD, KWOK, SCHEDULER

COREDNS = "coredns"
KUBELET = "kubelet"
CONTAINERD = "containerd"
PER_NODE = (CONTAINERD, KUBELET)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """``binaries``: of Kubernetes, by name. ``path``: where containerd finds its helpers. ``cni``: the directory of
    the network plugins. ``images``: archives without which no pod runs. ``more_images``: archives that every node
    gets by way of the ``image_store``, a directory."""

    nodes: int = 1
    fake_nodes: int = 0
    binaries: dict[str, str]
    path: list[str]
    cni: str
    pause: str
    images: list[str]
    more_images: list[str] = []
    image_store: str = ""

    @property
    def node_names(self) -> list[str]:
        return [f"node-{number}" for number in range(1, self.nodes + 1)]

    @property
    def control_plane(self) -> tuple[str, ...]:
        return control_plane_components(self.fake_nodes)

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self))


def read(path: Path) -> Plan:
    return msgspec.json.decode(path.read_bytes(), type=Plan)


def control_plane_components(fake_nodes: int) -> tuple[str, ...]:
    return (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, *((KWOK,) if fake_nodes else ()))


def binaries_needed(fake_nodes: int) -> tuple[str, ...]:
    return (*control_plane_components(fake_nodes), KUBELET, COREDNS)
