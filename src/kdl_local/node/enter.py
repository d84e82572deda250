"""A command inside a container that runs: ``python -m kdl_local.node.enter <spec fd> [<status fd>]``.

For exec, probes and hooks. Enters the namespaces of the container's first process and replaces itself by the command.
Where it cannot, it says why on the status descriptor, which closes when all is well; without one on standard error.
"""

import errno
import fcntl
import os
import signal
import sys
import termios
from pathlib import Path

from kdl_local.node import namespaces
from kdl_local.node.launch import EntrySpec, Isolation, decode_entry, start_error

NOT_STARTED_EXIT = 126
_NAMESPACES = {Isolation.ROOT: ("uts", "mnt"), Isolation.USER: ("user", "uts", "mnt"), Isolation.NONE: ()}


def main() -> None:
    spec_fd, status_fd = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else sys.stderr.fileno()
    with os.fdopen(spec_fd, "rb") as file:
        spec = decode_entry(file.read())
    if status_fd != sys.stderr.fileno():
        os.set_inheritable(status_fd, False)
    try:
        _become(spec)
    except OSError as error:
        os.write(status_fd, start_error(error, spec.argv[0], spec.work_dir).encode())
        os._exit(NOT_STARTED_EXIT)


def _become(spec: EntrySpec) -> None:
    for descriptor in _open_namespaces(spec):
        namespaces.set_namespace(descriptor)
        os.close(descriptor)
    # Entering a user namespace clears the death signal, so it is set afterwards.
    namespaces.die_with_parent(signal.SIGKILL)
    if os.getppid() != spec.parent:
        os._exit(NOT_STARTED_EXIT)
    os.chdir(spec.work_dir)
    if spec.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(spec.argv[0], spec.argv, spec.env)


def _open_namespaces(spec: EntrySpec) -> list[int]:
    place = Path("/proc", str(spec.pid), "ns")
    try:
        return [os.open(place / name, os.O_RDONLY) for name in _NAMESPACES[spec.isolation]]
    except FileNotFoundError:
        raise ProcessLookupError(errno.ESRCH, "the container has ended") from None


if __name__ == "__main__":
    main()
