"""What every cluster of the end-to-end tests can do, wherever it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from endtoend.commands import asked, taken
from endtoend.steps import StepError

CRDS = Path(__file__).parents[2] / "deploy" / "crds"

Say = Callable[[str], None]


class Cluster(ABC):
    """``kind``: existing, kind, nodes or control-plane. ``real_pods``: a kubelet runs what is in its pods."""

    kind: str
    real_pods = True
    assets: Sequence[str] = ()
    """The binaries that have to be there before it can start."""

    @property
    @abstractmethod
    def kubeconfig(self) -> Path:
        """Of a user who may do everything."""

    def up(self, images: Sequence[Path]) -> None:
        """Starts it with the images of these archives on every node that runs pods; StepError."""
        return

    def down(self) -> None:
        """Stops what ``up`` has started, also after it has failed half-way."""
        return

    def components(self) -> list[str]:
        """What ``kill`` and ``start`` take."""
        return []

    def nodes(self) -> list[str]:
        """The nodes with a kubelet that ``kill`` reaches as ``kubelet@NODE``."""
        return []

    def kill(self, component: str) -> None:
        raise StepError(f"{component} of a cluster of kind {self.kind} cannot be killed")

    def start(self, component: str) -> None:
        raise StepError(f"{component} of a cluster of kind {self.kind} cannot be started")

    def keep_logs(self, directory: Path) -> None:
        """Copies the logs of its components for whoever looks into a failure."""
        return

    def kubectl(self, *args: str | Path) -> str:
        """The output of a command that has to succeed; StepError."""
        return taken(["kubectl", f"--kubeconfig={self.kubeconfig}", *args])

    def refuse_if_used(self) -> None:
        """StepError for a cluster that has CRDs of ours: the tests would take the jobs in it for theirs, and remove
        them at the end."""
        answer = asked(["kubectl", f"--kubeconfig={self.kubeconfig}", "get", "crds", "-o", "name"])
        if answer.returncode != 0:
            raise StepError(f"the cluster does not answer: {answer.stderr.strip()}")
        names = {line.partition("/")[2] for line in answer.stdout.split()}
        kept = sorted(names & {path.stem for path in CRDS.glob("*.yaml")})
        if kept:
            raise StepError(
                f"the cluster has {', '.join(kept)} already, and the tests end by removing them with all jobs: "
                "choose another cluster, or unset KUBECONFIG to have one made"
            )
