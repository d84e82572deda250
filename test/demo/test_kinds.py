"""Jobs of the kinds whose frameworks are not at hand: programs that check what they were given and exchange data over
it, on a real cluster in a process. All run at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from demo.sandbox import Sandbox
from demo.training import EXAMPLES

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]

JOBS = {
    "tensorflow/job.yaml": ("worker-0", "all sums agree"),
    "tensorflow/job-kubeflow.yaml": ("chief-0", "all sums agree"),
    "xdl/job.yaml": ("worker-1", "all sums agree"),
    "mars/job.yaml": ("scheduler-0", "the sum over 20 chunks is 199990000"),
    "elasticdl/job.yaml": ("master-0", "2 workers have added up 20 tasks: 199990000"),
    "paddle/job.yaml": ("worker-2", "which are ['equal', 'equal', 'equal'], is 6"),
    "paddle/job-ps.yaml": ("worker-0", "which are ['server', 'trainer', 'trainer'], is 6"),
    "mxnet/job.yaml": ("worker-1", "all sums agree"),
    "mxnet/job-tune.yaml": ("tuner-0", "1 servers of key cpu have answered right"),
}
"""The replica whose log tells that the data have come through, and what it tells."""


def objects(path: Path) -> list[dict[str, object]]:
    """The job, and the ConfigMap that the comment above it says to make."""
    job = yaml.safe_load(path.read_text())
    command = next(line for line in path.read_text().splitlines() if "kubectl create configmap" in line).split()
    program = next(word.removeprefix("--from-file=") for word in command if word.startswith("--from-file="))
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": command[command.index("configmap") + 1]},
        "data": {program: path.with_name(program).read_text()},
    }
    return [config_map, job]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, tuple[str, ...]]]:
    """A cluster with an operator and all of the jobs, and nothing left of it afterwards."""
    sandbox = Sandbox(tmp_path_factory.mktemp("kinds"))
    sandbox.temporary.mkdir()
    (sandbox.root / "home").mkdir()
    kubeconfig = sandbox.root / "kubeconfig"
    sandbox.run("local", "up", "--kubeconfig", str(kubeconfig))
    connection = ("--kubeconfig", str(kubeconfig))
    sandbox.run("crds", "--install", *connection)
    operator = sandbox.start(
        *("operator", *connection, "--log-format", "console"),
        *("--metrics-bind-address", "0", "--health-probe-bind-address", "127.0.0.1:0"),
    )
    everything = [obj for path in JOBS for obj in objects(EXAMPLES / path)]
    once = {(str(obj["kind"]), str(obj["metadata"])): obj for obj in everything}
    manifest = sandbox.root / "all.yaml"
    manifest.write_text(yaml.safe_dump_all(once.values()))
    sandbox.run("submit", "-f", str(manifest), *connection)
    manifest.unlink()
    yield sandbox, connection
    operator.terminate()
    output, _ = operator.communicate(timeout=30)
    assert operator.returncode == 0, output
    sandbox.run("local", "down")
    kubeconfig.unlink(missing_ok=True)
    assert sandbox.leftovers() == []


@pytest.mark.parametrize("path", JOBS)
def test_the_data_come_through(connection: tuple[Sandbox, tuple[str, ...]], path: str) -> None:
    sandbox, options = connection
    job = yaml.safe_load((EXAMPLES / path).read_text())
    name, (replica, told) = job["metadata"]["name"], JOBS[path]
    reference = f"{job['kind'].lower()}.{job['apiVersion'].split('/')[0]}/{name}"
    sandbox.run("wait", reference, "--timeout", "100s", *options)
    role, index = replica.rsplit("-", 1)
    assert told in sandbox.run("logs", reference, "--role", role, "--index", index, *options)


def test_every_kind_without_a_framework_at_hand_is_here() -> None:
    kinds = {yaml.safe_load((EXAMPLES / path).read_text())["kind"] for path in JOBS}
    assert kinds == {"TFJob", "XDLJob", "MarsJob", "ElasticDLJob", "PaddleJob", "MXJob"}
