"""Whether a cluster with real kubelets can run: what is missing, and how it is said."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from realcluster.check import CAPABILITIES, DISK_MIB, MEMORY_MIB, Facts, missing
from realcluster.facts import filesystem_of

ALL = (1 << 41) - 1
SYS_RESOURCE = 24


def without(*bits: int) -> int:
    return ALL & ~sum(1 << bit for bit in bits)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param(Facts(), [], id="everything is there"),
        pytest.param(Facts(capabilities=without(SYS_RESOURCE)), [], id="CAP_SYS_RESOURCE is not needed"),
        pytest.param(Facts(runtime_installed=False), [], id="packages come from apt"),
        pytest.param(Facts(apt=False), [], id="no apt is needed for what is installed"),
        pytest.param(Facts(memory_mib=None, disk_mib=None), [], id="what is not known is not missing"),
        pytest.param(
            Facts(unified=True, controllers=frozenset({"cpu", "cpuset", "memory", "pids", "io"})),
            [],
            id="version 2 has no cpuacct",
        ),
        pytest.param(Facts(system="Darwin", root=False), ["needs Linux, and this is Darwin"], id="another system"),
        pytest.param(Facts(root=False, capabilities=0), ["not root"], id="another user"),
        pytest.param(Facts(tools=frozenset({"mount"})), ["ip ", "unshare ", "nsenter ", "setpriv "], id="tools"),
        pytest.param(
            Facts(capabilities=without(CAPABILITIES["CAP_NET_ADMIN"], CAPABILITIES["CAP_SYS_ADMIN"])),
            ["CAP_NET_ADMIN, CAP_SYS_ADMIN"],
            id="capabilities",
        ),
        pytest.param(
            Facts(capabilities=without(CAPABILITIES["CAP_SYS_ADMIN"]), namespaces="not permitted", kernel="x"),
            ["CAP_SYS_ADMIN"],
            id="what follows from missing capabilities is not said",
        ),
        pytest.param(Facts(namespaces="unshare failed: Operation not permitted"), ["not permitted"], id="namespaces"),
        pytest.param(Facts(kernel="unknown filesystem type 'overlay'"), ["'overlay'"], id="kernel"),
        pytest.param(Facts(controllers=frozenset({"cpu", "cpuset", "pids"})), ["no memory, cpuacct"], id="controllers"),
        pytest.param(Facts(cgroup_problem="Read-only file system"), ["Read-only"], id="control groups"),
        pytest.param(Facts(runtime_installed=False, apt=False), ["no apt-get"], id="no packages"),
        pytest.param(
            Facts(memory_mib=MEMORY_MIB - 1, disk_mib=DISK_MIB - 1),
            [f"{MEMORY_MIB - 1} MiB", f"{DISK_MIB - 1} MiB"],
            id="space",
        ),
        pytest.param(Facts(filesystem="overlay"), ["is on overlayfs"], id="a container's own file system"),
    ],
)
def test_everything_that_is_missing_is_named(facts: Facts, said: Sequence[str]) -> None:
    found = [str(item) for item in missing(facts)]
    assert len(found) == len(said)
    for line, part in zip(found, said, strict=True):
        assert part in line
        assert ". Way out: " in line


MOUNTS = """\
20 1 0:1 / / rw - overlay overlay rw
21 20 0:2 / /root/.local rw - ext4 /dev/a rw
22 20 0:3 / /root/.local\\040x rw - xfs /dev/b rw
23 20 0:4 / /run rw - tmpfs tmpfs rw
24 20 0:5 / /run rw - ext4 /dev/c rw
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/root", "overlay"),
        ("/root/.local/state", "ext4"),
        ("/root/.localstate", "overlay"),
        ("/root/.local x/state", "xfs"),
        ("/run/state", "ext4"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount_on_top(directory: str, kind: str) -> None:
    assert filesystem_of(MOUNTS, Path(directory)) == kind
