"""The commands of hack/cluster: names, components, and how requests reach a cluster."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from kdl_testing.envtest.process import Process, Program
from realcluster import control, dns, layout
from realcluster.commands import batch, run
from realcluster.components import Components, Target, targets
from realcluster.control import Message
from realcluster.errors import ClusterError
from realcluster.handover import ERROR, READY, STEP, Progress, Reporter, heard
from realcluster.layout import Layout
from realcluster.plan import Plan, binaries_needed, read
from realcluster.server import Server

CENTRAL = ("etcd", "kube-apiserver", "kube-scheduler")
NODES = ("node-1", "node-2")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("etcd", ["etcd"]),
        ("apiserver", ["kube-apiserver"]),
        ("scheduler", ["kube-scheduler"]),
        ("kubelet", ["kubelet@node-1", "kubelet@node-2"]),
        ("containerd@node-2", ["containerd@node-2"]),
    ],
)
def test_components_are_called_by_short_names_and_on_all_nodes(text: str, meant: list[str]) -> None:
    assert [str(target) for target in targets(text, CENTRAL, NODES)] == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kubeproxy", "there is no component 'kubeproxy': there are etcd, kube-apiserver"),
        ("", "there is no component ''"),
        ("kubelet@node-3", "there is no node 'node-3': there are node-1, node-2"),
        ("kubelet@", "there is no node ''"),
        ("etcd@node-1", "etcd is on no node: call it without @node-1"),
    ],
)
def test_unknown_components_are_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        targets(text, CENTRAL, NODES)


@pytest.mark.parametrize("name", ["", "-a", "a-", "Upper", "a/b", "..", "a b", "x" * 33])
def test_names_that_could_not_be_directories_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="is no name for a cluster"):
        layout.of_cluster(name)


def test_clusters_of_one_name_in_two_homes_share_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDL_STATE_HOME", "/a")
    first = layout.of_cluster("x")
    monkeypatch.setenv("KDL_STATE_HOME", "/b")
    second = layout.of_cluster("x")
    assert first.directory == Path("/a/nodes/x")
    assert first.cgroup != second.cgroup
    assert first.mark != second.mark


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = Plan(
        nodes=2,
        fake_nodes=3,
        binaries={"kubelet": "/b/kubelet"},
        path=["/usr/bin"],
        cni="/opt/cni/bin",
        pause="pause",
        images=["/i/pause.tar"],
    )
    plan.write(tmp_path / "plan.json")
    assert read(tmp_path / "plan.json") == plan
    assert plan.node_names == ["node-1", "node-2"]
    assert "kwok" in plan.control_plane


def test_kwok_is_needed_only_for_fake_nodes() -> None:
    assert set(binaries_needed(1)) - set(binaries_needed(0)) == {"kwok"}
    assert {"kubelet", "coredns", "etcd"} <= set(binaries_needed(0))


# ---- programs


def test_a_program_that_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(ClusterError, match=r"^'sh -c echo no >&2; exit 2' failed: no$"):
        run(["sh", "-c", "echo no >&2; exit 2"])


def test_a_program_that_says_nothing_is_named_with_its_exit_code() -> None:
    with pytest.raises(ClusterError, match="failed: exit code 2"):
        run(["sh", "-c", "exit 2"])


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ClusterError, match="no-such-program cannot be run"):
        run(["no-such-program"])


def test_a_batch_that_fails_names_its_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ip").write_text("#!/bin/sh\ncat >&2\nexit 1\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ClusterError, match=r"failed: link a\nlink b\. The commands were: link a; link b"):
        batch(["link a", "link b"])


# ---- what up hears


def test_progress_is_heard_as_it_was_told() -> None:
    pipe = StringIO()
    reporter = Reporter(pipe)
    reporter.step("containerd")
    reporter.tell(Progress(READY))
    pipe.write("a warning of a library\n[1]\n")
    reporter.tell(Progress(ERROR, "two\nlines"))
    pipe.seek(0)
    assert list(heard(pipe)) == [Progress(STEP, "containerd"), Progress(READY), Progress(ERROR, "two\nlines")]


def test_progress_that_nobody_hears_is_no_error() -> None:
    receiving, sending = os.pipe()
    os.close(receiving)
    with os.fdopen(sending, "w") as pipe:
        reporter = Reporter(pipe)
        reporter.step("one")
        reporter.step("two")
        # What is in its buffer would be written when it is closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sending)


# ---- requests


@pytest.fixture
def cluster(tmp_path: Path) -> Layout:
    # Longer than the path of a socket may be.
    directory = tmp_path / ("long-" * 20) / "x"
    directory.mkdir(parents=True)
    return Layout(directory)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = Process(Program(name="etcd", argv=argv, log=tmp_path / "etcd.log", directory=tmp_path))
    process.start()
    yield process
    process.kill()


@pytest.fixture
def serving(cluster: Layout, process: Process) -> Iterator[Server]:
    server = Server(Components({"etcd": process}, {}), [])
    listener = control.listen(cluster)
    thread = threading.Thread(target=_run, args=(server, listener))
    thread.start()
    yield server
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def _run(server: Server, listener: socket.socket) -> None:
    try:
        server.run(listener)
    except OSError:
        return


def test_components_are_killed_and_started_by_requests(cluster: Layout, serving: Server, process: Process) -> None:
    assert control.ask(cluster, {"verb": "kill", "component": "etcd"}).body == {"done": ["etcd"]}
    assert not process.running
    [status] = control.ask(cluster, {"verb": "status"}).body["components"]
    assert (status["component"], status["running"]) == ("etcd", False)
    for _ in range(2):
        control.ask(cluster, {"verb": "start", "component": "etcd"})
        assert process.running


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"verb": "kill", "component": "moon"}, "there is no component 'moon'"),
        ({"verb": "dance"}, "does not know 'dance'"),
        ({"verb": "enter", "node": "node-9"}, "there is no node 'node-9'"),
    ],
)
def test_what_a_cluster_refuses_is_an_error(cluster: Layout, serving: Server, body: dict[str, str], said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        control.ask(cluster, body)


def test_a_cluster_that_does_not_run_is_an_error_with_the_way_out(cluster: Layout, tmp_path: Path) -> None:
    for absent in (cluster, Layout(tmp_path / "nowhere")):
        with pytest.raises(ClusterError, match=f"no cluster named {absent.name} runs: start it with"):
            control.ask(absent, {"verb": "status"})


def test_files_come_with_messages(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other, (tmp_path / "a").open() as file:
        control.send(one, Message({"verb": "load"}, [file.fileno()]))
        got = control.receive(other)
    assert got is not None
    assert got.body == {"verb": "load"}
    [descriptor] = got.files
    with os.fdopen(descriptor) as received:
        assert received.read() == "content"


def test_a_connection_that_is_closed_half_way_is_no_message() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with other:
        with one:
            one.sendall(b'{"verb": ')
        assert control.receive(other) is None


def test_targets_are_written_as_commands_take_them() -> None:
    assert str(Target("etcd")) == "etcd"
    assert str(Target("kubelet", "node-1")) == "kubelet@node-1"


# ---- names


def test_a_question_names_every_label() -> None:
    assert dns.question("a.bc")[12:] == b"\x01a\x02bc\0\0\x01\0\x01"


def test_addresses_are_found_behind_compressed_names() -> None:
    header = bytes.fromhex("6b64 8180 0001 0002 0000 0000")
    question = dns.question("w.x")[12:]
    alias = bytes.fromhex("c00c 0005 0001 00000001 0002 c00e")
    address = bytes.fromhex("c00c 0001 0001 00000001 0004 0a600001")
    assert dns.answers(header + question + alias + address) == [IPv4Address("10.96.0.1")]


def test_another_answer_is_none() -> None:
    with pytest.raises(ValueError, match="no answer"):
        dns.answers(bytes.fromhex("0001 8180 0000 0000 0000 0000"))


def test_a_server_that_is_not_there_knows_no_address() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        server = closed.getsockname()
    assert dns.addresses(server, "kubernetes.default", timeout=0.2) == []
