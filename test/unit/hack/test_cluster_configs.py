"""What the programs of a node are told."""

import json
import tomllib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from kdl_runtime.codec import yaml
from realcluster import configs
from realcluster.configs import SYSCTLS, KubeletPlace, NodeFiles
from realcluster.network import Network
from realcluster.sandbox import NodePlace, script

FILES = NodeFiles(Path("/state/it's here/node-1/config"))
NETWORK = Network(IPv4Network("10.207.0.0/16"))


def test_containerd_uses_the_plugins_and_the_pause_image_that_it_is_given() -> None:
    config = tomllib.loads(configs.containerd(FILES, "/opt/cni/bin", "docker.io/kdl/pause:1"))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "docker.io/kdl/pause:1"
    assert cri["cni"] == {"bin_dir": "/opt/cni/bin", "conf_dir": str(FILES.cni)}
    assert config["grpc"]["address"] == configs.CONTAINERD_SOCKET


def test_pods_of_a_node_get_addresses_of_that_node() -> None:
    [plugin] = json.loads(configs.cni(NETWORK, 2))["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.207.130.0/24"}]]
    assert plugin["ipMasq"] is False


def test_the_kubelet_lets_nobody_in_whom_the_api_server_does_not_know() -> None:
    place = KubeletPlace(IPv4Address("10.207.0.11"), IPv4Address("10.207.0.2"), "/kdl-a/node-1", Path("/pki/ca.crt"))
    config = yaml.decode(configs.kubelet(FILES, place))
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert config["authentication"]["x509"] == {"clientCAFile": "/pki/ca.crt"}
    assert config["authorization"] == {"mode": "Webhook"}
    assert config["cgroupRoot"] == "/kdl-a/node-1"
    assert config["clusterDNS"] == ["10.207.0.2"]
    assert config["address"] == config["healthzBindAddress"] == "10.207.0.11"


def test_the_kubelet_is_told_its_files_and_its_name() -> None:
    command = configs.kubelet_command("/bin/kubelet", FILES, "node-1", IPv4Address("10.207.0.11"))
    assert command[0] == "/bin/kubelet"
    assert f"--config={FILES.kubelet}" in command
    assert f"--kubeconfig={FILES.kubeconfig}" in command
    assert "--hostname-override=node-1" in command
    assert "--node-ip=10.207.0.11" in command


def test_coredns_answers_where_pods_ask() -> None:
    text = configs.corefile(IPv4Address("10.207.0.2"), Path("/state/coredns.kubeconfig"))
    assert text.startswith(".:53 {")
    assert "bind 10.207.0.2" in text
    assert "kubeconfig /state/coredns.kubeconfig" in text


@pytest.fixture
def lines() -> list[str]:
    place = NodePlace("node-1", 1, NETWORK, FILES, Path("/state/it's here/node-1"), Path("/state/it's here"))
    return script(place).splitlines()


def test_a_node_covers_what_it_writes_to_before_it_says_that_it_is_ready(lines: list[str]) -> None:
    covered = [line.split()[-1] for line in lines if line.startswith("mount ")]
    targets = ["/run", "/var", "here'", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods"]
    assert covered[: len(targets)] == targets
    assert lines.index("echo ready") > max(index for index, line in enumerate(lines) if "mount" in line)


def test_a_node_shows_settings_instead_of_making_them(lines: list[str]) -> None:
    for name in SYSCTLS:
        assert any(line.endswith(f"/proc/sys/{name}; fi") and "mount --bind" in line for line in lines)
    assert not any(f">/proc/sys/{name}" in line for name in SYSCTLS for line in lines)


def test_paths_with_blanks_and_quotes_stay_whole(lines: list[str]) -> None:
    assert """exec 3<'/state/it'"'"'s here'""" in lines
