"""The test steps: which programs, in which order, and with how much patience."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TEST_SECONDS = 300
"""After which one test is a failure, unless it says otherwise."""
FUZZ = ("--seeds", "0:500", "--seconds", "120")
"""The same sequences each time, and no more of them than the time allows."""
SIMULATED = tuple(f"sim.runtime.simulations:{name}" for name in ("Sets", "Batches", "Buckets"))
SIMULATE = (*SIMULATED, "--seeds", "0:3400", "--workers", str(os.cpu_count() or 1))
"""More than ten thousand runs of the runtime with faults. ``make test`` plays fewer."""
DECIDE = ("--count", "100000", "--workers", str(os.cpu_count() or 1))
"""Random states of jobs of every kind. ``make test`` takes fewer."""


@dataclass(frozen=True)
class Suite:
    """``paths`` are for pytest, relative to the project. ``workers``: how many tests at a time; 0 is one after the
    other in one process. ``selects``: whether ``-k`` of the command line is for it. ``environment``: for the tests."""

    name: str
    paths: Sequence[str]
    workers: int = 0
    options: Sequence[str] = ()
    selects: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    def argv(self, report: Path, expression: str) -> list[str]:
        workers = ["-n", str(self.workers)] if self.workers else ["-n", "0"]
        selection = ["-k", expression] if expression and self.selects else []
        return [
            *(sys.executable, "-m", "pytest", *self.paths, "-q", f"--timeout={TEST_SECONDS}", "--durations=5"),
            *(f"--junitxml={report}", "-o", "junit_family=xunit1", *workers, *selection, *self.options),
        ]


INSTALL = Suite("install", ["test/e2e/test_install.py", "test/e2e/test_progress.py"])
JOBS = Suite(
    "jobs",
    [
        *("test/e2e/test_lifecycle.py", "test/e2e/test_restarts.py", "test/e2e/test_failure_rules.py"),
        *("test/e2e/test_order.py", "test/e2e/test_exchanges.py", "test/e2e/test_kubectl.py"),
    ],
    workers=4,
)
TRAINING = Suite("training", ["test/e2e/test_training.py", "test/e2e/test_mpi.py"], workers=2)
FAULTS = Suite("faults", ["test/e2e/test_faults.py", "test/e2e/test_migration.py"])
SCALE = Suite("scale", ["test/e2e/test_scale.py"])
UNINSTALL = Suite("uninstall", ["test/e2e/test_uninstall.py"], selects=False)

ON_THE_CLUSTER = (INSTALL, JOBS, TRAINING, FAULTS, SCALE, UNINSTALL)
"""One after the other, since some kill what the others need. They want the operator deployed."""

ENVTEST = Suite("envtest", ["test/envtest"], workers=3, selects=False)
CLIENT_GO = Suite(
    "client-go",
    ["test/conformance/test_client_go.py"],
    selects=False,
    environment={"KDL_CONFORMANCE_SERVER": "local"},
)
CLUSTER_TOOL = Suite("cluster-tool", ["test/e2e/test_cluster_tool.py"], selects=False)
CONFORMANCE = Suite("conformance", [], selects=False)
DIFFERENTIAL = Suite("differential", [], selects=False)
SIMULATION = Suite("simulation", [], selects=False)
DECISIONS = Suite("decisions", [], selects=False)

BESIDE_IT = (ENVTEST, CLIENT_GO, CLUSTER_TOOL, CONFORMANCE, DIFFERENTIAL, SIMULATION, DECISIONS)
"""They start what they need, and need the binaries only."""

NAMES = tuple(suite.name for suite in (*ON_THE_CLUSTER, *BESIDE_IT))
SOME_FAILED = 1
"""pytest's exit code if tests have failed. They run once more: what a busy machine does to a deadline is no finding,
and a test that fails twice is one. Which passed only then is told at the end."""

EMPTY = 5
"""pytest's exit code if ``-k`` leaves no test."""
