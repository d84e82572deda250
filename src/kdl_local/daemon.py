"""Local clusters as background processes, by name: start, find and stop them.

Every cluster has a directory below ``statehome.root()`` and, beside it, a lock file that its processes hold as long as
one of them lives. The lock tells a running cluster from what a dead one left behind, whatever PIDs have been used again
since.

A cluster says that it is ready by one line of JSON, its ``ClusterInfo``, on the descriptor that ``--ready-fd`` names,
and keeps the same in ``cluster.json`` in its directory. If it cannot start, the descriptor closes without a line and
the reason is in its log.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kdl_local.cluster import ClusterError
from kdl_local.guard import kill_marked
from kdl_local.statehome import root
from kdl_runtime.codec.json import DecodeError, decoder, encode

DEFAULT_NAME = "default"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """What there is to know of a running cluster. Paths are absolute. ``isolation`` is ``root``, ``user``, ``none``,
    or empty for a cluster without a process node; ``warning`` tells what does not work because of it."""

    name: str
    pid: int
    url: str
    kubeconfig: str
    directory: str
    log: str
    nodes: tuple[str, ...] = ()
    isolation: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """``kubeconfig``: a further place for the kubeconfig. ``fake_nodes``: how many nodes that run nothing there are,
    each with ``fake_node_resources`` such as ``cpu=32,memory=256Gi,pods=110``. ``process_node`` False leaves out the
    node that runs pods. ``resources`` adds to what that node has, such as ``nvidia.com/gpu=2``."""

    name: str = DEFAULT_NAME
    port: int = 0
    kubeconfig: Path | None = None
    process_node: bool = True
    fake_nodes: int = 0
    fake_node_resources: str = ""
    resources: str = ""


_decode_info = decoder(ClusterInfo)


def directory(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ClusterError(f"{name!r} is no name for a cluster: use lower-case letters, digits and dashes")
    return root() / "clusters" / name


def lock_path(name: str) -> Path:
    path = directory(name)
    return path.with_name(f"{path.name}.lock")


def log_path(name: str) -> Path:
    path = directory(name)
    return path.with_name(f"{path.name}.log")


# ---- the lock


def acquire(name: str) -> int:
    """The descriptor of the cluster's lock, held. ClusterError if a cluster of that name runs."""
    path = lock_path(name)
    while True:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            # Another cluster was the last one, and has removed the directory since.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ClusterError(
                f"a local cluster named {name} runs already: use it, stop it with 'kdl local down', or choose another "
                "name"
            ) from None
        if _is_at(descriptor, path):
            return descriptor
        # Whoever held it before has removed the file since.
        os.close(descriptor)


