"""The operator under test: deployed as its users do it, in a pod where pods run and as a process elsewhere."""

import contextlib
import http.client
import os
import random
import sys
import uuid
from abc import ABC, abstractmethod
from pathlib import Path

from endtoend.cluster import Cluster
from endtoend.commands import PROJECT
from endtoend.control_plane import FakeNodesCluster
from endtoend.pod_processes import kill_processes
from endtoend.steps import StepError
from kdl_local.guard import MARK, Guard
from kdl_testing.envtest.ports import free_port
from kdl_testing.envtest.probes import http_probe
from kdl_testing.envtest.process import Process, Program, tail

NAMESPACE = "kdl-system"
NAME = "kdl-operator"
DEPLOY = PROJECT / "deploy"
LOOPBACK = "127.0.0.1"

_RNG = random.SystemRandom()


class Operator(ABC):
    @abstractmethod
    def deploy(self) -> None:
        """Installs it and waits until it is ready."""

    def stop(self) -> None:
        """Ends what ``deploy`` has started beside the cluster."""
        return

    def remember(self) -> None:
        """Finds out what ``kill`` has to know, while there is still an API server to ask."""
        return

    @abstractmethod
    def kill(self) -> None:
        """Its process, without a warning."""

    @abstractmethod
    def start(self) -> None:
        """Sees to it that it runs again."""

    @abstractmethod
    def log(self, lines: int) -> str:
        """The end of what it has written."""

    def ready(self) -> None:
        """Waits until a process is ready."""
        raise StepError("the operator runs in a pod, whose status says it")

    def pid(self) -> str:
        """Of a process; "" while it does not run."""
        raise StepError("the operator runs in a pod, whose status says how often it was started")

    def metrics(self) -> str:
        """Of a process."""
        raise StepError("the operator runs in a pod, whose metrics are read through the API server")


class OperatorPod(Operator):
    """The kubelet starts it, also again."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._uid = ""

    def deploy(self) -> None:
        self._cluster.kubectl("apply", "-k", DEPLOY)
        self.start()

    def kill(self) -> None:
        self.remember()
        kill_processes(self._uid)

    def start(self) -> None:
        self._kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=90s")

    def remember(self) -> None:
        with contextlib.suppress(StepError):
            self._uid = self._kubectl("get", "pods", "-o", "jsonpath={.items[0].metadata.uid}")

    def log(self, lines: int) -> str:
        logs = ("logs", f"deployment/{NAME}", f"--tail={lines}", "--all-containers", "--prefix")
        with contextlib.suppress(StepError):
            return self._kubectl(*logs, "--previous") + self._kubectl(*logs)
        return self._kubectl(*logs)

    def _kubectl(self, *args: str) -> str:
        return self._cluster.kubectl(f"--namespace={NAMESPACE}", *args)


class OperatorProcess(Operator):
    """It has the rights of its ServiceAccount by a token, as in a pod."""

    def __init__(self, cluster: FakeNodesCluster, directory: Path) -> None:
        self._cluster = cluster
        self._directory = directory
        self._log = directory / "operator.log"
        self._mark = f"e2e-{uuid.uuid4().hex}"
        self._guard: Guard | None = None
        self._process: Process | None = None
        self._metrics_port = 0

    def deploy(self) -> None:
        self._cluster.kubectl("apply", "-k", DEPLOY)
        self._cluster.kubectl("wait", "--for=condition=Established", "crds", "--all", "--timeout=60s")
        kubeconfig = self._cluster.account_kubeconfig(NAMESPACE, NAME)
        self._metrics_port, health_port = (free_port(LOOPBACK, _RNG) for _ in range(2))
        self._guard = Guard(self._mark, [])
        self._process = Process(
            Program(
                name="operator",
                argv=[
                    *(sys.executable, "-m", "kdl_cli", "operator", "--kubeconfig", str(kubeconfig)),
                    "--leader-elect",
                    *("--metrics-bind-address", f"{LOOPBACK}:{self._metrics_port}"),
                    *("--health-probe-bind-address", f"{LOOPBACK}:{health_port}"),
                ],
                log=self._log,
                directory=self._directory,
                env={MARK: self._mark, "HOME": str(self._directory), "PATH": os.environ["PATH"]},
                ready=http_probe((LOOPBACK, health_port), "/readyz"),
            )
        )
        self._process.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
        if self._guard is not None:
            self._guard.release()

    def kill(self) -> None:
        self._running.kill()

    def start(self) -> None:
        """Not waiting until it is ready, as there may be no API server yet."""
        if not self._running.running:
            self._running.spawn()

    def ready(self) -> None:
        self._running.wait_ready()

    def log(self, lines: int) -> str:
        return "\n".join(tail(self._log, lines))

    def pid(self) -> str:
        return str(self._running.pid or "")

    def metrics(self) -> str:
        connection = http.client.HTTPConnection(LOOPBACK, self._metrics_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise StepError("the operator is not deployed")
        return self._process
