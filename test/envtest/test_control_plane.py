"""A control plane from the real binaries: its life, its users, and what is left of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kdl_runtime.client.client import Client, WatchOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.json import decode
from kdl_runtime.errors import Forbidden, TransportError
from kdl_runtime.resources.registry import CONFIGMAPS, NAMESPACES, PODS
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.envtest import (
    Cluster,
    ControlPlane,
    ControlPlaneOptions,
    CrdError,
    ExistingCluster,
    ProcessError,
    ServiceAccount,
    running,
)
from kdl_testing.envtest.calls import call

T = TypeVar("T")

READY_CPU_SECONDS = 20.0
"""What it takes until a control plane is ready with the CRDs, each of which costs it half a second: the time on a clock
says more about what else the machine does."""
CRDS = Path(__file__).parents[2] / "deploy" / "crds"
KEY = ObjectKey("default", "kept")
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)


def config_map(name: str = KEY.name) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name}, "data": {"a": "1"}}


def as_user(kubeconfig: Path, work: Callable[[Client], Awaitable[T]]) -> T:
    return call(load_config(str(kubeconfig)), work)


def binding(name: str, subject: Mapping[str, str]) -> dict[str, Any]:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    return {"metadata": {"name": name}, "roleRef": role, "subjects": [dict(subject)]}


def processes_in(directory: Path) -> list[int]:
    """Whose working directory it is, or was."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(str(directory)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path("/proc", str(pid), "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- a life


def test_it_is_ready_in_seconds_and_leaves_nothing(record_property: Callable[[str, object], None]) -> None:
    started = time.monotonic()
    with ControlPlane(ControlPlaneOptions(crds=[CRDS])) as plane:
        seconds = time.monotonic() - started
        work = sum(cpu_seconds(process.pid) for process in plane.processes.values() if process.pid)
        record_property("seconds", seconds)
        print(f"etcd and kube-apiserver with our CRDs were ready after {seconds:.1f} s, {work:.1f} s of CPU time")
        directory = plane.directory
        assert plane.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert directory.stat().st_mode & 0o777 == 0o700
        assert len(processes_in(directory)) == 2
        served = plane.call(lambda client: client.get_path("/apis/kubeflow.org/v1"))
        assert "pytorchjobs" in {item["name"] for item in decode(served)["resources"]}
    assert not directory.exists()
    assert processes_in(directory) == []
    assert 0 < work < READY_CPU_SECONDS


def test_killed_with_its_test_it_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from kdl_testing.envtest import ControlPlane
with ControlPlane() as plane:
    Path({str(tmp_path / "ready")!r}).write_text(str(plane.directory))
    time.sleep(600)
