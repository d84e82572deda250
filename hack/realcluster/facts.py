"""Looks at the machine for ``realcluster.check``. It tries things, and undoes them."""

import os
import platform
import shutil
import subprocess
import uuid
from pathlib import Path

from realcluster import cgroups, layout, packages
from realcluster.check import TOOLS, Facts

_NAMESPACES = (
    "unshare",
    "--mount",
    "--net",
    "--pid",
    "--ipc",
    "--uts",
    "--propagation=private",
    "--fork",
    "--mount-proc",
)
_KERNEL_TRIAL = """
ip link add kdl0 type veth peer name kdl1
ip link add kdl2 type bridge
mount -t tmpfs kdl /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/merged
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work kdl /mnt/merged
echo 1 >/proc/sys/net/ipv4/ip_forward
"""
_SECONDS = 20
_MIB = 1 << 20


def gather() -> Facts:
    system = platform.system()
    if system != "Linux" or os.geteuid() != 0:
        return Facts(system=system, root=hasattr(os, "geteuid") and os.geteuid() == 0)
    tools = frozenset(tool for tool in TOOLS if shutil.which(tool))
    namespaces = _said([*_NAMESPACES, "true"]) if "unshare" in tools else ""
    kernel = ""
    if tools == frozenset(TOOLS) and not namespaces:
        kernel = _said([*_NAMESPACES, "sh", "-ec", _KERNEL_TRIAL])
    found = cgroups.mounted()
    state = _existing(layout.home())
    return Facts(
        tools=tools,
        capabilities=_capabilities(),
        namespaces=namespaces,
        kernel=kernel,
        controllers=cgroups.controllers(found),
        unified=cgroups.is_unified(found),
        cgroup_problem=_cgroup_problem(found),
        runtime_installed=packages.installed() is not None,
        apt=shutil.which("apt-get") is not None,
        memory_mib=_memory(),
        disk_mib=_disk(state),
        filesystem=filesystem_of(cgroups.MOUNTS.read_text(), state.resolve()),
    )


def _said(argv: list[str]) -> str:
    """What a program says that fails; "" if it does not."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def _capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _cgroup_problem(found: list[cgroups.Hierarchy]) -> str:
    for hierarchy in found:
        trial = hierarchy.directory / f"kdl-trial-{uuid.uuid4().hex}"
        try:
            trial.mkdir()
            trial.rmdir()
        except OSError as error:
            return str(error)
    return ""


def _memory() -> int | None:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return None


def _disk(directory: Path) -> int | None:
    return shutil.disk_usage(directory).free // _MIB


def _existing(directory: Path) -> Path:
    return next(path for path in (directory, *directory.parents) if path.exists())


def filesystem_of(mountinfo: str, directory: Path) -> str:
    """Such as ext4; "" if no mount is found. The last one of those on a directory is the one that is seen. Pure."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        mounted_at = Path(fields[4].encode().decode("unicode_escape"))
        if directory.is_relative_to(mounted_at) and len(mounted_at.parts) >= best:
            best, kind = len(mounted_at.parts), after.split()[0]
    return kind
