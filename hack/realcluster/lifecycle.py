"""Starting and stopping clusters, from the machine's side."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kdl_local.guard import MARK, marked_processes
from kdl_testing.envtest.process import tail
from realcluster import cleaning, layout
from realcluster.errors import ClusterError
from realcluster.handover import DONE, ERROR, READY, STEP, heard
from realcluster.layout import Layout
from realcluster.plan import Plan

Report = Callable[[str], None]

_KEEPER_SECONDS = 40.0


def up(cluster: Layout, plan: Plan, report: Report) -> None:
    """Returns when pods can run in the cluster. ClusterError, and then nothing runs; only logs are left."""
    with turn(cluster):
        if running(cluster):
            raise ClusterError(
                f"a cluster named {cluster.name} runs already: use it, stop it with 'hack/cluster down --name "
                f"{cluster.name}', or choose another --name"
            )
        if cluster.directory.exists():
            report("removing what an earlier cluster of this name has left")
            cleaning.clean(cluster)
        cluster.logs.mkdir(mode=0o700, parents=True)
        cluster.directory.chmod(0o700)
        plan.write(cluster.plan)
        keeper = _start_keeper(cluster)
    assert keeper.stdin is not None and keeper.stdout is not None
    problem = "interrupted"
    with keeper.stdout:
        try:
            problem = _follow(keeper.stdout, cluster, report)
            if not problem:
                keeper.stdin.write(DONE.decode())
        finally:
            # Without DONE this ends the cluster.
            keeper.stdin.close()
            if problem:
                _wait(keeper)
    if problem:
        raise ClusterError(problem)


def _start_keeper(cluster: Layout) -> "subprocess.Popen[str]":
    with cluster.supervisor_log.open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "realcluster.keeper", str(cluster.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, MARK: cluster.mark},
            start_new_session=True,
        )


def _follow(pipe: IO[str], cluster: Layout, report: Report) -> str:
    """What went wrong; "" if nothing did."""
    for progress in heard(pipe):
        if progress.kind == STEP:
            report(progress.text)
        elif progress.kind == READY:
            return ""
        elif progress.kind == ERROR:
            return f"{progress.text}\nAll of the cluster was stopped. Its logs are in {cluster.logs}"
    end = "\n".join(f"  {line}" for line in tail(cluster.supervisor_log)) or "  (nothing)"
    return f"the cluster has ended while it was starting. The end of its log, {cluster.supervisor_log}:\n{end}"


def down(cluster: Layout) -> bool:
    """Stops it, and removes everything of it. False if there was nothing. ClusterError."""
    with turn(cluster):
        found = cluster.directory.exists() or running(cluster)
        for pid in _keepers(cluster):
            _terminate(pid)
        cleaning.kill(cluster)
        cleaning.clean(cluster)
        return found


def running(cluster: Layout) -> bool:
    """Whether any process of it runs."""
    return bool(marked_processes(cluster.mark))


def names() -> list[str]:
    """Of clusters that run, or have left something."""
    home = layout.home()
    return sorted(path.name for path in home.iterdir() if path.is_dir()) if home.is_dir() else []


def _keepers(cluster: Layout) -> list[int]:
    found = []
    for pid in marked_processes(cluster.mark):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"realcluster.keeper" in command:
            found.append(pid)
    return found


def _terminate(pid: int) -> None:
    """Waits until the process, which cleans up, has ended, but not for ever."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        select.select([descriptor], [], [], _KEEPER_SECONDS)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _wait(keeper: "subprocess.Popen[str]") -> None:
    try:
        keeper.wait(_KEEPER_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()


@contextmanager
def turn(cluster: Layout) -> Iterator[None]:
    """One ``up`` or ``down`` at a time decides what of this cluster runs, and what is left of an earlier one."""
    path = cluster.directory.with_name(f"{cluster.name}.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is(path, descriptor):
                # Removed by the one that had it.
                continue
            yield
            path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
