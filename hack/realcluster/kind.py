"""Clusters by kind (https://kind.sigs.k8s.io), where Docker runs: its commands. Pure, but for ``missing``."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdl_local.statehome import root
from kdl_runtime.codec import yaml
from realcluster.check import Missing
from realcluster.layout import checked_name

WAIT = "120s"


@dataclass(frozen=True, slots=True)
class KindCluster:
    """``directory`` holds its kubeconfig and log, and is absolute."""

    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def kind_name(self) -> str:
        """Docker is shared by everybody, and others have clusters of kind too."""
        return f"kdl-{self.name}-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:8]}"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def mark(self) -> str:
        """In the environment of kwok, which runs beside kind's containers; see kdl_local.guard."""
        return f"kind:{self.directory}"

    @property
    def kwok_log(self) -> Path:
        return self.directory / "kwok.log"


def of_cluster(name: str) -> KindCluster:
    """ClusterError if it is no name."""
    return KindCluster(root() / "kind" / checked_name(name))


def configuration(nodes: int) -> str:
    """https://kind.sigs.k8s.io/docs/user/configuration/. One node does everything; pods stay away from the control
    plane if there are more."""
    roles = ["control-plane", *(["worker"] * nodes if nodes > 1 else [])]
    return yaml.encode(
        {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "nodes": [{"role": role} for role in roles],
        }
    )


def create(cluster: KindCluster, image: str) -> list[str]:
    """The configuration is its standard input. ``image``: of the nodes, which decides Kubernetes' version; kind's own
    default if empty."""
    chosen = [f"--image={image}"] if image else []
    return [
        *("kind", "create", "cluster", f"--name={cluster.kind_name}", "--config=-"),
        *(f"--kubeconfig={cluster.kubeconfig}", f"--wait={WAIT}", *chosen),
    ]


def delete(cluster: KindCluster) -> list[str]:
    """Succeeds also if there is no such cluster."""
    return ["kind", "delete", "cluster", f"--name={cluster.kind_name}", f"--kubeconfig={cluster.kubeconfig}"]


def load(cluster: KindCluster, archives: Sequence[Path]) -> list[str]:
    return ["kind", "load", "image-archive", f"--name={cluster.kind_name}", *map(str, archives)]


def node_names(cluster: KindCluster, nodes: int) -> list[str]:
    """As kind chooses them."""
    workers = ["worker", *(f"worker{number}" for number in range(2, nodes + 1))] if nodes > 1 else []
    return [f"{cluster.kind_name}-{role}" for role in ("control-plane", *workers)]


def kwok(binary: Path, cluster: KindCluster, configuration: Path) -> list[str]:
    return [
        str(binary),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--config={configuration}",
        "--server-address=127.0.0.1:0",
    ]


def missing() -> list[Missing]:
    """What keeps kind from running here."""
    found = [
        Missing(f"the program {tool} is not in PATH", f"install it, see {url}")
        for tool, url in (
            ("kind", "https://kind.sigs.k8s.io/docs/user/quick-start/"),
            ("docker", "https://docs.docker.com/engine/install/"),
        )
        if shutil.which(tool) is None
    ]
    if found:
        return found
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return [Missing(f"Docker does not answer: {answer.stderr.strip()}", "start it, or join the group docker")]
    return []
