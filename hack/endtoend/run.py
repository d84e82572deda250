"""One run, from the choice of the cluster to the tables at the end."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from endtoend import suites
from endtoend.choice import Choice, choose
from endtoend.cluster import Cluster
from endtoend.commands import HACK, followed, shown
from endtoend.control_plane import FakeNodesCluster
from endtoend.deployment import Operator, OperatorPod, OperatorProcess
from endtoend.lane import Lane
from endtoend.orders import Handlers, Orders
from endtoend.outcomes import Outcome
from endtoend.pod_processes import kill_processes
from endtoend.runner import LOGS, SuiteRunner
from endtoend.steps import Journal
from endtoend.suites import Suite
from kdl_runtime.errors import KdlError
from kdl_testing.envtest.options import API

IMAGES = ("busybox", "operator", "python")
TRAINING_IMAGES = ("pytorch", "tensorflow", "paddle", "mxnet", "mpi")


@dataclass(frozen=True)
class Options:
    """``cluster``: auto, existing, kind, nodes or control-plane. ``keep``: leave the cluster and the operator as they
    are at the end. ``expression``: pytest's ``-k`` for the tests on the cluster."""

    cluster: str = "auto"
    keep: bool = False
    expression: str = ""


class Run:
    def __init__(self, journal: Journal, options: Options) -> None:
        self.journal = journal
        self._options = options
        self._runner = SuiteRunner(journal, shown, options.expression)
        self._lane = Lane(LOGS, journal.say)

    @property
    def outcomes(self) -> list[Outcome]:
        """Of the tests on the cluster."""
        return self._runner.outcomes

    def __call__(self) -> None:
        """All wanted steps. A failed test step does not keep the next ones from running; any other ends the run."""
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        on_it = [suite for suite in suites.ON_THE_CLUSTER if self.journal.wants(suite.name)]
        beside = [suite for suite in suites.BESIDE_IT if self.journal.wants(suite.name)]
        try:
            choice = self._choose() if on_it else None
            self._find_assets([*(choice.assets if choice else ()), *(API if beside else ())])
            if choice is not None:
                self._start_beside(beside)
                self._on_a_cluster(choice, on_it)
                self._lane.finish()
        except (KdlError, OSError) as error:
            self.journal.say(f"error: {error}")
            self._lane.finish()
        except BaseException:
            self._lane.stop()
            raise
        finally:
            self.journal.steps += self._lane.journal.steps
        if not self._lane.started:
            for suite in beside:
                self._runner.beside_it(suite)

    def _start_beside(self, wanted: list[Suite]) -> None:
        runner = SuiteRunner(self._lane.journal, self._lane.run, assets=self._runner.assets)
        if wanted:
            self.journal.say(f"beside the cluster: {', '.join(suite.name for suite in wanted)}; told as each ends")
            self._lane.start({suite.name: partial(runner.beside_it, suite) for suite in wanted})

    # ---- before the tests

    def _choose(self) -> Choice:
        with self.journal.step("cluster: which") as detail:
            choice = choose(self._options.cluster)
            for line in choice.told:
                self.journal.say(line)
            detail.append(choice.kind)
        return choice

    def _find_assets(self, names: list[str]) -> None:
        if not names:
            return
        with self.journal.step("assets") as detail:
            # Not at the top: --help and a wrong option need none of it.
            from kdl_testing.envtest.assets import locate

            self._runner.assets = dict(locate(sorted(set(names)), report=self.journal.say))
            detail.append(f"{len(self._runner.assets)} binaries")

    def _on_a_cluster(self, choice: Choice, wanted: list[Suite]) -> None:
        names = (*IMAGES, *(TRAINING_IMAGES if suites.TRAINING in wanted else ()))
        archives = self._build_images(names) if choice.needs_images else []
        cluster = choice.make(self._runner.assets)
        try:
            with self.journal.step("cluster: up") as detail:
                cluster.up(archives)
                detail.append(cluster.kind)
            self._with_operator(cluster, wanted)
        finally:
            if self.journal.failed:
                self._keep_logs(cluster)
            if self._options.keep:
                self.journal.say(f"kept as asked for: KUBECONFIG={cluster.kubeconfig}")
            else:
                with self.journal.step("cluster: down"):
                    cluster.down()

    def _build_images(self, names: Sequence[str]) -> list[Path]:
        """Their archives."""
        with self.journal.step("images") as detail:
            paths = [Path(line) for line in followed([HACK / "images", "build", *names]).split()]
            detail.append(f"{sum(path.stat().st_size for path in paths) // 2**20} MiB")
        return paths

    # ---- the tests

    def _with_operator(self, cluster: Cluster, wanted: list[Suite]) -> None:
        operator: Operator
        operator = OperatorProcess(cluster, LOGS) if isinstance(cluster, FakeNodesCluster) else OperatorPod(cluster)
        orders = Orders(LOGS / "orders", _handlers(cluster, operator))
        orders.start()
        try:
            with self.journal.step("deploy"):
                operator.deploy()
            environment = {
                "KUBECONFIG": str(cluster.kubeconfig),
                "KDL_E2E_KIND": cluster.kind,
                "KDL_E2E_LOGS": str(LOGS),
                "KDL_E2E_ORDERS": str(orders.path),
            }
            for suite in wanted:
                self._runner.on_the_cluster(suite, environment)
                self._lane.tell()
        finally:
            orders.stop()
            operator.stop()

    def _keep_logs(self, cluster: Cluster) -> None:
        try:
            cluster.keep_logs(LOGS / "cluster")
        except (KdlError, OSError) as error:
            self.journal.say(f"the logs of the cluster are not to be had: {error}")


def _handlers(cluster: Cluster, operator: Operator) -> Handlers:
    def components() -> list[str]:
        return [*cluster.components(), *(["operator"] if cluster.components() else [])]

    def kill(component: str) -> None:
        if component == "operator":
            operator.kill()
        else:
            operator.remember()
            cluster.kill(component)

    def start(component: str) -> None:
        if component == "operator":
            operator.start()
        else:
            cluster.start(component)

    return {
        "components": components,
        "nodes": cluster.nodes,
        "kill": kill,
        "start": start,
        "operator-log": operator.log,
        "operator-pid": operator.pid,
        "operator-ready": operator.ready,
        "operator-metrics": operator.metrics,
        "kill-pod": kill_processes,
    }
