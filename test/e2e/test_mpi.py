"""mpirun on real pods: a launcher that starts processes in workers, with and without SSH."""

import pytest

from e2e.cluster import EXAMPLES, Cluster
from e2e.namespace import Namespace
from kdl_runtime.codec import yaml

pytestmark = pytest.mark.real_pods

FOLDER = EXAMPLES / "mpi"
SECONDS = 180


@pytest.mark.parametrize(
    ("manifest", "launcher"),
    [("job.yaml", "mpi-allreduce-launcher-0"), ("job-kubeflow.yaml", "mpi-allreduce-kubeflow-launcher")],
)
def test_processes_of_two_workers_add_up(cluster: Cluster, namespace: Namespace, manifest: str, launcher: str) -> None:
    namespace.create_program("mpi-allreduce", **{"allreduce.py": (FOLDER / "allreduce.py").read_text()})
    job = namespace.submit(yaml.decode((FOLDER / manifest).read_text()))
    job.until("Succeeded", seconds=SECONDS)
    log = namespace.kubectl("logs", launcher, "-c", "mpi")
    assert f"4 processes on {job.name}-worker-0, {job.name}-worker-1" in log
    assert "all sums agree" in log
    pod = next(pod for pod in namespace.pods() if pod["metadata"]["name"] == launcher)
    [container] = pod["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert "/var/run/secrets/kubernetes.io/serviceaccount" not in mounts, "only the agent has a token"
    account = f"system:serviceaccount:{namespace.name}:{job.name}-launcher"
    elsewhere = cluster.try_kubectl("auth", "can-i", "create", "pods/exec", f"--as={account}", "-n", "default")
    assert elsewhere.stdout.strip() == "no"


def test_a_program_that_fails_fails_the_job(namespace: Namespace) -> None:
    """With the exit code of mpirun, and what the program has said."""
    namespace.create_program("mpi-allreduce", **{"allreduce.py": "raise SystemExit('no data')"})
    job = namespace.submit(yaml.decode((FOLDER / "job.yaml").read_text()))
    failed = job.until("Failed", seconds=SECONDS)
    assert "Launcher replica(s) failed" in failed["message"]
    assert "no data" in namespace.kubectl("logs", f"{job.name}-launcher-0", "-c", "mpi")
    assert job.status()["firstFailure"]["role"] == "Launcher"


def test_processes_are_started_by_ssh(cluster: Cluster, namespace: Namespace) -> None:
    """With keys that the operator has made, and cannot read."""
    namespace.create_program("mpi-allreduce", **{"allreduce.py": (FOLDER / "allreduce.py").read_text()})
    job = namespace.submit(yaml.decode((FOLDER / "job-v2beta1.yaml").read_text()))
    job.until("Succeeded", seconds=SECONDS)
    launcher = f"{job.name}-launcher"
    log = namespace.kubectl("logs", launcher)
    assert f"4 processes on {job.name}-worker-0, {job.name}-worker-1" in log
    assert "all sums agree" in log
    [pod] = [pod for pod in namespace.pods() if pod["metadata"]["name"] == launcher]
    assert "initContainers" not in pod["spec"], "there is no agent"
    assert namespace.kubectl("get", "services", "-o", "name") == ""
    operator = "system:serviceaccount:kdl-system:kdl-operator"
    read = cluster.try_kubectl("auth", "can-i", "get", "secrets", f"--as={operator}", "-n", namespace.name)
    assert read.stdout.strip() == "no"
