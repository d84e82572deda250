"""Whether a cluster can run here: what is missing, with the way out. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from realcluster.cgroups import NEEDED

MEMORY_MIB = 1536
DISK_MIB = 3072

TOOLS = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
"""Programs and the Debian packages that they are in."""

CAPABILITIES = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_FOWNER": 3,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_NET_BIND_SERVICE": 10,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_MKNOD": 27,
}
"""Those that are needed, by their bits. CAP_SYS_RESOURCE is not."""


@dataclass(frozen=True, slots=True)
class Facts:
    """About the machine.

    ``namespaces``, ``kernel``: what was said when namespaces, and in them a veth pair, a bridge and an overlay file
    system were tried; "" if that went well. ``cgroup_problem``: the same for making a control group. ``memory_mib``,
    ``disk_mib``: what is available, and None where that could not be read. ``filesystem``: of the cluster's state.
    """

    system: str = "Linux"
    root: bool = True
    tools: frozenset[str] = frozenset(TOOLS)
    capabilities: int = (1 << 41) - 1
    namespaces: str = ""
    kernel: str = ""
    controllers: frozenset[str] = frozenset((*NEEDED, "cpuacct"))
    unified: bool = False
    cgroup_problem: str = ""
    runtime_installed: bool = True
    apt: bool = True
    memory_mib: int | None = 8192
    disk_mib: int | None = 65536
    filesystem: str = "ext4"


@dataclass(frozen=True, slots=True)
class Missing:
    what: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.what}. Way out: {self.way_out}"


def missing(facts: Facts) -> list[Missing]:
    """Everything that keeps a cluster from running; what follows from something else is left out."""
    if facts.system != "Linux":
        return [Missing(f"the kubelet needs Linux, and this is {facts.system}", "a Linux machine, or 'hack/kind up'")]
    if not facts.root:
        return [Missing("this user is not root, who alone may make what nodes consist of", "'sudo hack/cluster …'")]
    found = [*_tools(facts), *_rights(facts), *_cgroups(facts), *_space(facts)]
    if not facts.runtime_installed and not facts.apt:
        found.append(
            Missing(
                "containerd, runc and network plugins are not installed, and there is no apt-get to fetch them",
                "install containerd, runc and https://github.com/containernetworking/plugins (to /opt/cni/bin)",
            )
        )
    return found


def _tools(facts: Facts) -> Iterator[Missing]:
    for tool, package in TOOLS.items():
        if tool not in facts.tools:
            yield Missing(f"the program {tool} is not in PATH", f"install it (Debian's package {package})")


def _rights(facts: Facts) -> Iterator[Missing]:
    lacking = [name for name, bit in CAPABILITIES.items() if not facts.capabilities >> bit & 1]
    if lacking:
        yield Missing(
            f"root lacks {', '.join(lacking)} here",
            "outside of a container, or in one that is privileged ('docker run --privileged')",
        )
    elif facts.namespaces:
        yield Missing(
            f"namespaces cannot be made: {facts.namespaces}",
            "a machine or a container that does not forbid it (seccomp, AppArmor, user.max_*_namespaces)",
        )
    elif facts.kernel:
        yield Missing(
            f"the kernel lacks what pods need: {facts.kernel}", "a kernel with overlayfs, veth and bridge (modprobe)"
        )


def _cgroups(facts: Facts) -> Iterator[Missing]:
    needed: Sequence[str] = NEEDED if facts.unified else (*NEEDED, "cpuacct")
    lacking = [name for name in needed if name not in facts.controllers]
    if lacking:
        yield Missing(
            f"control groups have no {', '.join(lacking)} here",
            "mount them (version 2: 'mount -t cgroup2 none /sys/fs/cgroup'), or boot with cgroup_enable=memory",
        )
    elif facts.cgroup_problem:
        yield Missing(
            f"control groups cannot be made: {facts.cgroup_problem}", "a container with a writable /sys/fs/cgroup"
        )


def _space(facts: Facts) -> Iterator[Missing]:
    if facts.filesystem == "overlay":
        yield Missing(
            "the directory of the cluster's state is on overlayfs, where containers' layers cannot be stacked again",
            "set KDL_STATE_HOME to a directory on a disk; in a container, to one on a volume",
        )
    if facts.memory_mib is not None and facts.memory_mib < MEMORY_MIB:
        yield Missing(
            f"{facts.memory_mib} MiB of memory are free, and a cluster takes {MEMORY_MIB}",
            "end something, or add memory",
        )
    if facts.disk_mib is not None and facts.disk_mib < DISK_MIB:
        yield Missing(
            f"{facts.disk_mib} MiB are free on the disk of the cluster's state, and images take {DISK_MIB}",
            "free some, or set KDL_STATE_HOME to a directory on another disk",
        )
