"""The process that becomes a container: ``python -m kdl_local.node.launcher <spec fd> <status fd>``.

It reads a ``LaunchSpec`` from the first descriptor, prepares namespaces and mounts, and replaces itself by the
command. The second descriptor closes when that has worked; otherwise it carries one line that says why not, and the
process exits with ``START_ERROR_EXIT``.
"""

import fcntl
import os
import signal
import sys
import termios
from pathlib import Path

from kdl_local.node import namespaces
from kdl_local.node.launch import START_ERROR_EXIT, Isolation, LaunchSpec, decode_spec, start_error


def main() -> None:
    spec_fd, status_fd = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(status_fd, False)
    with os.fdopen(spec_fd, "rb") as file:
        spec = decode_spec(file.read())
    try:
        _become(spec)
    except OSError as error:
        os.write(status_fd, start_error(error, spec.argv[0], spec.work_dir).encode())
        os._exit(START_ERROR_EXIT)


def _become(spec: LaunchSpec) -> None:
    _isolate(spec)
    # Entering a user namespace clears the death signal, so it is set afterwards.
    namespaces.die_with_parent(signal.SIGKILL)
    if os.getppid() != spec.parent:
        os._exit(START_ERROR_EXIT)
    os.chdir(spec.work_dir)
    os.setsid()
    if spec.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(spec.argv[0], spec.argv, spec.env)


def _isolate(spec: LaunchSpec) -> None:
    if spec.isolation is Isolation.NONE:
        return
    flags = namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS
    if spec.isolation is Isolation.USER:
        namespaces.enter_user_namespace(flags)
    else:
        namespaces.unshare(flags)
    namespaces.make_mounts_private()
    if spec.hostname:
        namespaces.set_hostname(spec.hostname)
    view = namespaces.View(Path(spec.scratch))
    for item in sorted(spec.mounts, key=lambda mount: Path(mount.target).parts):
        view.show(Path(item.source), Path(item.target), read_only=item.read_only)


if __name__ == "__main__":
    main()