def is_running(name: str) -> bool:
    try:
        descriptor = os.open(lock_path(name), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def release(name: str, descriptor: int, *, keep_log: bool = False) -> None:
    """Gives the lock up, and removes its file and the log as the last traces of the cluster."""
    if not keep_log:
        log_path(name).unlink(missing_ok=True)
    lock_path(name).unlink(missing_ok=True)
    os.close(descriptor)
    with suppress(OSError):
        # The last one takes the directory of all clusters along.
        lock_path(name).parent.rmdir()


# ---- up, down, status


def up(options: UpOptions, timeout: float = START_SECONDS) -> ClusterInfo:
    """Starts a cluster in the background and returns when it is ready. ClusterError tells why it is not."""
    os.close(acquire(options.name))
    log = log_path(options.name)
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        with log.open("wb") as output:
            log.chmod(0o600)
            process = subprocess.Popen(
                [sys.executable, "-m", "kdl_local", *arguments(options), "--ready-fd", str(write)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                cwd="/",
                start_new_session=True,
            )
        os.close(write)
        line = _read_line(read, time.monotonic() + timeout)
    finally:
        os.close(read)
    if line is None:
        process.kill()
    if not line:
        process.wait()
        reason = _last_line(log)
        clean_up(options.name)
        raise ClusterError(f"the local cluster did not start: {reason}")
    # The cluster goes on when this process ends: Popen is not to warn of it.
    process.returncode = 0
    info: ClusterInfo = _decode_info(line)
    return info


def down(name: str = DEFAULT_NAME, timeout: float = STOP_SECONDS) -> bool:
    """Stops a cluster and returns when nothing of it is left. False if none of that name ran.

    A cluster that does not stop in time is killed, and what a killed one left behind is removed.
    """
    ran, stopped = is_running(name), False
    if ran:
        stopped = _end(name, signal.SIGTERM, timeout) or _end(name, signal.SIGKILL, timeout)
    if ran and not stopped:
        raise ClusterError(f"the local cluster {name} does not stop: see {log_path(name)}")
    clean_up(name)
    return ran


def status(name: str = DEFAULT_NAME) -> ClusterInfo | None:
    """What runs under this name; None if nothing does, or it is not ready yet."""
    if not is_running(name):
        return None
    try:
        info: ClusterInfo = _decode_info((directory(name) / "cluster.json").read_bytes())
    except (FileNotFoundError, DecodeError):
        return None
    return info


def names() -> list[str]:
    """Names of the clusters that run."""
    found = sorted(path.stem for path in (root() / "clusters").glob("*.lock"))
    return [name for name in found if _NAME.fullmatch(name) and is_running(name)]


def clean_up(name: str) -> None:
    """Removes what a cluster left that was killed together with its guard; nothing if there is none."""
    path = directory(name)
    if not (path.exists() or lock_path(name).exists() or log_path(name).exists()):
        return
    descriptor = acquire(name)
    kill_marked(str(path.resolve()))
    shutil.rmtree(path, ignore_errors=True)
    release(name, descriptor)


def write_info(info: ClusterInfo, ready_fd: int | None) -> None:
    """What a cluster does when it is ready."""
    data = encode(info)
    path = Path(info.directory) / "cluster.json"
    path.write_bytes(data)
    path.chmod(0o600)
    if ready_fd is not None:
        os.write(ready_fd, data + b"\n")
        os.close(ready_fd)


def arguments(options: UpOptions) -> Iterator[str]:
    """The options as ``python -m kdl_local`` takes them."""
    yield from ("--name", options.name, "--port", str(options.port), "--fake-nodes", str(options.fake_nodes))
    if options.kubeconfig is not None:
        yield from ("--kubeconfig", str(options.kubeconfig.absolute()))
    if not options.process_node:
        yield "--no-process-node"
    if options.fake_node_resources:
        yield from ("--fake-node-resources", options.fake_node_resources)
    if options.resources:
        yield from ("--resources", options.resources)


def _read_line(descriptor: int, deadline: float) -> bytes | None:
    """A line, an empty text if the other end closed without one, None if the time is over."""
    os.set_blocking(descriptor, False)
    found = b""
    while time.monotonic() < deadline:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            time.sleep(_POLL_SECONDS)
            continue
        found += data
        if not data or found.endswith(b"\n"):
            return found
    return None


def _end(name: str, number: signal.Signals, timeout: float) -> bool:
    """Signals the cluster's process and waits until its lock is free."""
    info = status(name)
    if info is not None:
        with _pidfd(info.pid) as descriptors:
            for descriptor in descriptors:
                signal.pidfd_send_signal(descriptor, number)
    deadline = time.monotonic() + timeout
    while is_running(name):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    if info is not None:
        # If this very process has started the cluster, its end is to be taken note of.
        with suppress(ChildProcessError):
            os.waitpid(info.pid, 0)
    return True


@contextmanager
def _pidfd(pid: int) -> Iterator[Sequence[int]]:
    """A descriptor of the process, none if it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield ()
        return
    try:
        yield (descriptor,)
    finally:
        os.close(descriptor)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"its log {log} is empty"
