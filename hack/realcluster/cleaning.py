"""Removing what a cluster has left on the machine. It may be done at any time, by anybody, any number of times."""

import shutil
import time
from pathlib import Path

from kdl_local.guard import kill_marked, marked_processes
from realcluster import cgroups, uplink
from realcluster.errors import ClusterError
from realcluster.layout import Layout

_SECONDS = 10.0
_POLL_SECONDS = 0.05


def kill(layout: Layout) -> None:
    """Ends every process of the cluster. ClusterError."""
    if not kill_marked(layout.mark):
        pids = ", ".join(map(str, marked_processes(layout.mark)))
        raise ClusterError(f"processes of the cluster {layout.name} do not end: {pids}")


def clean(layout: Layout, *, keep_logs: bool = False) -> None:
    """Removes control groups and files of a cluster whose processes have ended, or are about to. Mounts
    and the network of the cluster go with its namespaces. ClusterError."""
    cgroups.remove(layout.cgroup)
    uplink.remove(_block(layout), layout.cgroup)
    deadline = time.monotonic() + _SECONDS
    while left := _remove_files(layout, keep_logs):
        if time.monotonic() >= deadline:
            raise ClusterError(f"{left} cannot be removed")
        time.sleep(_POLL_SECONDS)


def _block(layout: Layout) -> str:
    try:
        return layout.network.read_text().strip()
    except OSError:
        return ""


def _remove_files(layout: Layout, keep_logs: bool) -> Path | None:
    """One that is still there."""
    if not keep_logs or not layout.logs.is_dir():
        shutil.rmtree(layout.directory, ignore_errors=True)
        return layout.directory if layout.directory.exists() else None
    for entry in layout.directory.iterdir():
        if entry == layout.logs:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    return next((entry for entry in layout.directory.iterdir() if entry != layout.logs), None)
