"""Real training in real pods: the examples, as their READMEs tell, in every group that has the kind."""

import re
from pathlib import Path

import pytest

from e2e.cluster import EXAMPLES
from e2e.namespace import Namespace
from e2e.waiting import until
from kdl_runtime.codec import yaml

pytestmark = pytest.mark.real_pods

TRAINING_SECONDS = 180
ENDED = {"Succeeded"}
PUBLIC_IMAGE = ("tensorflow/tensorflow:2.21.0", "kdl/tensorflow:1")
"""Of the examples, and what stands for it where no registry is asked."""
LOSS = re.compile(r"test-mlogloss:(\d\.\d+)")


def submitted(namespace: Namespace, example: Path, *, to_the_last_pod: bool = True, pods: int = 3) -> str:
    """The log of the job's master, or of its first worker, once the job has succeeded and, ``to_the_last_pod``, all
    its pods have."""
    job = namespace.submit(yaml.decode(example.read_text().replace(*PUBLIC_IMAGE)))
    job.until("Succeeded", seconds=TRAINING_SECONDS)
    if to_the_last_pod:
        until(
            "the end of all pods", lambda: {pod["status"]["phase"] for pod in job.pods()}, lambda found: found == ENDED
        )
    assert len(namespace.history.all()) == pods, "no pod was made twice"
    first = min(namespace.pod_names(), key=lambda name: ("master" not in name, name))
    return namespace.kubectl("logs", first)


def accuracy_of(log: str) -> float:
    """What the program tells of points that it has not seen."""
    found = re.search(r"accuracy (\d\.\d+)", log)
    assert found, log
    return float(found[1])


@pytest.mark.parametrize("manifest", ["job.yaml", "job-kubeflow.yaml"])
def test_xgboost(namespace: Namespace, manifest: str) -> None:
    folder = EXAMPLES / "xgboost"
    namespace.create_program("xgboost-digits", **{"train.py": (folder / "train.py").read_text()})
    log = submitted(namespace, folder / manifest)
    losses = [float(found) for found in LOSS.findall(log)]
    assert len(losses) >= 5, log
    assert losses == sorted(losses, reverse=True), "the loss falls"
    accuracy = re.search(r"^accuracy (0\.\d+)", log, re.MULTILINE)
    assert accuracy, log
    assert float(accuracy[1]) >= 0.95


@pytest.mark.parametrize("manifest", ["job.yaml", "job-kubeflow.yaml"])
def test_pytorch_ranks_meet(namespace: Namespace, manifest: str) -> None:
    folder = EXAMPLES / "pytorch"
    namespace.create_program("pytorch-allreduce", **{"allreduce.py": (folder / "allreduce.py").read_text()})
    log = submitted(namespace, folder / manifest)
    assert "WORLD_SIZE=3" in log
    assert "all sums agree" in log


def test_pytorch_trains(namespace: Namespace) -> None:
    """DistributedDataParallel over Gloo, with the PyTorch that Debian has."""
    folder = EXAMPLES / "pytorch"
    namespace.create_program("pytorch-ddp", **{"ddp.py": (folder / "ddp.py").read_text()})
    # A worker may stay behind in Gloo's farewell when the master has left; the job is as its master.
    log = submitted(namespace, folder / "job-ddp.yaml", to_the_last_pod=False)
    accuracy = re.search(r"^accuracy (\d\.\d+)", log, re.MULTILINE)
    assert accuracy, log
    assert float(accuracy[1]) >= 0.95


def test_jax(namespace: Namespace) -> None:
    folder = EXAMPLES / "jax"
    namespace.create_program("jax-spirals", **{"train.py": (folder / "train.py").read_text()})
    log = submitted(namespace, folder / "job.yaml")
    assert accuracy_of(log) >= 0.9


def test_tensorflow_mirrored(namespace: Namespace) -> None:
    """MultiWorkerMirroredStrategy: a Chief and a Worker, who reduce their gradients over gRPC."""
    folder = EXAMPLES / "tensorflow"
    namespace.create_program("tf-mirrored", **{"train_mirrored.py": (folder / "train_mirrored.py").read_text()})
    log = submitted(namespace, folder / "job-mirrored.yaml", pods=2)
    assert accuracy_of(log) >= 0.9


def test_tensorflow_parameter_server(namespace: Namespace) -> None:
    """ParameterServerStrategy: a Chief gives steps to a Worker, and the parameters are on a PS, which never ends."""
    folder = EXAMPLES / "tensorflow"
    namespace.create_program("tf-ps", **{"train_ps.py": (folder / "train_ps.py").read_text()})
    log = submitted(namespace, folder / "job-ps.yaml", to_the_last_pod=False)
    assert accuracy_of(log) >= 0.9


def test_paddle(namespace: Namespace) -> None:
    """Two launchers of PaddlePaddle meet, and DataParallel adds up gradients over Gloo."""
    folder = EXAMPLES / "paddle"
    namespace.create_program("paddle-train", **{"train.py": (folder / "train.py").read_text()})
    log = submitted(namespace, folder / "job-train.yaml", pods=2)
    assert "of 2: 512 points" in log
    assert accuracy_of(log) >= 0.9


def test_mxnet(namespace: Namespace) -> None:
    """A scheduler, a server and two workers of a key-value store, which is where the parameters are."""
    folder = EXAMPLES / "mxnet"
    namespace.create_program("mxnet-train", **{"train.py": (folder / "train.py").read_text()})
    job = namespace.submit(yaml.decode((folder / "job-train.yaml").read_text()))
    job.until("Succeeded", seconds=TRAINING_SECONDS)
    for name in ("mxnet-train-worker-0", "mxnet-train-worker-1"):
        log = namespace.kubectl("logs", name)
        assert "of 2: 512 points" in log
        assert accuracy_of(log) >= 0.9
