"""A node: containerd and the kubelet in namespaces of their own."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kdl_local.apiserver.kubeconfig import write_private
from kdl_testing.envtest.probes import http_probe
from kdl_testing.envtest.process import Process, Program
from realcluster import cgroups, configs
from realcluster.api import Api
from realcluster.commands import Given, run
from realcluster.configs import CONTAINERD_SOCKET, KUBELET_HEALTH_PORT, KubeletPlace, NodeFiles
from realcluster.errors import ClusterError
from realcluster.layout import Layout
from realcluster.network import Network
from realcluster.plan import CONTAINERD, KUBELET, Plan
from realcluster.sandbox import NodePlace, Sandbox

START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all nodes of a cluster share."""

    layout: Layout
    plan: Plan
    network: Network


class Node:
    """``number`` counts from 1. Its namespaces are there; containerd and the kubelet have to be started."""

    def __init__(self, surroundings: Surroundings, number: int) -> None:
        self._around = surroundings
        self.number = number
        self.name = surroundings.plan.node_names[number - 1]
        self._cgroup = f"{surroundings.layout.cgroup}/{self.name}"
        self._files = NodeFiles(surroundings.layout.node(self.name) / "config")
        self._files.cni.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        cgroups.create(self._cgroup)
        self.sandbox = Sandbox(
            NodePlace(
                self.name,
                number,
                surroundings.network,
                self._files,
                surroundings.layout.node(self.name),
                surroundings.layout.directory,
            )
        )
        self.containerd = Process(self._containerd())
        self.kubelet = Process(self._kubelet())

    @property
    def containerd_root(self) -> Path:
        """What it keeps for good."""
        return self._around.layout.node(self.name) / "containerd"

    @property
    def processes(self) -> Mapping[str, Process]:
        return {CONTAINERD: self.containerd, KUBELET: self.kubelet}

    def start_kubelet(self, api: Api) -> None:
        """Returns when it runs and is well; its node need not be Ready yet. ProcessError."""
        network = self._around.network
        write_private(self._files.kubeconfig, api.kubeconfig_of_node(self.name))
        place = KubeletPlace(network.node(self.number), network.control_plane, f"/{self._cgroup}", api.authority)
        self._files.kubelet.write_text(configs.kubelet(self._files, place))
        self.kubelet.start()

    def check_containerd(self) -> None:
        """ClusterError if it does not answer."""
        if not self._containerd_answers():
            raise ClusterError(
                f"the kubelet of {self.name} ends at once without containerd. Way out: first 'hack/cluster start "
                f"containerd@{self.name}'"
            )

    def import_archive(self, archive: Path) -> None:
        """In the format of ``docker save``. ClusterError."""
        descriptor = os.open(archive, os.O_RDONLY)
        try:
            self.import_images(descriptor)
        finally:
            os.close(descriptor)

    def import_images(self, archive: int) -> None:
        """From an archive that is open. ClusterError."""
        ctr = ["ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images", "import"]
        # By this path it is opened anew, so that several nodes can read it at once.
        given = Given(descriptors=(archive,), environment=self._environment)
        run([*self.sandbox.enter, *ctr, f"/proc/self/fd/{archive}"], given)

    def _write_configuration(self) -> None:
        files, plan = self._files, self._around.plan
        files.containerd.write_text(configs.containerd(files, plan.cni, plan.pause))
        (files.cni / "10-kdl.conflist").write_text(configs.cni(self._around.network, self.number))
        files.resolv_conf.write_text(f"nameserver {self._around.network.control_plane}\n")

    def _containerd(self) -> Program:
        argv = ["containerd", f"--config={self._files.containerd}"]
        return self._program(CONTAINERD, argv, self._containerd_answers)

    def _kubelet(self) -> Program:
        address = self._around.network.node(self.number)
        argv = configs.kubelet_command(self._around.plan.binaries[KUBELET], self._files, self.name, address)
        return self._program(KUBELET, argv, http_probe((str(address), KUBELET_HEALTH_PORT), "/healthz"))

    def _program(self, name: str, argv: list[str], ready: Callable[[], bool]) -> Program:
        return Program(
            name=f"{name} of {self.name}",
            argv=[*self.sandbox.enter, *argv],
            log=self._around.layout.logs / f"{name}@{self.name}.log",
            directory=self._around.layout.directory,
            env=self._environment,
            ready=ready,
            start_timeout=START_SECONDS,
            stop_timeout=_STOP_SECONDS,
        )

    @property
    def path(self) -> str:
        """PATH of what runs on the node."""
        return ":".join([*self._around.plan.path, *_SYSTEM_PATH])

    @property
    def _environment(self) -> Mapping[str, str]:
        return {"PATH": self.path, "HOME": "/run"}

    def _containerd_answers(self) -> bool:
        if not self.containerd.running:
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self.sandbox.path(CONTAINERD_SOCKET)))
            except OSError:
                return False
            return True
