"""Control groups of both versions, on directories that stand for them."""

from pathlib import Path

import pytest

from realcluster import cgroups
from realcluster.cgroups import Hierarchy, hierarchies, is_unified
from realcluster.errors import ClusterError

V1 = """\
24 23 0:21 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
25 24 0:22 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
26 24 0:23 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
27 24 0:24 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
28 24 0:25 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def test_mounts_of_version_1_have_their_controllers() -> None:
    found = hierarchies(V1)
    assert found == [
        Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), 1, ("cpu", "cpuacct")),
        Hierarchy(Path("/sys/fs/cgroup/memory"), 1, ("memory",)),
        Hierarchy(Path("/sys/fs/cgroup/systemd"), 1),
        Hierarchy(Path("/sys/fs/cgroup/unified"), 2),
    ]
    assert not is_unified(found)


def test_a_mount_of_version_2_alone_has_everything() -> None:
    found = hierarchies(V2)
    assert found == [Hierarchy(Path("/sys/fs/cgroup"), 2)]
    assert is_unified(found)


def test_lines_that_are_no_mounts_are_left_out() -> None:
    assert hierarchies("\nnothing of the kind\n1 2 - cgroup\n") == []


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hierarchy of version 1 with cpuset and one of version 2."""
    for name in ("cpuset", "unified"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-3\n")
    (tmp_path / "cpuset" / "cpuset.mems").write_text("0\n")
    lines = [f"1 2 0:1 / {tmp_path}/cpuset rw - cgroup cgroup rw,cpuset"]
    (tmp_path / "mountinfo").write_text("\n".join(lines))
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mountinfo")
    return tmp_path


def test_new_groups_of_version_1_may_use_all_processors(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.mkdir

    def make(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        real(path, mode, parents, exist_ok)
        for name in ("cpuset.cpus", "cpuset.mems"):
            (path / name).touch()

    monkeypatch.setattr(Path, "mkdir", make)
    cgroups.create("kdl-a/node-1")
    assert (mounted / "cpuset/kdl-a/node-1/cpuset.cpus").read_text() == "0-3\n"
    assert (mounted / "cpuset/kdl-a/node-1/cpuset.mems").read_text() == "0\n"


def test_groups_of_version_2_pass_all_controllers_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "top"
    _make_v2(top)
    (tmp_path / "mountinfo").write_text(f"1 2 0:1 / {top} rw - cgroup2 cgroup2 rw")
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mountinfo")
    real = Path.mkdir

    def make(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        real(path, mode, parents, exist_ok)
        _fill_v2(path)

    monkeypatch.setattr(Path, "mkdir", make)
    cgroups.create("kdl-a/node-1")
    for group in (top, top / "kdl-a", top / "kdl-a/node-1"):
        assert (group / "cgroup.subtree_control").read_text() == "+cpu +memory"


def _make_v2(group: Path) -> None:
    group.mkdir()
    _fill_v2(group)


def _fill_v2(group: Path) -> None:
    (group / "cgroup.controllers").write_text("cpu memory\n")
    (group / "cgroup.subtree_control").write_text("")


def test_what_cannot_be_made_is_an_error_with_the_way_out(mounted: Path) -> None:
    (mounted / "cpuset" / "kdl-a").write_text("no directory")
    with pytest.raises(ClusterError, match=r"kdl-a cannot be made ready.*Way out: root rights"):
        cgroups.create("kdl-a/node-1")


def test_groups_are_removed_from_below(mounted: Path) -> None:
    (mounted / "cpuset/kdl-a/node-1/kubepods/pod").mkdir(parents=True)
    cgroups.remove("kdl-a")
    assert not (mounted / "cpuset/kdl-a").exists()
    cgroups.remove("kdl-a")


def test_removing_waits_for_the_last_processes(mounted: Path) -> None:
    busy = mounted / "cpuset/kdl-a/pod/busy"
    busy.mkdir(parents=True)
    (busy / "process").touch()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        (busy / "process").unlink()

    cgroups.remove("kdl-a", sleep)
    assert len(waits) == 1
    assert not (mounted / "cpuset/kdl-a").exists()
