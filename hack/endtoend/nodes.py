"""Clusters with kubelets: our own without Docker (hack/cluster), kind (hack/kind), and one that is there already."""

from collections.abc import Sequence
from pathlib import Path

from endtoend.cluster import Cluster
from endtoend.commands import HACK, PROJECT, asked, done, taken
from endtoend.steps import StepError
from realcluster.layout import name_of_checkout

NAME = name_of_checkout("e2e", PROJECT)
NODE_COUNT = 2
REACHABLE = {
    "etcd": "etcd",
    "kube-apiserver": "kube-apiserver",
    "kube-controller-manager": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
    "kubelet": "kubelet",
    "containerd": "containerd",
}


class OwnNodes(Cluster):
    """Kubelet, containerd and runc in namespaces of this machine, and fake nodes beside them."""

    kind = "nodes"
    assets = (
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kwok",
        "coredns",
    )

    def __init__(self, fake_nodes: int) -> None:
        self._fake_nodes = fake_nodes
        self._kubeconfig: Path | None = None

    @staticmethod
    def missing() -> str:
        """What keeps it from running here; "" if nothing does."""
        return _check(HACK / "cluster")

    @property
    def kubeconfig(self) -> Path:
        if self._kubeconfig is None:
            raise StepError("the cluster is not up")
        return self._kubeconfig

    def up(self, images: Sequence[Path]) -> None:
        # What a run that was killed has left is not worth keeping.
        asked([HACK / "cluster", "down", "--name", NAME])
        sizes = ["--nodes", str(NODE_COUNT), "--fake-nodes", str(self._fake_nodes)]
        given = [f"--images={archive}" for archive in images]
        done([HACK / "cluster", "up", "--name", NAME, *sizes, *given])
        self._kubeconfig = Path(self._told("kubeconfig").strip())

    def down(self) -> None:
        done([HACK / "cluster", "down", "--name", NAME])

    def components(self) -> list[str]:
        return [*REACHABLE, *(f"kubelet@{node}" for node in self.nodes())]

    def nodes(self) -> list[str]:
        listed = self.kubectl("get", "nodes", "--selector=type!=fake", "-o", "name").split()
        return sorted(name.partition("/")[2] for name in listed)

    def kill(self, component: str) -> None:
        self._told("kill", component)

    def start(self, component: str) -> None:
        self._told("start", component)

    def keep_logs(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for component in REACHABLE:
            log = asked([HACK / "cluster", "logs", "--name", NAME, component])
            (directory / f"{component}.log").write_text(log.stdout + log.stderr)

    def _told(self, verb: str, *args: str) -> str:
        return taken([HACK / "cluster", verb, "--name", NAME, *args])


class Kind(Cluster):
    """kind's nodes are containers of Docker."""

    kind = "kind"

    def __init__(self, fake_nodes: int) -> None:
        self._fake_nodes = fake_nodes
        self._kubeconfig: Path | None = None

    @staticmethod
    def missing() -> str:
        return _check(HACK / "kind")

    @property
    def kubeconfig(self) -> Path:
        if self._kubeconfig is None:
            raise StepError("the cluster is not up")
        return self._kubeconfig

    def up(self, images: Sequence[Path]) -> None:
        done([HACK / "kind", "up", "--name", NAME, "--nodes", str(NODE_COUNT), "--fake-nodes", str(self._fake_nodes)])
        self._kubeconfig = Path(taken([HACK / "kind", "kubeconfig", "--name", NAME]).strip())
        if images:
            done([HACK / "kind", "load", "--name", NAME, *images])

    def down(self) -> None:
        done([HACK / "kind", "down", "--name", NAME])


class Existing(Cluster):
    """The cluster that KUBECONFIG names. The images have to be on its nodes already."""

    kind = "existing"

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    @property
    def kubeconfig(self) -> Path:
        return self._kubeconfig

    def up(self, images: Sequence[Path]) -> None:
        self.refuse_if_used()


def _check(program: Path) -> str:
    if not program.exists():
        return f"there is no {program.relative_to(program.parents[1])}"
    answer = asked([program, "check"])
    return "" if answer.returncode == 0 else (answer.stderr + answer.stdout).strip()
