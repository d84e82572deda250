"""The first process of the capsule: it takes in the processes that others leave behind, until its own child ends.

``python -m realcluster.init <directory>``. The child, which starts everything, is another process because one that
waits for any child would take the exit codes from those that wait for theirs. When the first process of a PID namespace
ends, the kernel ends all others.
"""

import os
import signal
import sys


def main() -> None:
    child = os.fork()
    if child == 0:
        from realcluster.supervisor import main as supervise

        supervise(sys.argv[1])
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Whoever listens to the child is to notice when it closes its output.
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, sys.stdout.fileno())
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0x7F)


if __name__ == "__main__":
    main()
