"""The namespaces of a node: its own mounts, network and host name, held by a process that sleeps."""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from realcluster.commands import batch
from realcluster.configs import SYSCTLS, NodeFiles
from realcluster.errors import ClusterError
from realcluster.network import API_SERVICE, Network

BRIDGE = "nodes"
"""The control plane's network interface, to which machine and nodes are connected."""

STATE = ("kubelet", "containerd", "cni", "log")
"""Directories of a node, and where it sees them."""

_READY = "ready"


@dataclass(frozen=True, slots=True)
class NodePlace:
    """``state``: the node's directories, which have to be on a real file system, for containerd's layers."""

    name: str
    number: int
    network: Network
    files: NodeFiles
    state: Path
    cluster: Path


class Sandbox:
    """Namespaces in which programs can be started by ``enter``."""

    def __init__(self, place: NodePlace) -> None:
        self._place = place
        self._holder = _hold(place)
        try:
            _connect(place, self._holder.pid)
        except BaseException:
            self._holder.kill()
            self._holder.wait()
            raise

    @property
    def pid(self) -> int:
        """Of the process that holds them."""
        return self._holder.pid

    @property
    def enter(self) -> list[str]:
        """What to put before a command. It becomes that command, with the same PID."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--uts", "--"]

    def path(self, inside: str) -> Path:
        """A file of the node, as this process can open it."""
        return Path(f"/proc/{self.pid}/root{inside}")


def _hold(place: NodePlace) -> subprocess.Popen[bytes]:
    for name in STATE:
        (place.state / name).mkdir(parents=True, exist_ok=True)
    for name, value in SYSCTLS.items():
        shown = place.files.sysctls / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
    holder = subprocess.Popen(
        ["unshare", "--mount", "--net", "--uts", "--propagation=private", "--", "sh", "-euc", script(place)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert holder.stdout is not None and holder.stderr is not None
    said = holder.stdout.readline().decode().strip()
    if said != _READY:
        problem = holder.stderr.read().decode().strip()
        holder.wait()
        raise ClusterError(f"the file systems of {place.name} cannot be made ready: {problem}")
    holder.stdout.close()
    holder.stderr.close()
    return holder


def script(place: NodePlace) -> str:
    """Run as the first thing in the namespaces. Pure.

    Writes to /run and /var stay with the node, except for what goes into its own directories. The machine's /var can be
    read, for programs and libraries may look there.
    """
    upper, work = "/run/kdl/var/upper", "/run/kdl/var/work"
    cluster = shlex.quote(str(place.cluster))
    lines = [
        # The cluster's own files may be in /var, so they are held open while it is covered.
        f"exec 3<{cluster}",
        "mount -t tmpfs -o mode=755 kdl /run",
        f"mkdir -p {upper} {work} /run/lock",
        f"mount -t overlay -o lowerdir=/var,upperdir={upper},workdir={work} kdl /var",
        f"mkdir -p {cluster}",
        f"mount --bind /proc/self/fd/3 {cluster}",
        "exec 3<&-",
        "mkdir -p /var/log/containers",
    ]
    targets = {"kubelet": "/var/lib/kubelet", "containerd": "/var/lib/containerd", "cni": "/var/lib/cni"}
    for name, target in {**targets, "log": "/var/log/pods"}.items():
        lines.append(f"mkdir -p {target}")
        lines.append(f"mount --bind {shlex.quote(str(place.state / name))} {target}")
    for name in SYSCTLS:
        shown = shlex.quote(str(place.files.sysctls / name))
        lines.append(f"if [ -e /proc/sys/{name} ]; then mount --bind {shown} /proc/sys/{name}; fi")
    lines += [
        # Volumes that a pod mounts with propagation have to reach other pods.
        "mount --make-rshared /",
        f"echo {place.name} >/proc/sys/kernel/hostname",
        *router_settings(),
        f"echo {_READY}",
        "exec >/dev/null 2>&1",
        "exec sleep infinity",
    ]
    return "\n".join(lines)


def router_settings() -> list[str]:
    """Of a network namespace that passes packets on, whose neighbours need not know a shorter way."""
    return [
        "echo 1 >/proc/sys/net/ipv4/ip_forward",
        "echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects",
        "echo 0 >/proc/sys/net/ipv4/conf/default/send_redirects",
    ]


def _connect(place: NodePlace, holder: int) -> None:
    network, number = place.network, place.number
    batch(
        [
            f"link add node{number} type veth peer name eth0 netns {holder}",
            f"link set node{number} master {BRIDGE}",
            f"link set node{number} up",
            f"route add {network.pods_of(number)} via {network.node(number)}",
        ]
    )
    batch(node_links(network, number), ["nsenter", f"--target={holder}", "--net", "--"])


def node_links(network: Network, number: int) -> list[str]:
    """Commands of ``ip`` in the node's network namespace. Pure."""
    return [
        "link set lo up",
        f"address add {network.node(number)}/{network.prefix} dev eth0",
        "link set eth0 up",
        f"route add default via {network.control_plane}",
    ]


def control_plane_links(network: Network) -> list[str]:
    """Commands of ``ip`` in the control plane's network namespace, before machine and nodes are connected. Pure."""
    return [
        "link set lo up",
        f"address add {API_SERVICE}/32 dev lo",
        f"link add {BRIDGE} type bridge",
        f"address add {network.control_plane}/{network.prefix} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ]
