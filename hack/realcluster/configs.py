"""The configuration files and command lines of what runs beside the control plane. Pure.

Each node sees a ``/run`` and a ``/var`` of its own (realcluster.nodes), so paths in these files are those of any node.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from kdl_runtime.codec import yaml
from realcluster.network import DNS_PORT, Network

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
KUBELET_HEALTH_PORT = 10248
DOMAIN = "cluster.local"

CAP_SYS_RESOURCE = 24


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The configuration of one node, all in one directory."""

    directory: Path

    @property
    def containerd(self) -> Path:
        return self.directory / "containerd.toml"

    @property
    def cni(self) -> Path:
        """The directory that the network plugins' configuration is alone in."""
        return self.directory / "cni"

    @property
    def kubelet(self) -> Path:
        return self.directory / "kubelet.yaml"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubelet.kubeconfig"

    @property
    def resolv_conf(self) -> Path:
        return self.directory / "resolv.conf"

    @property
    def sysctls(self) -> Path:
        return self.directory / "sysctls"


def containerd(files: NodeFiles, plugins: str, pause: str) -> str:
    """Version 2 of the format, which containerd 1.6, 1.7 and 2 read."""
    text = json.dumps  # A JSON string is a TOML string.
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = {text(CONTAINERD_SOCKET)}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {text(pause)}
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE nothing may become less likely to be killed than it is.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {text(plugins)}
    conf_dir = {text(str(files.cni))}

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def cni(network: Network, number: int) -> str:
    """A bridge on each node. Pods reach each other, the nodes and the machine by routes, without translation."""
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "kdl",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": True,
                    "ipMasq": False,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": str(network.pods_of(number))}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                }
            ],
        },
        indent=2,
    )


@dataclass(frozen=True, slots=True)
class KubeletPlace:
    """``authority``: the certificate that signs the API server's client certificate."""

    address: IPv4Address
    dns: IPv4Address
    cgroup: str
    authority: Path


def kubelet(files: NodeFiles, place: KubeletPlace) -> str:
    """https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/"""
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(place.address),
        "healthzBindAddress": str(place.address),
        "healthzPort": KUBELET_HEALTH_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(place.authority)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": place.cgroup,
        "failCgroupV1": False,
        "clusterDNS": [str(place.dns)],
        "clusterDomain": DOMAIN,
        "resolvConf": str(files.resolv_conf),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "makeIPTablesUtilChains": False,
        "failSwapOn": False,
        # Lowering it needs CAP_SYS_RESOURCE, and this machine has more important processes than these.
        "oomScoreAdj": 0,
        # The disk is the machine's: it is never full because of this cluster alone, and images cannot be had again.
        "evictionHard": dict.fromkeys(
            ("imagefs.available", "memory.available", "nodefs.available", "nodefs.inodesFree"), "0%"
        ),
        "imageGCHighThresholdPercent": 100,
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
    }
    return yaml.encode(config)


SYSCTLS: Mapping[str, str] = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet would set, for all of the machine. It is shown these values, as files over those of /proc."""


def corefile(address: IPv4Address, kubeconfig: Path) -> str:
    """It knows the cluster's names and no others, for pods have no way out to others."""
    return f"""\
.:{DNS_PORT} {{
    bind {address}
    errors
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 1
    }}
}}
"""


def kubelet_command(binary: str, files: NodeFiles, node: str, address: IPv4Address) -> list[str]:
    return [
        binary,
        f"--config={files.kubelet}",
        f"--kubeconfig={files.kubeconfig}",
        f"--hostname-override={node}",
        f"--node-ip={address}",
        "--root-dir=/var/lib/kubelet",
        "--cert-dir=/var/lib/kubelet/pki",
    ]
