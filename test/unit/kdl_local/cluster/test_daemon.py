"""Clusters as background processes: real ones, reached with kubectl where there is one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdl_local import daemon
from kdl_local.cluster import ClusterError
from kdl_local.daemon import ClusterInfo, UpOptions
from kdl_local.guard import MARK, kill_marked, marked_processes

QUICK = UpOptions(name="quick", process_node=False, fake_nodes=1)
DEADLINE = 20.0


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory of its own; whatever a test leaves running is stopped."""
    monkeypatch.setenv("KDL_STATE_HOME", str(tmp_path))
    yield tmp_path / "clusters"
    for name in daemon.names():
        daemon.down(name)


def wait_until_gone(name: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while daemon.is_running(name):
        assert time.monotonic() < deadline, f"{name} still runs"
        time.sleep(0.02)


def kubectl(info: ClusterInfo, *args: str) -> str:
    command = [str(Path(sys.executable).parent / "kubectl"), "--kubeconfig", info.kubeconfig, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_up_status_down(state: Path, tmp_path: Path) -> None:
    assert daemon.status("quick") is None
    info = daemon.up(UpOptions(name="quick", process_node=False, fake_nodes=2, kubeconfig=tmp_path / "k"))
    assert (info.nodes, info.kubeconfig, info.isolation) == (("fake-0", "fake-1"), str(tmp_path / "k"), "")
    assert daemon.status("quick") == info
    assert daemon.names() == ["quick"]
    assert kubectl(info, "get", "nodes", "-o", "name").split() == ["node/fake-0", "node/fake-1"]
    assert daemon.down("quick") is True
    assert (daemon.names(), daemon.status("quick"), state.exists()) == ([], None, False)
    assert not (tmp_path / "k").exists()


def test_stopping_what_does_not_run_is_no_error(state: Path) -> None:
    assert daemon.down("quick") is False


def test_a_name_is_taken_once() -> None:
    daemon.up(QUICK)
    with pytest.raises(ClusterError, match="quick runs already"):
        daemon.up(QUICK)
    daemon.up(UpOptions(name="other", process_node=False))
    assert daemon.names() == ["other", "quick"]


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "../x", "-a"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ClusterError, match="is no name for a cluster"):
        daemon.up(UpOptions(name=name))


def test_why_a_cluster_does_not_start_is_told(state: Path) -> None:
    first = daemon.up(QUICK)
    port = int(first.url.rpartition(":")[2])
    with pytest.raises(ClusterError, match=f"port {port} cannot be used"):
        daemon.up(UpOptions(name="other", port=port, process_node=False))
    assert sorted(path.name for path in state.iterdir()) == ["quick", "quick.lock", "quick.log"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_a_cluster_without_a_trace(number: signal.Signals, state: Path) -> None:
    info = daemon.up(QUICK)
    os.kill(info.pid, number)
    os.waitpid(info.pid, 0)
    wait_until_gone("quick")
    assert not state.exists()


ESCAPEES = "(setsid sleep 1000 &); sleep 1000 & exec sleep 1000"


def run_escapees(info: ClusterInfo) -> None:
    kubectl(info, "run", "p", "--image=i", "--restart=Never", "--command", "--", "sh", "-c", ESCAPEES)
    kubectl(info, "wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    deadline = time.monotonic() + DEADLINE
    while len(marked_processes(info.directory)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_stopping_ends_every_process_of_every_pod(state: Path) -> None:
    info = daemon.up(UpOptions(name="real"))
    assert (info.nodes, info.isolation in ("root", "user", "none")) == (("local",), True)
    run_escapees(info)
    daemon.down("real")
    assert (marked_processes(info.directory), state.exists()) == ([], False)


def test_killing_a_cluster_leaves_nothing_either(state: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    info = daemon.up(UpOptions(name="real"))
    run_escapees(info)
    os.kill(info.pid, signal.SIGKILL)
    os.waitpid(info.pid, 0)
    wait_until_gone("real")
    assert (marked_processes(info.directory), list(state.iterdir())) == ([], [])
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_what_a_cluster_and_its_guard_left_is_removed_by_the_next(state: Path) -> None:
    """Both are killed: the kernel ends containers with their cluster, and the next start ends the rest."""
    info = daemon.up(UpOptions(name="real"))
    run_escapees(info)
    guards = subprocess.run(["pgrep", "-f", f"kdl_local.guard {info.directory}"], capture_output=True, text=True)
    for pid in (*map(int, guards.stdout.split()), info.pid):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(info.pid, 0)
    wait_until_gone("real")
    assert marked_processes(info.directory) != []
    assert daemon.down("real") is False
    assert (marked_processes(info.directory), state.exists()) == ([], False)


def test_only_marked_processes_are_killed() -> None:
    env = {**os.environ, MARK: "test-mark"}
    ours, others = (subprocess.Popen(["sleep", "1000"], env=env), subprocess.Popen(["sleep", "1000"]))
    try:
        assert ours.pid in marked_processes("test-mark")
        assert kill_marked("test-mark-longer")
        assert ours.poll() is None
        signalled = kill_marked_and_reap(ours)
        assert (signalled, others.poll()) == (-signal.SIGKILL, None)
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()


def kill_marked_and_reap(process: "subprocess.Popen[bytes]") -> int:
    """A zombie has no environment, so that it does not count."""
    assert kill_marked("test-mark")
    return process.wait()


def test_the_last_cluster_leaves_no_directory(state: Path) -> None:
    daemon.up(QUICK)
    daemon.up(UpOptions(name="other", process_node=False))
    assert daemon.down("other")
    assert state.exists()
    assert daemon.down("quick")
    assert not state.exists()
