"""An operator that is killed at several moments and started again: the job ends as if nothing had been."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.sandbox import Sandbox
from demo.training import JOB, pods, submit
from kdl_runtime.codec import json

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]


@contextlib.contextmanager
def operator(sandbox: Sandbox, kubeconfig: Path) -> Iterator[subprocess.Popen[str]]:
    process = sandbox.start(
        *("operator", "--kubeconfig", str(kubeconfig), "--log-format", "console"),
        *("--metrics-bind-address", "0", "--health-probe-bind-address", "127.0.0.1:0"),
    )
    try:
        yield process
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
        assert process.returncode in (0, -signal.SIGKILL), output


@pytest.mark.parametrize("moment", ["Created", "Running"])
def test_killed_and_started_again(sandbox: Sandbox, kubeconfig: Path, moment: str) -> None:
    connection = ("--kubeconfig", str(kubeconfig))
    submit(sandbox, connection)
    with operator(sandbox, kubeconfig) as first:
        sandbox.run("wait", JOB, f"--for=condition={moment}", "--timeout", "60s", *connection)
        before = pods(sandbox, connection)
        os.kill(first.pid, signal.SIGKILL)
        first.wait(timeout=10)
    with operator(sandbox, kubeconfig):
        sandbox.run("wait", JOB, "--timeout", "90s", *connection)
        after = pods(sandbox, connection)
        assert sorted(after) == [f"{JOB}-master-0", f"{JOB}-worker-0", f"{JOB}-worker-1"]
        assert before.items() <= after.items(), "no pod was made a second time"
        assert "all sums agree" in sandbox.run("logs", JOB, *connection)
        restarts = json.decode(sandbox.run("get", f"pytorchjob/{JOB}", "-o", "json", *connection))["status"]
        assert not any(replica.get("restarts") for replica in restarts["replicaStatuses"].values())
