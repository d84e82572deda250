"""The demo as a newcomer runs it: a real cluster in a process, a real operator, real training."""

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from demo.sandbox import Sandbox

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(180)]

LOSS = re.compile(r"\[worker-0\].*\[(\d+)\] train-mlogloss:(\d\.\d+) test-mlogloss:(\d\.\d+)")


def states(output: str) -> list[str]:
    """The conditions that were told, in their order."""
    found = re.findall(r"^ *[\d.]+s +(Created|Running|Restarting|Succeeded|Failed) ", output, re.MULTILINE)
    return [str(state) for state in found]


def trained(sandbox: Sandbox, *options: str) -> None:
    """Run the XGBoost demo with these options, and check what it tells."""
    begin = time.monotonic()
    output = sandbox.run("demo", "xgboost", *options)
    assert time.monotonic() - begin < 60, "what the README promises"
    losses = [float(match[2]) for match in LOSS.finditer(output)]
    assert len(losses) >= 5
    assert losses == sorted(losses, reverse=True), "the loss falls"
    assert states(output) == ["Created", "Running", "Succeeded"]
    accuracy = re.search(r"^accuracy: +(0\.\d+)", output, re.MULTILINE)
    assert accuracy
    assert float(accuracy[1]) >= 0.95


def test_xgboost_trains_and_leaves_nothing(sandbox: Sandbox) -> None:
    trained(sandbox, "--api", "kubeflow")
    assert sandbox.leftovers() == []


def test_the_model_is_kept_when_asked_for(sandbox: Sandbox) -> None:
    model = sandbox.root / "model"
    trained(sandbox, "--api", "kubedl", "--output", str(model))
    assert sorted(path.name for path in model.iterdir()) == ["metrics.json", "model.json"]
    assert [line for line in sandbox.leftovers() if not line.startswith(str(model))] == []


def test_a_kept_demo_goes_on_and_is_stopped_as_it_says(sandbox: Sandbox) -> None:
    output = sandbox.run("demo", "pytorch", "--keep")
    found = re.search(r"kill (\d+); kdl local down --name (\S+); rm -r (\S+)", output)
    assert found
    kubeconfig = sandbox.run("local", "kubeconfig", "--name", found[2]).strip()
    assert "Succeeded" in sandbox.run("get", "--kubeconfig", kubeconfig)
    os.kill(int(found[1]), signal.SIGTERM)
    sandbox.run("local", "down", "--name", found[2])
    shutil.rmtree(found[3])
    assert sandbox.leftovers() == []


@pytest.mark.parametrize("api", ["kubedl", "kubeflow"])
def test_pytorch_ranks_meet(sandbox: Sandbox, api: str) -> None:
    output = sandbox.run("demo", "pytorch", "--api", api)
    for replica, rank in (("master-0", 0), ("worker-0", 1), ("worker-1", 2)):
        assert re.search(rf"\[{replica}\] +MASTER_ADDR=\S+ MASTER_PORT=2\d{{4}} RANK={rank} WORLD_SIZE=3", output)
        assert re.search(rf"\[{replica}\] +all sums agree", output)
    assert states(output) == ["Created", "Running", "Succeeded"]
    assert sandbox.leftovers() == []


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs do not inherit that SIGINT is ignored, as it is in what a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_an_interrupted_demo_leaves_nothing(sandbox: Sandbox, number: signal.Signals, code: int) -> None:
    process = sandbox.start("demo", "pytorch")
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "round 0" in line:
            process.send_signal(number)
            break
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == code, "".join(seen) + rest
    assert sandbox.leftovers() == []