"""
    test = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        until((tmp_path / "ready").exists, 60)
        directory = Path((tmp_path / "ready").read_text())
        assert len(processes_in(directory)) == 2
    finally:
        os.killpg(test.pid, signal.SIGKILL)
        test.wait()
    until(lambda: not processes_in(directory) and not directory.exists())


def test_two_beside_each_other(plane: ControlPlane) -> None:
    with ControlPlane() as other:
        assert other.url != plane.url
        other.call(lambda client: client.create(CONFIGMAPS, config_map("only-there")))
        names = [item["metadata"]["name"] for item in plane.call(lambda client: client.list(CONFIGMAPS, "default"))]
    assert "only-there" not in names


def test_what_is_stored_outlives_its_processes(tmp_path: Path) -> None:
    options = ControlPlaneOptions(directory=tmp_path / "kept")
    with ControlPlane(options) as plane:
        plane.call(lambda client: client.create(CONFIGMAPS, config_map()))
        kubeconfig, token = (
            plane.user("alice", ["system:masters"]),
            plane.service_account(ServiceAccount("default", "a")),
        )
        first = plane.url
    with ControlPlane(options) as plane:
        assert plane.call(lambda client: client.get(CONFIGMAPS, KEY))["data"] == {"a": "1"}
        # Who had credentials has them still; only the port is another one.
        for path in (kubeconfig, token):
            path.write_text(path.read_text().replace(first, plane.url))
        assert as_user(kubeconfig, lambda client: client.get(CONFIGMAPS, KEY))
        with pytest.raises(Forbidden, match="system:serviceaccount:default:a"):
            as_user(token, lambda client: client.get(CONFIGMAPS, KEY))


def test_it_runs_once(plane: ControlPlane) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        plane.start()
    plane.stop()
    plane.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        assert plane.config


# ---- failures


def test_a_component_that_refuses_its_flags_fails_at_once_and_leaves_its_log() -> None:
    with (
        pytest.raises(ProcessError) as caught,
        ControlPlane(ControlPlaneOptions(extra_args={"kube-apiserver": ["--no-such-flag=1"]})),
    ):
        pass
    error = caught.value
    assert "kube-apiserver exited with code 1" in str(error)
    assert "unknown flag: --no-such-flag" in str(error)
    directory = error.log.parent.parent
    assert [entry.name for entry in directory.iterdir()] == ["logs"]
    assert processes_in(directory) == []
    for log in error.log.parent.iterdir():
        log.unlink()
    error.log.parent.rmdir()
    directory.rmdir()


def test_a_given_port_that_is_taken_is_named(plane: ControlPlane, tmp_path: Path) -> None:
    port = int(plane.url.rsplit(":", 1)[1])
    options = ControlPlaneOptions(port=port, directory=tmp_path)
    with pytest.raises(ProcessError, match=rf"(?s)kube-apiserver .*{port}: bind: address already in use"):
        ControlPlane(options).start()


def test_logs_are_kept_when_a_test_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the test") as caught, ControlPlane() as plane:
        raise ValueError("the test")
    note = caught.value.__notes__[0]
    logs = Path(note.rsplit(" ", 1)[1])
    assert note.startswith("The logs of the control plane are in ")
    assert {path.name for path in logs.iterdir()} == {"etcd.log", "kube-apiserver.log"}
    assert not plane.processes
    for log in logs.iterdir():
        log.unlink()
    logs.rmdir()
    logs.parent.rmdir()


@pytest.mark.parametrize("name", ["kube-apiserver", "etcd"])
def test_a_component_that_is_killed_and_started_again(plane: ControlPlane, name: str) -> None:
    plane.call(lambda client: client.create(CONFIGMAPS, config_map()))
    process = plane.processes[name]
    process.kill()
    if name == "kube-apiserver":
        with pytest.raises(TransportError):
            plane.call(lambda client: client.create(CONFIGMAPS, config_map("another")))
    process.start()
    # The API server notices by itself that etcd is back.
    until(lambda: _is_ready(plane))
    assert plane.call(lambda client: client.get(CONFIGMAPS, KEY))["data"] == {"a": "1"}


def _is_ready(plane: ControlPlane) -> bool:
    ready = plane.processes["kube-apiserver"].program.ready
    assert ready is not None
    return ready()


# ---- users


def test_users_may_do_what_their_roles_allow(real_control_plane: Cluster) -> None:
    alice, nobody = real_control_plane.user("alice", ["viewers"]), real_control_plane.user("bob")
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "viewers"}
    real_control_plane.call(lambda client: client.create(BINDINGS, binding("viewers", group)))
    until(lambda: _may_list(alice))
    with pytest.raises(Forbidden, match='User "bob" cannot list resource "configmaps"'):
        as_user(nobody, lambda client: client.list(CONFIGMAPS, "default"))
    with pytest.raises(Forbidden, match='User "alice" cannot create resource "configmaps"'):
        as_user(alice, lambda client: client.create(CONFIGMAPS, config_map("mine")))


def test_the_groups_of_a_user_are_those_of_each_kubeconfig(real_control_plane: Cluster) -> None:
    real_control_plane.user("carol", ["system:masters"])
    with pytest.raises(Forbidden):
        as_user(real_control_plane.user("carol"), lambda client: client.list(CONFIGMAPS, "default"))


def test_service_accounts_have_tokens(real_control_plane: Cluster) -> None:
    operator = real_control_plane.service_account(ServiceAccount("default", "operator"))
    assert operator.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Forbidden, match="system:serviceaccount:default:operator"):
        as_user(operator, lambda client: client.list(CONFIGMAPS, "default"))
    subject = {"kind": "ServiceAccount", "namespace": "default", "name": "operator"}
    real_control_plane.call(lambda client: client.create(BINDINGS, binding("operator", subject)))
    until(lambda: _may_list(operator))


def _may_list(kubeconfig: Path) -> bool:
    try:
        as_user(kubeconfig, lambda client: client.list(CONFIGMAPS, "default"))
    except Forbidden:
        return False
    return True


# ---- the API


def test_watches_begin_with_what_there_is(real_control_plane: Cluster) -> None:
    """WatchList: it takes etcd 3.6 to have it."""

    async def kinds(client: Client) -> list[str]:
        options = WatchOptions(send_initial_events=True, resource_version_match="NotOlderThan")
        found = []
        async with asyncio.timeout(20), client.watch(NAMESPACES, "", options) as events:
            async for event in events:
                found.append(event.type)
                if event.type == "BOOKMARK":
                    break
        return found

    found = real_control_plane.call(kinds)
    assert found[0] == "ADDED"
    assert found[-1] == "BOOKMARK"


async def test_in_a_coroutine(real_control_plane: Cluster) -> None:
    kubeconfig = await asyncio.to_thread(real_control_plane.user, "dave", ["system:masters"])
    transport = HttpTransport(load_config(str(kubeconfig)), SystemClock())
    try:
        assert await Client(transport, SystemClock()).list(NAMESPACES)
    finally:
        await transport.close()


def test_definitions_that_are_never_served_are_named(real_control_plane: Cluster) -> None:
    def definition(plural: str) -> dict[str, Any]:
        schema = {"openAPIV3Schema": {"type": "object"}}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.twice.example.com"},
            "spec": {
                "group": "twice.example.com",
                "scope": "Namespaced",
                "names": {"plural": plural, "kind": "Twice"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }

    real_control_plane.install_crds([definition("firsts")])
    real_control_plane.install_crds([definition("firsts")])
    with pytest.raises(CrdError, match=r"API server refuses bad: "):
        real_control_plane.install_crds([definition("firsts") | {"metadata": {"name": "bad"}}])


# ---- an existing cluster


def test_the_existing_cluster_is_used(real_control_plane: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "true")
    monkeypatch.setenv("KUBECONFIG", str(real_control_plane.kubeconfig))
    with running(ControlPlaneOptions(crds=[CRDS])) as cluster:
        assert isinstance(cluster, ExistingCluster)
        assert cluster.url == real_control_plane.url
        with pytest.raises(Forbidden, match='User "erin" cannot list resource "pods"'):
            as_user(cluster.user("erin"), lambda client: client.list(PODS, "default"))
        token = cluster.service_account(ServiceAccount("default", "found"))
        with pytest.raises(Forbidden, match="system:serviceaccount:default:found"):
            as_user(token, lambda client: client.list(PODS, "default"))
    assert real_control_plane.call(lambda client: client.list(NAMESPACES))
