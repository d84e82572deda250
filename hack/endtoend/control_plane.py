"""A control plane from real binaries with fake nodes, for machines on which no kubelet can run."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from endtoend.cluster import Cluster
from endtoend.steps import StepError
from kdl_testing.envtest.control_plane import ControlPlane
from kdl_testing.envtest.fake_nodes import FakeNodes
from kdl_testing.envtest.options import FAKE_CLUSTER, KWOK, ControlPlaneOptions
from kdl_testing.envtest.process import Process
from kdl_testing.envtest.users import ServiceAccount


class FakeNodesCluster(Cluster):
    """etcd, API server, controller manager and scheduler; pods only seem to run."""

    kind = "control-plane"
    real_pods = False
    assets = FAKE_CLUSTER

    def __init__(self, binaries: Mapping[str, Path], fake_nodes: int) -> None:
        self._plane = ControlPlane(
            ControlPlaneOptions(components=FAKE_CLUSTER),
            locate=lambda names: {name: binaries[name] for name in names},
        )
        self._fake_nodes = fake_nodes

    @property
    def kubeconfig(self) -> Path:
        return self._plane.kubeconfig

    def up(self, images: Sequence[Path]) -> None:
        self._plane.start()
        self._plane.create_fake_nodes(FakeNodes(self._fake_nodes))

    def down(self) -> None:
        self._plane.stop()

    def components(self) -> list[str]:
        return [name for name in FAKE_CLUSTER if name != KWOK]

    def kill(self, component: str) -> None:
        self._process(component).kill()

    def start(self, component: str) -> None:
        process = self._process(component)
        if not process.running:
            process.start()

    def keep_logs(self, directory: Path) -> None:
        shutil.copytree(self._plane.directory / "logs", directory, dirs_exist_ok=True)

    def account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a ServiceAccount."""
        return self._plane.service_account(ServiceAccount(namespace, name))

    def _process(self, component: str) -> Process:
        try:
            return self._plane.processes[component]
        except KeyError:
            raise StepError(f"there is no component {component!r}: {', '.join(self._plane.processes)}") from None
