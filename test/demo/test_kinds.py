"""Jobs of the kinds whose frameworks are not at hand, on a cluster in a process. All run at once."""

from collections.abc import Iterator

import pytest
import yaml

from demo.exchanges import JOBS, objects
from demo.sandbox import Sandbox
from demo.training import EXAMPLES

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]


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
    everything = [obj for path in JOBS for obj in objects(path)]
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
