"""The cluster that the runner has prepared, and the orders that it takes while the tests run."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
CRDS = DEPLOY / "crds"
EXAMPLES = PROJECT / "examples"

KIND = "KDL_E2E_KIND"
LOGS = "KDL_E2E_LOGS"
ORDERS = "KDL_E2E_ORDERS"

OPERATOR_NAMESPACE = "kdl-system"
OPERATOR = "kdl-operator"
CONTROL_PLANE = "control-plane"

KUBECTL_SECONDS = 90
ORDER_SECONDS = 120


class OrderError(AssertionError):
    """The runner could not do what it was told; the message says why."""


@dataclass(frozen=True)
class Orders:
    """Things that a test cannot do to a cluster through its API, such as killing a kubelet: the runner does them."""

    path: Path | None

    def __call__(self, order: str, **values: Any) -> Any:
        """The runner's answer to an order; OrderError."""
        if self.path is None:
            raise OrderError(f"{ORDERS} is not set: start the tests by hack/e2e")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ORDER_SECONDS)
            connection.connect(str(self.path))
            connection.sendall(json.dumps({"order": order, **values}).encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            answer = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
        if "error" in answer:
            raise OrderError(answer["error"])
        return answer["answer"]

    @cached_property
    def can_kill(self) -> frozenset[str]:
        """The components that ``kill`` and ``start`` take."""
        return frozenset(self("components")) if self.path else frozenset()

    def kill(self, component: str) -> None:
        self("kill", component=component)

    def start(self, component: str) -> None:
        self("start", component=component)


@dataclass(frozen=True)
class Cluster:
    """``kind``: existing, kind, nodes or control-plane. ``logs``: where what helps to understand a failure goes."""

    kind: str
    kubeconfig: Path
    logs: Path
    orders: Orders
    kubectl_binary: str = field(default_factory=lambda: shutil.which("kubectl") or "kubectl")

    @property
    def real_pods(self) -> bool:
        """Whether a kubelet runs the pods; else fake nodes only say that they ran."""
        return self.kind != CONTROL_PLANE

    def kubectl_argv(self, *args: str) -> list[str]:
        return [self.kubectl_binary, f"--kubeconfig={self.kubeconfig}", *args]

    def kubectl(self, *args: str, stdin: Mapping[str, Any] | None = None) -> str:
        """The output of a command that must succeed."""
        done = self.try_kubectl(*args, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(args)} exited {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def try_kubectl(self, *args: str, stdin: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        text = json.dumps(stdin) if stdin is not None else None
        return subprocess.run(
            self.kubectl_argv(*args), input=text, capture_output=True, text=True, timeout=KUBECTL_SECONDS, check=False
        )


def from_environment() -> Cluster | None:
    """None unless the runner has started the tests."""
    if KIND not in os.environ:
        return None
    orders = os.environ.get(ORDERS)
    return Cluster(
        kind=os.environ[KIND],
        kubeconfig=Path(os.environ["KUBECONFIG"]),
        logs=Path(os.environ[LOGS]),
        orders=Orders(Path(orders) if orders else None),
    )
