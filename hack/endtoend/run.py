"""One run, from the choice of the cluster to the tables at the end."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from endtoend import outcomes, suites
from endtoend.choice import Choice, choose
from endtoend.cluster import Cluster
from endtoend.commands import HACK, PROJECT, PYTHON, followed, shown
from endtoend.control_plane import FakeNodesCluster
from endtoend.deployment import Operator, OperatorPod, OperatorProcess
from endtoend.orders import Handlers, Orders
from endtoend.outcomes import Outcome
from endtoend.pod_processes import kill_processes
from endtoend.steps import Journal, NothingRanError, StepError
from endtoend.suites import EMPTY, SOME_FAILED, Suite
from kdl_runtime.errors import KdlError
from kdl_testing.envtest.options import API

IMAGES = ("pause", "busybox", "operator", "python", "pytorch", "mpi")
LOGS = PROJECT / "build" / "e2e"
DIRECTORY_OF_ASSETS = "KUBEBUILDER_ASSETS"


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
        self.outcomes: list[Outcome] = []
        self._options = options
        self._assets: dict[str, Path] = {}

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
                self._on_a_cluster(choice, on_it)
        except (KdlError, OSError) as error:
            self.journal.say(f"error: {error}")
        for suite in beside:
            self._beside_it(suite)

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

            self._assets = dict(locate(sorted(set(names)), report=self.journal.say))
            detail.append(f"{len(self._assets)} binaries")

    def _on_a_cluster(self, choice: Choice, wanted: list[Suite]) -> None:
        archives = self._build_images() if choice.needs_images else []
        cluster = choice.make(self._assets)
        try:
            with self.journal.step("cluster: up") as detail:
                cluster.up()
                detail.append(cluster.kind)
            if archives:
                with self.journal.step("cluster: load images"):
                    cluster.load(archives)
            self._with_operator(cluster, wanted)
        finally:
            if self.journal.failed:
                self._keep_logs(cluster)
            if self._options.keep:
                self.journal.say(f"kept as asked for: KUBECONFIG={cluster.kubeconfig}")
            else:
                with self.journal.step("cluster: down"):
                    cluster.down()

    def _build_images(self) -> list[Path]:
        with self.journal.step("images") as detail:
            paths = [Path(line) for line in followed([HACK / "images", "build", *IMAGES]).split()]
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
                self._test(suite, environment)
        finally:
            orders.stop()
            operator.stop()

    def _beside_it(self, suite: Suite) -> None:
        missing = [path for path in suite.paths if not (PROJECT / path).exists()]
        if missing:
            self.journal.skip(suite.name, f"there is no {', '.join(missing)}")
        elif suite is suites.DECISIONS:
            self._program(suite, [PYTHON, "-m", "decisions", *suites.DECIDE])
        elif suite is suites.SIMULATION:
            self._program(suite, [PYTHON, "-m", "kdl_testing.sim", *suites.SIMULATE])
        elif not self._assets:
            self.journal.skip(suite.name, "the binaries were not found")
        elif suite is suites.CONFORMANCE:
            self._program(suite, [HACK / "conformance", "--on", "real"])
        elif suite is suites.DIFFERENTIAL:
            self._program(suite, [PYTHON, "-m", "conformance.differential", *suites.FUZZ])
        else:
            self._test(suite)

    def _test(self, suite: Suite, environment: Mapping[str, str] | None = None) -> None:
        """``environment`` is for the tests on the cluster."""
        report = LOGS / f"{suite.name}.xml"
        try:
            with self.journal.step(suite.name) as detail:
                more = environment or suite.environment
                code = shown(suite.argv(report, self._options.expression), self._environment(more))
                found = outcomes.read(suite.name, report)
                if code == SOME_FAILED:
                    self.journal.say(f"{suite.name}: what has failed is tried once more")
                    again = LOGS / f"{suite.name}-again.xml"
                    argv = [
                        *suite.argv(again, self._options.expression),
                        "--last-failed",
                        "--last-failed-no-failures=none",
                    ]
                    code = shown(argv, self._environment(more))
                    found = outcomes.tried_again(found, outcomes.read(suite.name, again))
                if environment:
                    self.outcomes += found
                detail.append(outcomes.counts(found) or "no tests")
                if code not in (0, EMPTY) or outcomes.any_failed(found):
                    raise StepError(outcomes.counts(found) or f"pytest exited with code {code}")
                if not outcomes.any_ran(found):
                    raise NothingRanError(outcomes.counts(found) or "no tests")
        except StepError:
            return

    def _program(self, suite: Suite, argv: list[str | Path]) -> None:
        try:
            with self.journal.step(suite.name):
                code = shown(argv, self._environment({"PYTHONPATH": str(PROJECT / "test")}))
                if code != 0:
                    raise StepError(f"exit code {code}")
        except StepError:
            return

    def _environment(self, more: Mapping[str, str]) -> Mapping[str, str]:
        """The binaries that were found are for the tests too, so that none of them looks for others."""
        directories = {path.parent for path in self._assets.values()}
        if len(directories) == 1 and DIRECTORY_OF_ASSETS not in os.environ:
            return {DIRECTORY_OF_ASSETS: str(directories.pop()), **more}
        return more

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
