"""A real process in a pod reports how far it is, and the job shows it."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.exchanges import objects
from demo.sandbox import Sandbox
from kdl_runtime.codec import json
from kdl_testing.envtest.ports import free_port

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(120)]


def test_a_pod_reports_and_the_job_shows_it(sandbox: Sandbox, kubeconfig: Path) -> None:
    connection = ("--kubeconfig", str(kubeconfig))
    address = f"127.0.0.1:{free_port('127.0.0.1', random.SystemRandom())}"
    operator = sandbox.start(
        *("operator", *connection, "--log-format", "console"),
        *("--metrics-bind-address", "0", "--health-probe-bind-address", "127.0.0.1:0"),
        *("--progress-bind-address", address, "--progress-url", f"http://{address}"),
    )
    manifest = sandbox.root / "all.yaml"
    text = yaml.safe_dump_all(objects("progress/job.yaml")).replace("value: '30'", "value: '15'")
    assert "'15'" in text
    manifest.write_text(text)
    sandbox.run("submit", "-f", str(manifest), *connection)
    manifest.unlink()

    def status() -> dict[str, Any]:
        job = json.decode(sandbox.run("get", "pytorchjob/progress", "-o", "json", *connection))
        return dict(job["status"].get("progress") or {})

    sandbox.run("wait", "progress", "--for=condition=Running", "--timeout", "60s", *connection)
    seen = [status()]
    while not seen[-1]:
        seen.append(status())
    assert 1 <= seen[-1]["step"] < 15
    sandbox.run("wait", "progress", "--timeout", "60s", *connection)
    while seen[-1].get("percentage") != 100:
        seen.append(status())
    assert seen[-1].keys() == {"percentage", "step", "total", "estimatedRemainingSeconds", "metrics", "lastUpdateTime"}
    assert [item["name"] for item in seen[-1]["metrics"]] == ["loss", "slope"]
    assert len({str(one.get("lastUpdateTime")) for one in seen if one}) <= 5, "7 s of reports, one written in five"
    assert "100%" in sandbox.run("get", *connection)
    told = sandbox.run("describe", "progress", *connection)
    assert re.search(r"Progress: +100% \(step 15/15\), 0s left, reported \d+s ago\n", told), told
    assert re.search(r"Metrics: +loss=[\d.]+ slope=[\d.]+\n", told), told
    output = sandbox.run("logs", "progress", *connection)
    assert "the report was not taken" not in output
    operator.terminate()
    log, _ = operator.communicate(timeout=30)
    assert operator.returncode == 0, log
    assert "progress is not written" not in log
