"""Two operators with leader election: one works, the other takes over when it ends, in order or not, and jobs go on."""

import signal
import subprocess
from pathlib import Path

import pytest

from demo.sandbox import Sandbox
from demo.training import JOB, pods, submit
from kdl_runtime.codec import json

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]

ELECTION = (
    *("--leader-elect", "--leader-elect-lease-duration", "3s"),
    *("--leader-elect-renew-deadline", "2s", "--leader-elect-retry-period", "500ms"),
)


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_other_operator_finishes_the_job(
    sandbox: Sandbox, kubeconfig: Path, ending: signal.Signals, code: int
) -> None:
    connection = ("--kubeconfig", str(kubeconfig))
    submit(sandbox, connection)
    operators = [start(sandbox, kubeconfig) for _ in range(2)]
    try:
        sandbox.run("wait", JOB, "--for=condition=Running", "--timeout", "60s", *connection)
        before = pods(sandbox, connection)
        leader = next(operator for operator in operators if f"_{operator.pid}_" in holder(sandbox, connection))
        leader.send_signal(ending)
        output, _ = leader.communicate(timeout=30)
        assert leader.returncode == code, output
        sandbox.run("wait", JOB, "--timeout", "90s", *connection)
        after = pods(sandbox, connection)
        assert sorted(after) == [f"{JOB}-master-0", f"{JOB}-worker-0", f"{JOB}-worker-1"]
        assert before.items() <= after.items(), "no pod was made a second time"
        assert lease(sandbox, connection)["leaseTransitions"] == 1
    finally:
        for operator in operators:
            operator.terminate()
            operator.communicate(timeout=30)
    assert holder(sandbox, connection) == ""


def start(sandbox: Sandbox, kubeconfig: Path) -> "subprocess.Popen[str]":
    return sandbox.start(
        *("operator", "--kubeconfig", str(kubeconfig), "--log-format", "console", *ELECTION),
        *("--metrics-bind-address", "0", "--health-probe-bind-address", "127.0.0.1:0"),
    )


def lease(sandbox: Sandbox, connection: tuple[str, ...]) -> dict[str, object]:
    found: dict[str, object] = json.decode(sandbox.run("get", "lease/kdl-operator", "-o", "json", *connection))["spec"]
    return found


def holder(sandbox: Sandbox, connection: tuple[str, ...]) -> str:
    return str(lease(sandbox, connection)["holderIdentity"])
