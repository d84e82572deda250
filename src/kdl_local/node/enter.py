"""A command inside a container that runs: ``python -m kdl_local.node.enter <pid> <spec fd>``.

For probes and hooks. Enters the namespaces of the container's first process and replaces itself by the command.
"""

import os
import signal
import sys
from pathlib import Path

from kdl_local.node import namespaces
from kdl_local.node.launch import Isolation, decode_spec


def main() -> None:
    pid, spec_fd = sys.argv[1], int(sys.argv[2])
    with os.fdopen(spec_fd, "rb") as file:
        spec = decode_spec(file.read())
    names = {Isolation.ROOT: ("uts", "mnt"), Isolation.USER: ("user", "uts", "mnt"), Isolation.NONE: ()}
    descriptors = [os.open(Path("/proc", pid, "ns", name), os.O_RDONLY) for name in names[spec.isolation]]
    for descriptor in descriptors:
        namespaces.set_namespace(descriptor)
        os.close(descriptor)
    namespaces.die_with_parent(signal.SIGKILL)
    os.chdir(spec.work_dir)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(spec.argv[0], spec.argv, spec.env)
    except OSError as error:
        print(f'exec: "{spec.argv[0]}": {error.strerror}', file=sys.stderr)
        os._exit(126)


if __name__ == "__main__":
    main()
