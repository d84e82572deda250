"""Nothing survives a cluster: finds the processes of its pods, and ends them when the cluster cannot do so itself.

``python -m kdl_local.guard <mark> <path>...`` waits for the end of its standard input, which a cluster keeps open. If
the last thing that it read is ``done`` it just exits; otherwise the cluster was killed, and the guard kills what the
cluster has started and removes the paths.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

MARK = "KDL_LOCAL_CLUSTER"
"""The environment variable that every process of a pod has; its value tells clusters apart."""

DONE = b"done"
_PAUSE_SECONDS = 0.02
_ROUNDS = 250


def marked_processes(mark: str, name: str = MARK) -> list[int]:
    """Processes of this user, or of all for root, that carry the mark in the variable of this name."""
    wanted = f"{name}={mark}".encode()
    own = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != own and wanted in _environment(entry).split(b"\0"):
            found.append(int(entry.name))
    return found


def _environment(process: Path) -> bytes:
    try:
        return process.joinpath("environ").read_bytes()
    except OSError:
        return b""


def kill_marked(mark: str, name: str = MARK) -> bool:
    """Kills until none is left, as a process may be starting another one. False if some would not go."""
    for _ in range(_ROUNDS):
        processes = marked_processes(mark, name)
        if not processes:
            return True
        for pid in processes:
            _kill(pid, f"{name}={mark}".encode())
        time.sleep(_PAUSE_SECONDS)
    return False


def _kill(pid: int, variable: bytes) -> None:
    """The descriptor makes sure that it is the process that was looked at, and not one that got its PID since."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if variable in _environment(Path("/proc", str(pid))).split(b"\0"):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        return
    finally:
        os.close(descriptor)


class Guard:
    """The guard of one cluster, as a child process. ``keep_open`` are descriptors that it holds until it exits."""

    def __init__(self, mark: str, paths: Sequence[Path], keep_open: Sequence[int] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kdl_local.guard", mark, *map(str, paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=tuple(keep_open),
            cwd="/",
            start_new_session=True,
        )

    def release(self) -> None:
        """The cluster has cleaned up by itself."""
        pipe: IO[bytes] | None = self._process.stdin
        assert pipe is not None
        pipe.write(DONE)
        pipe.close()
        self._process.wait()


def _wait_for_end(pipe: Iterable[bytes]) -> bytes:
    return b"".join(pipe)


def main() -> None:
    mark, paths = sys.argv[1], [Path(argument) for argument in sys.argv[2:]]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if _wait_for_end(sys.stdin.buffer).endswith(DONE):
        return
    kill_marked(mark)
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
