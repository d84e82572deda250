"""Holds the capsule from outside, and leaves nothing behind when it ends.

``python -m realcluster.keeper <directory>`` starts the capsule: processes in mount, network, PID, IPC and UTS
namespaces of their own. If the capsule ends, by itself or because this process was asked to end it (SIGTERM), what the
kernel does not remove with it is removed here. If this process is killed, the kernel ends the capsule, and the next
``up`` or ``down`` of that name removes the rest.

Its standard input is a pipe from ``up``, which writes DONE when the cluster is ready. If the pipe ends before that,
``up`` was killed, and the cluster is stopped.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from realcluster import cleaning
from realcluster.handover import DONE, MACHINE_NETWORK
from realcluster.layout import Layout

_CAPSULE = (
    # Killed by the kernel if this process dies. Not inherited by its children, so each has to see to the next.
    *("setpriv", "--pdeathsig=KILL", "--"),
    *("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--propagation=private"),
    *("--fork", "--kill-child=KILL", "--mount-proc", "--"),
)


def main() -> None:
    layout = Layout(Path(sys.argv[1]))
    asked, asking = os.pipe()
    os.set_blocking(asking, False)
    signal.set_wakeup_fd(asking, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    machine = os.open("/proc/self/ns/net", os.O_RDONLY)
    capsule = subprocess.Popen(
        [*_CAPSULE, sys.executable, "-m", "realcluster.init", str(layout.directory)],
        stdin=subprocess.DEVNULL,
        pass_fds=(machine,),
        env={**os.environ, MACHINE_NETWORK: str(machine)},
        cwd=layout.directory,
    )
    os.close(machine)
    nowhere = os.open(os.devnull, os.O_RDWR)
    # ``up`` is to notice when the capsule closes this pipe.
    os.dup2(nowhere, sys.stdout.fileno())
    orderly = _wait(capsule, asked)
    capsule.kill()
    capsule.wait()
    cleaning.clean(layout, keep_logs=not orderly)


def _wait(capsule: "subprocess.Popen[bytes]", asked: int) -> bool:
    """Whether somebody has asked for the end."""
    ended = os.pidfd_open(capsule.pid)
    watched = [ended, asked, sys.stdin.fileno()]
    while True:
        readable, _, _ = select.select(watched, [], [])
        if asked in readable:
            return True
        if ended in readable:
            return False
        heard = os.read(sys.stdin.fileno(), 64)
        if not heard:
            return False
        if DONE in heard:
            watched.remove(sys.stdin.fileno())


if __name__ == "__main__":
    main()
