"""hack/cluster itself: what it does, and what it leaves behind when it is killed, wherever that happens.

These tests start clusters of their own, whatever cluster the others use.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.waiting import until
from kdl_local.guard import marked_processes
from realcluster import cgroups, facts, images
from realcluster.check import missing
from realcluster.layout import Layout, name_of_checkout, of_cluster

PROJECT = Path(__file__).parents[2]
CLUSTER = PROJECT / "hack" / "cluster"
NAME = name_of_checkout("tool", PROJECT)

UP, KEEPER, SUPERVISOR, EVERYTHING = "up", "keeper", "supervisor", "everything"

STEPS = ("binaries", "namespaces", "containerd", "the control plane", "kubelets", "nodes Ready")
"""How the lines begin that ``up`` prints."""

KILLED = (
    ("binaries", UP),
    ("binaries", EVERYTHING),
    ("namespaces", SUPERVISOR),
    ("namespaces", EVERYTHING),
    ("containerd", UP),
    ("containerd", KEEPER),
    ("the control plane", EVERYTHING),
    ("the control plane", SUPERVISOR),
    ("kubelets", UP),
    ("kubelets", EVERYTHING),
    ("nodes Ready", KEEPER),
)

POD = """
apiVersion: v1
kind: Pod
metadata: {name: POD}
spec:
  nodeName: NODE
  containers:
  - {name: main, image: kdl/busybox:1, command: [sh, -c, "hostname -i >/tmp/index.html; httpd -f -p 80 -h /tmp"]}
"""

BROKEN_SCHEDULER = """#!/bin/sh
[ "$1" != --version ] || exec echo Kubernetes v1.36.3
echo the scheduler has no mind to
exit 3
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lacking() -> str:
    return "; ".join(map(str, missing(facts.gather())))


@pytest.fixture(autouse=True)
def _needs(lacking: str) -> None:
    """In place of what the other end-to-end tests need."""
    if lacking:
        pytest.skip(f"no cluster can run here: {lacking}")


@dataclass(frozen=True)
class Tool:
    def __call__(self, *args: str, name: str = NAME) -> str:
        """What it prints. It has to succeed."""
        done = self.attempt(*args, name=name)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def attempt(self, verb: str, *args: str, name: str = NAME) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [CLUSTER, verb, "--name", name, *args], capture_output=True, text=True, check=False, timeout=240
        )

    def up_until(self, step: str) -> "subprocess.Popen[str]":
        """``up`` that has just printed the line of a step."""
        process = subprocess.Popen(
            [CLUSTER, "up", "--name", NAME], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.split("s  ", 1)[-1].startswith(step):
                return process
        process.wait()
        pytest.fail(f"up ended before the step {step!r}")

    def kubectl(self, *args: str, given: str = "", name: str = NAME) -> str:
        kubeconfig = of_cluster(name).kubeconfig
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={kubeconfig}", *args], input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tool]:
    monkeypatch.setenv("KDL_STATE_HOME", str(tmp_path / "state"))
    tool = Tool()
    yield tool
    subprocess.run([CLUSTER, "down", "--all"], capture_output=True, check=False, timeout=120)


def left_behind(cluster: Layout) -> list[str]:
    """Everything on the machine that belongs to the cluster."""
    found = [f"process {pid}" for pid in processes(cluster)]
    found += [str(group) for item in cgroups.mounted() if (group := item.directory / cluster.cgroup).exists()]
    found += [str(alias) for alias in Path("/sys/class/net").glob("*/ifalias") if _read(alias) == cluster.cgroup]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(cluster.directory) in line]
    if cluster.directory.exists():
        found.append(str(cluster.directory))
    return found


def processes(cluster: Layout) -> list[int]:
    """That carry the mark of the cluster, or its directory in their command."""
    known = set(marked_processes(cluster.mark))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            command = _read(entry / "cmdline")
            if f"{cluster.directory}/" in command or command.rstrip("\0").endswith(str(cluster.directory)):
                known.add(int(entry.name))
    return sorted(known)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def find(cluster: Layout, module: str) -> list[int]:
    """The processes that run a module of the tool, the one that was started first in front."""
    return [
        pid
        for pid in sorted(marked_processes(cluster.mark))
        if module in (words := _read(Path(f"/proc/{pid}/cmdline")).split("\0")) and "unshare" not in words[0]
    ]


def kill(cluster: Layout, victim: str, up: "subprocess.Popen[str]") -> None:
    if victim in (UP, EVERYTHING):
        up.kill()
    if victim == KEEPER:
        _kill(find(cluster, "realcluster.keeper"))
    if victim == SUPERVISOR:
        _kill(find(cluster, "realcluster.init")[-1:])
    if victim == EVERYTHING:
        _kill(marked_processes(cluster.mark))


