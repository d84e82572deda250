"""The programs of a running cluster by the names that commands use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdl_testing.envtest.process import Process
from realcluster.errors import ClusterError
from realcluster.plan import PER_NODE

SHORT_NAMES: Mapping[str, str] = {
    "apiserver": "kube-apiserver",
    "controller-manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}


@dataclass(frozen=True, slots=True)
class Target:
    """``node`` is empty for what runs once."""

    component: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.component}@{self.node}" if self.node else self.component


def targets(text: str, known: Sequence[str], nodes: Sequence[str]) -> list[Target]:
    """What ``COMPONENT[@NODE]`` means: without a node, what is on nodes is meant on all of them. Pure. ClusterError
    names what there is."""
    component, at, node = text.partition("@")
    component = SHORT_NAMES.get(component, component)
    if component in PER_NODE:
        if not at:
            return [Target(component, name) for name in nodes]
        if node not in nodes:
            raise ClusterError(f"there is no node {node!r}: there are {', '.join(nodes)}")
        return [Target(component, node)]
    if component not in known:
        raise ClusterError(f"there is no component {component!r}: there are {', '.join((*known, *PER_NODE))}")
    if at:
        raise ClusterError(f"{component} is on no node: call it without @{node}")
    return [Target(component)]


class Components:
    """What runs, or was stopped. ``central`` are the programs that run once. To be used by one thread at a time."""

    def __init__(self, central: Mapping[str, Process], nodes: Mapping[str, Mapping[str, Process]]) -> None:
        self._processes = {Target(name): process for name, process in central.items()}
        for node, processes in nodes.items():
            self._processes |= {Target(name, node): process for name, process in processes.items()}
        self._central = list(central)
        self._nodes = list(nodes)

    def find(self, text: str) -> list[tuple[Target, Process]]:
        """ClusterError."""
        return [(target, self._processes[target]) for target in targets(text, self._central, self._nodes)]

    def status(self) -> list[dict[str, Any]]:
        return [
            {"component": str(target), "running": process.running, "log": str(process.program.log)}
            for target, process in self._processes.items()
        ]
