"""The control groups of nodes, in version 1 (a hierarchy for each controller) and version 2 (one for all)."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from realcluster.errors import ClusterError

NEEDED = ("cpu", "cpuset", "memory", "pids")
"""The controllers without which the kubelet does not start. Version 1 also needs cpuacct."""

_DELEGATED = (*NEEDED, "hugetlb")
"""The kubelet also wants this one where the machine has it."""

MOUNTS = Path("/proc/self/mountinfo")
_V2_MARK = "cgroup.controllers"
_REMOVE_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """``controllers``: of version 1; empty in version 2 and in hierarchies that have only a name."""

    directory: Path
    version: int
    controllers: tuple[str, ...] = ()


def hierarchies(mountinfo: str) -> list[Hierarchy]:
    """Those that are mounted. Pure; https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html"""
    found: dict[Path, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        directory = Path(fields[4].encode().decode("unicode_escape"))
        if kind[0] == "cgroup2":
            found[directory] = Hierarchy(directory, 2)
        else:
            options = kind[2].split(",")
            names = tuple(option for option in options if option not in ("rw", "ro") and "=" not in option)
            found[directory] = Hierarchy(directory, 1, names)
    return list(found.values())


def is_unified(found: list[Hierarchy]) -> bool:
    """Whether the machine uses version 2. Beside hierarchies of version 1, one of version 2 has no controllers."""
    return any(item.version == 2 for item in found) and not any(item.controllers for item in found)


def controllers(found: list[Hierarchy]) -> frozenset[str]:
    """Those that a cluster could use."""
    names: set[str] = set()
    for item in found:
        names |= set(item.controllers)
        if item.version == 2:
            with contextlib.suppress(OSError):
                names |= set((item.directory / _V2_MARK).read_text().split())
    return frozenset(names)


def mounted() -> list[Hierarchy]:
    return hierarchies(MOUNTS.read_text())


def create(path: str) -> None:
    """Makes the group, and those above it, in every hierarchy, with what its children need. ClusterError."""
    found = mounted()
    unified = is_unified(found)
    for hierarchy in found:
        group = hierarchy.directory
        try:
            for name in Path(path).parts:
                if unified:
                    _delegate(group)
                group = group / name
                group.mkdir(exist_ok=True)
                if "cpuset" in hierarchy.controllers:
                    _inherit_cpuset(group)
            if unified:
                _delegate(group)
        except OSError as error:
            raise ClusterError(
                f"the control group {group} cannot be made ready: {error}. Way out: root rights over "
                f"{hierarchy.directory}, and in a container a control group of its own without processes in its root"
            ) from error


def _inherit_cpuset(group: Path) -> None:
    """New groups of version 1 have no processors and no memory, and so can hold no process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (group / name).read_text().strip():
            (group / name).write_text((group.parent / name).read_text())


def _delegate(group: Path) -> None:
    """Version 2 gives a group's children only the controllers that are enabled in it. Usually they are in the root."""
    available = (group / _V2_MARK).read_text().split()
    enabled = (group / "cgroup.subtree_control").read_text().split()
    wanted = [f"+{name}" for name in _DELEGATED if name in available and name not in enabled]
    if wanted:
        (group / "cgroup.subtree_control").write_text(" ".join(wanted))


def remove(path: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Removes the group and all below it in every hierarchy, while the last of its processes end. ClusterError if one
    of them does not."""
    deadline = time.monotonic() + _REMOVE_SECONDS
    while True:
        left = [group for hierarchy in mounted() for group in _remove(hierarchy.directory / path)]
        if not left:
            return
        if time.monotonic() >= deadline:
            raise ClusterError(f"the control group {left[0]} cannot be removed: a process in it does not end")
        sleep(_POLL_SECONDS)


def _remove(group: Path) -> list[Path]:
    """What could not be removed yet."""
    left = []
    for directory in _deepest_first(group):
        try:
            directory.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            left.append(directory)
    return left


def _deepest_first(group: Path) -> Iterator[Path]:
    try:
        children = [child for child in group.iterdir() if child.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in children:
        yield from _deepest_first(child)
    yield group