def runs_commands(tool: Tool, pod: str) -> bool:
    try:
        tool.kubectl("exec", pod, "--", "true")
    except AssertionError:
        return False
    return True


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def until_gone(cluster: Layout, seconds: float = 30.0) -> list[int]:
    """The processes that are left in the end."""
    deadline = time.monotonic() + seconds
    while (found := processes(cluster)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(("step", "victim"), KILLED)
def test_nothing_is_left_when_it_is_killed_while_it_starts(tool: Tool, step: str, victim: str) -> None:
    cluster = of_cluster(NAME)
    up = tool.up_until(step)
    kill(cluster, victim, up)
    assert until_gone(cluster) == []
    # It may have ended well in the moment between its last line and its end.
    assert up.wait(30) != 0 or step == STEPS[-1]
    assert up.stderr is not None
    up.stderr.close()
    tool("down")
    assert left_behind(cluster) == []


def test_it_runs_pods_on_two_nodes_and_stops_with_everything(tool: Tool) -> None:
    cluster = of_cluster(NAME)
    assert tool("up", "--nodes", "2", "--fake-nodes", "2").strip() == str(cluster.kubeconfig)
    assert tool("kubeconfig").strip() == str(cluster.kubeconfig)
    again = tool.attempt("up")
    assert again.returncode == 1
    assert "runs already" in again.stderr
    tool("load", *map(str, images.archives(["busybox"], print)))
    for index in (1, 2):
        tool.kubectl("apply", "-f", "-", given=POD.replace("POD", f"pod-{index}").replace("NODE", f"node-{index}"))
    tool.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    address = tool.kubectl("get", "pod", "pod-2", "-o", "jsonpath={.status.podIP}").strip()
    assert tool.kubectl("exec", "pod-1", "--", "wget", "-q", "-O-", f"http://{address}/").strip() == address
    assert "busybox:1" in tool("exec-in", "node-2", "ctr", "--namespace=k8s.io", "containers", "ls")

    for component in ("containerd@node-1", "kubelet@node-1", "kube-apiserver", "etcd"):
        tool("kill", component)
    stopped = [line.split()[0] for line in tool("status").splitlines() if "stopped" in line]
    assert stopped == ["etcd", "kube-apiserver", "containerd@node-1", "kubelet@node-1"]
    refused = tool.attempt("start", "kubelet@node-1")
    assert refused.returncode == 1
    assert "start containerd@node-1" in refused.stderr
    for component in ("etcd", "kube-apiserver", "containerd", "kubelet"):
        tool("start", component)
    assert "stopped" not in tool("status")
    # A kubelet that has just come back has yet to learn of its pods.
    until("a kubelet that knows its pods", lambda: runs_commands(tool, "pod-1"))
    assert tool.kubectl("exec", "pod-1", "--", "wget", "-q", "-O-", f"http://{address}/").strip() == address

    tool("down")
    assert left_behind(cluster) == []


def test_nothing_is_left_when_it_is_killed_with_running_pods(tool: Tool) -> None:
    cluster = of_cluster(NAME)
    [archive] = images.archives(["busybox"], print)
    pod = POD.replace("POD", "pod").replace("NODE", "node-1")
    tool("up", f"--images={archive}")
    tool.kubectl("apply", "-f", "-", given=pod)
    tool.kubectl("wait", "--for=condition=Ready", "pod/pod", "--timeout=60s")
    _kill(marked_processes(cluster.mark))
    assert until_gone(cluster) == []
    again = tool.attempt("up", f"--images={archive}")
    assert "images: 1, of which 0 were not there yet" in again.stderr
    assert "pod" not in tool.kubectl("get", "pods", "-o", "name")
    tool.kubectl("apply", "-f", "-", given=pod)
    tool.kubectl("wait", "--for=condition=Ready", "pod/pod", "--timeout=60s")
    tool("down")
    assert left_behind(cluster) == []


def test_two_clusters_run_side_by_side(tool: Tool) -> None:
    clusters = [of_cluster(f"{NAME}-{suffix}") for suffix in "ab"]
    for cluster in clusters:
        tool("up", name=cluster.name)
    assert len({cluster.network.read_text() for cluster in clusters}) == 2
    for cluster in clusters:
        assert tool.kubectl("get", "nodes", "-o", "name", name=cluster.name) == "node/node-1\n"
        assert _read(cluster.network)
    for cluster in clusters:
        tool("down", name=cluster.name)
        assert left_behind(cluster) == []


def test_a_component_that_fails_is_named_and_everything_else_stops(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kdl_testing.envtest.assets import locate
    from realcluster.plan import binaries_needed

    broken = tmp_path / "assets"
    broken.mkdir()
    for name, path in locate(binaries_needed(0), report=print).items():
        (broken / name).symlink_to(path)
    (broken / "kube-scheduler").unlink()
    (broken / "kube-scheduler").write_text(BROKEN_SCHEDULER)
    (broken / "kube-scheduler").chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(broken))
    cluster = of_cluster(NAME)
    failed = tool.attempt("up")
    assert failed.returncode == 1
    assert "kube-scheduler exited with code 3" in failed.stderr
    assert "the scheduler has no mind to" in failed.stderr
    assert until_gone(cluster) == []
    assert [path.name for path in cluster.directory.iterdir()] == ["logs"]
    tool("down")
    assert left_behind(cluster) == []
