"""The processes of a pod whose node is on this machine, found by their control group."""

import os
import signal
from pathlib import Path

from endtoend.steps import StepError

PAUSE = "pause"


def main_processes(uid: str, proc: Path = Path("/proc")) -> list[int]:
    """The first process of each container of the pod with this UID, but for the one that holds its namespaces."""
    # With the systemd driver the dashes are underscores.
    marks = (f"pod{uid}", f"pod{uid.replace('-', '_')}")
    found: dict[int, int] = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            groups = (entry / "cgroup").read_text()
            if not any(mark in groups for mark in marks):
                continue
            name, _, rest = (entry / "stat").read_text().rpartition(")")
        except OSError:
            continue
        if not name.endswith(f"({PAUSE}"):
            found[int(entry.name)] = int(rest.split()[1])
    return sorted(pid for pid, parent in found.items() if parent not in found)


def kill_processes(uid: str) -> None:
    """Ends the pod's containers without a warning. StepError if the pod has no process on this machine."""
    found = main_processes(uid)
    if not found:
        raise StepError(f"pod {uid} has no process on this machine")
    for pid in found:
        os.kill(pid, signal.SIGKILL)
