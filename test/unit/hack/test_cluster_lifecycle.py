"""Starting and stopping clusters, with a stand-in for what holds them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kdl_local.guard import MARK, kill_marked
from realcluster import cgroups, layout, lifecycle
from realcluster.errors import ClusterError
from realcluster.layout import Layout
from realcluster.plan import Plan

PLAN = Plan(binaries={}, path=[], cni="", pause="", images=[])

KEEPER = """
import sys, time, pathlib
print('["step", "one"]', flush=True)
ENDING
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    """Without control groups."""
    monkeypatch.setenv("KDL_STATE_HOME", str(tmp_path))
    (tmp_path / "mountinfo").touch()
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mountinfo")
    found = layout.of_cluster("x")
    yield found
    kill_marked(found.mark)


class Keepers:
    """Programs that are started instead of the keeper."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cluster: Layout) -> None:
        self._monkeypatch = monkeypatch
        self._cluster = cluster
        self.started: list[subprocess.Popen[str]] = []

    def are(self, ending: str) -> None:
        source = KEEPER.replace("ENDING", ending)

        def start(cluster: Layout) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-c", source],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, MARK: cluster.mark},
            )
            self.started.append(process)
            return process

        self._monkeypatch.setattr(lifecycle, "_start_keeper", start)


@pytest.fixture
def keepers(monkeypatch: pytest.MonkeyPatch, cluster: Layout) -> Iterator[Keepers]:
    keepers = Keepers(monkeypatch, cluster)
    yield keepers
    for process in keepers.started:
        process.kill()
        process.wait()


RUNS = 'print(\'["ready", ""]\', flush=True); sys.stdin.read(); time.sleep(60)'
FAILS = 'print(\'["error", "no etcd"]\', flush=True); sys.stdin.read()'
DIES = "sys.exit(1)"


def up(cluster: Layout) -> list[str]:
    said: list[str] = []
    lifecycle.up(cluster, PLAN, said.append)
    return said


def files(directory: Path) -> Sequence[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_cluster_runs_until_it_is_stopped(cluster: Layout, keepers: Keepers) -> None:
    keepers.are(RUNS)
    assert up(cluster) == ["one"]
    assert lifecycle.running(cluster)
    assert lifecycle.names() == ["x"]
    assert lifecycle.down(cluster)
    assert not lifecycle.running(cluster)
    assert lifecycle.names() == []
    assert files(cluster.directory.parent) == []


def test_a_second_cluster_of_the_name_is_refused(cluster: Layout, keepers: Keepers) -> None:
    keepers.are(RUNS)
    up(cluster)
    with pytest.raises(ClusterError, match=r"named x runs already: use it, stop it with 'hack/cluster down --name x'"):
        up(cluster)
    assert len(keepers.started) == 1


def test_what_goes_wrong_is_said_when_everything_has_ended(cluster: Layout, keepers: Keepers) -> None:
    keepers.are(FAILS)
    with pytest.raises(ClusterError, match=r"^no etcd\n.*Its logs are in .*/x/logs$"):
        up(cluster)
    assert keepers.started[0].poll() == 0


def test_a_cluster_that_dies_without_a_word_is_told_by_its_log(cluster: Layout, keepers: Keepers) -> None:
    keepers.are(f"pathlib.Path({str(cluster.supervisor_log)!r}).write_text('no space'); {DIES}")
    with pytest.raises(ClusterError, match=r"has ended while it was starting(.|\n)*no space"):
        up(cluster)


def test_what_a_dead_cluster_has_left_is_removed_by_the_next(cluster: Layout, keepers: Keepers) -> None:
    (cluster.directory / "nodes").mkdir(parents=True)
    keepers.are(RUNS)
    assert up(cluster) == ["removing what an earlier cluster of this name has left", "one"]
    assert not (cluster.directory / "nodes").exists()


def test_what_a_dead_cluster_has_left_is_removed_by_down(cluster: Layout) -> None:
    (cluster.directory / "nodes" / "deep").mkdir(parents=True)
    (cluster.directory / "network").write_text("10.255.0.0/16\n")
    assert lifecycle.down(cluster)
    assert not cluster.directory.exists()
    assert not lifecycle.down(cluster)


def test_processes_without_a_keeper_are_ended(cluster: Layout) -> None:
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, MARK: cluster.mark}
    )
    assert lifecycle.down(cluster)
    assert orphan.wait(10) != 0


def test_of_two_at_once_one_waits_for_the_other(cluster: Layout) -> None:
    order: list[str] = []
    inside = threading.Event()
    go_on = threading.Event()

    def first() -> None:
        with lifecycle.turn(cluster):
            inside.set()
            go_on.wait(10)
            order.append("first")

    def second() -> None:
        with lifecycle.turn(cluster):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]
    assert files(cluster.directory.parent) == []


def test_clusters_of_other_names_do_not_wait(cluster: Layout) -> None:
    with lifecycle.turn(cluster), lifecycle.turn(layout.of_cluster("y")):
        assert files(cluster.directory.parent) == ["x.lock", "y.lock"]
