"""Where the files of a cluster are, and how its things are called. Pure, but for the environment."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from kdl_local.statehome import root
from realcluster.errors import ClusterError

DEFAULT_NAME = "default"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")


def home() -> Path:
    """``nodes`` in ``KDL_STATE_HOME`` or where else the state of local clusters is."""
    return root() / "nodes"


def of_cluster(name: str) -> "Layout":
    """ClusterError if it is no name."""
    return Layout(home() / checked_name(name))


def checked_name(name: str) -> str:
    """ClusterError if it is no name."""
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"{name!r} is no name for a cluster: use up to 32 lower-case letters, digits and dashes between them"
        )
    return name


def name_of_checkout(prefix: str, checkout: Path) -> str:
    """For clusters of its tests: those of another checkout on this machine are called otherwise."""
    return f"{prefix}-{_digest(checkout)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Layout:
    """``directory`` is the cluster's own, and absolute."""

    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def mark(self) -> str:
        """In the environment of every process that holds the cluster together; see kdl_local.guard."""
        return f"nodes:{self.directory}"

    @property
    def cgroup(self) -> str:
        """Below the root of each hierarchy. Other users may have a cluster of the same name."""
        return f"kdl-{self.name}-{_digest(self.directory)}"

    @property
    def plan(self) -> Path:
        """What was asked for (realcluster.plan)."""
        return self.directory / "plan.json"

    @property
    def network(self) -> Path:
        """The block of addresses, as soon as it is chosen."""
        return self.directory / "network"

    @property
    def control_plane(self) -> Path:
        return self.directory / "control-plane"

    @property
    def kubeconfig(self) -> Path:
        return self.control_plane / "kubeconfigs" / "admin.kubeconfig"

    @property
    def socket_name(self) -> str:
        """In the directory, whose path may be longer than those of sockets can be."""
        return "control.sock"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def supervisor_log(self) -> Path:
        return self.logs / "supervisor.log"

    def node(self, name: str) -> Path:
        return self.directory / "nodes" / name
