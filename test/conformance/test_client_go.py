"""client-go as a client of the local cluster: kwok plays nodes and their pods, and CoreDNS serves its names.

Their informers list in both ways: kwok page by page, CoreDNS by a stream, as is the default since Kubernetes 1.35. It
needs their binaries (``make assets``), so it runs only where it is asked for: ``KDL_CONFORMANCE_SERVER=local``.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from conformance import dns
from conformance.api import PATIENCE, Answer, Api
from conformance.conftest import unique
from conformance.tap import Tap, tapped
from kdl_local import daemon
from kdl_local.guard import MARK, Guard
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.envtest import users
from kdl_testing.envtest.assets import AssetsError, locate
from kdl_testing.envtest.fake_nodes import CONFIGURATION, FakeNodes, manifest
from kdl_testing.envtest.ports import start_on_free_port
from kdl_testing.envtest.probes import http_probe
from kdl_testing.envtest.process import Program

LOOPBACK = "127.0.0.1"
LEASE_SECONDS = 2
"""kwok renews a lease four times as often."""

NODE = "fake-0"
NODE_PATH = f"/api/v1/nodes/{NODE}"
LEASE_PATH = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE}"
MANY = 30

LISTS_PAGES, STREAMS_LISTS = "enablePodsOnNodeSyncListPager: true", "enablePodsOnNodeSyncStreamWatch: true"

COREFILE = """.:{port} {{
    bind 127.0.0.1
    errors
    kubernetes cluster.local {{
        kubeconfig {kubeconfig}
        ttl 0
    }}
}}
"""

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("client-go"),
    pytest.mark.skipif(
        os.environ.get("KDL_CONFORMANCE_SERVER") != "local",
        reason="needs real binaries and the local cluster: make conformance, or KDL_CONFORMANCE_SERVER=local",
    ),
]


@dataclass(frozen=True)
class Empty:
    """A local cluster without nodes."""

    config: ClusterConfig
    directory: Path


@dataclass(frozen=True)
class Nameserver:
    """CoreDNS, at this port of the loopback address."""

    tap: Tap
    port: int


@pytest.fixture(scope="module")
def binaries() -> dict[str, Path]:
    try:
        return locate(["kwok", "coredns"], report=print, fetch=False)
    except AssetsError as error:
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def empty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Empty]:
    directory = tmp_path_factory.mktemp("client-go")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDL_STATE_HOME", str(directory / "state"))
        options = daemon.UpOptions(name="client-go", process_node=False)
        info = await asyncio.to_thread(daemon.up, options)
        try:
            yield Empty(load_config(info.kubeconfig), directory)
        finally:
            await asyncio.to_thread(daemon.down, "client-go")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kwok(binaries: dict[str, Path], empty: Empty) -> AsyncIterator[Tap]:
    """kwok runs: it plays the nodes that carry its label."""
    binary, directory = binaries["kwok"], empty.directory
    configuration = directory / "kwok.yaml"
    # It has a way of its own to list the pods of a node; this one is client-go's.
    configuration.write_text(CONFIGURATION.read_text().replace(LISTS_PAGES, STREAMS_LISTS))
    async with tapped(empty.config) as tap:
        kubeconfig = users.write(directory / "kwok.kubeconfig", ClusterConfig(tap.url))

        def program(port: int) -> Program:
            flags = {
                "kubeconfig": kubeconfig,
                "config": configuration,
                "server-address": f"{LOOPBACK}:{port}",
                "node-lease-duration-seconds": LEASE_SECONDS,
            }
            argv = [str(binary), *(f"--{name}={value}" for name, value in flags.items())]
            return _program(argv, directory, http_probe((LOOPBACK, port), "/healthz"))

        async with _running(program):
            yield tap


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nameserver(binaries: dict[str, Path], empty: Empty) -> AsyncIterator[Nameserver]:
    """CoreDNS runs: it answers for the services of the cluster."""
    binary, directory = binaries["coredns"], empty.directory
    async with tapped(empty.config) as tap:
        kubeconfig = users.write(directory / "coredns.kubeconfig", ClusterConfig(tap.url))
        ports: list[int] = []

        def program(port: int) -> Program:
            ports.append(port)
            configuration = directory / "Corefile"
            configuration.write_text(COREFILE.format(port=port, kubeconfig=kubeconfig))
            argv = [str(binary), "-conf", str(configuration)]
            return _program(argv, directory, lambda: dns.ask(port, "kubernetes.default.svc.cluster.local") is not None)

        async with _running(program):
            yield Nameserver(tap, ports[-1])


def _program(argv: Sequence[str], directory: Path, ready: Callable[[], bool]) -> Program:
    name = Path(argv[0]).name
    env = {MARK: f"client-go-{directory}", "HOME": str(directory)}
    return Program(name, argv, directory / f"{name}.log", directory, env, ready)


@asynccontextmanager
async def _running(make: Callable[[int], Program]) -> AsyncIterator[None]:
    process = await asyncio.to_thread(start_on_free_port, make, LOOPBACK)
    guard = Guard(process.program.env[MARK], [])
    try:
        yield
    finally:
        await asyncio.to_thread(process.stop)
        guard.release()


@pytest_asyncio.fixture(loop_scope="module")
async def own(empty: Empty) -> AsyncIterator[Api]:
    """Requests beside those of the client, in a namespace of the test's own."""
    transport = HttpTransport(empty.config, SystemClock())
    try:
        api = Api(transport, unique("client-go"))
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": api.namespace}})
        yield api
    finally:
        await transport.close()


@pytest_asyncio.fixture(loop_scope="module")
async def beside(own: Api, kwok: Tap) -> Api:
    """Requests beside kwok's, with its node there and Ready."""
    answer = await own("POST", "/api/v1/nodes", manifest(FakeNodes(1), 0))
    assert answer.code in (201, 409), answer.body
    await own.until(NODE_PATH, partial(_has_condition, "Ready"))
    return own


def _has_condition(type_: str, answer: Answer) -> bool:
    found = answer.object.get("status", {}).get("conditions", ())
    return any(item["type"] == type_ and item["status"] == "True" for item in found)


def _in_phase(phase: str, answer: Answer) -> bool:
    return bool(answer.object["status"].get("phase") == phase)


def _pod(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "kdl/python", "command": ["true"]}
    fixed: dict[str, Any] = {"automountServiceAccountToken": False, "containers": [container]}
    metadata = {"name": name, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**fixed, **spec}}


async def test_a_client_lists_and_watches_the_nodes(beside: Api, kwok: Tap) -> None:
    queries = [request.query for request in kwok.requests if request.path == "/api/v1/nodes"]
    nodes = [query for query in queries if query.get("labelSelector") == "type=fake"]

    # A client that cannot go on from a list's version, or whose watch ends, lists again.
    assert [query.get("watch") for query in nodes] == [None, "true"], nodes
    assert nodes[1]["allowWatchBookmarks"] == "true"


async def test_a_client_streams_the_pods_of_a_node(beside: Api, kwok: Tap) -> None:
    pods = [request.query for request in kwok.requests if request.path == "/api/v1/pods"]

    streams = [query for query in pods if query.get("sendInitialEvents")]
    assert f"spec.nodeName={NODE}" in {query.get("fieldSelector") for query in streams}, pods


async def test_a_node_becomes_ready_and_its_lease_is_renewed(beside: Api) -> None:
    node = await beside.ok("GET", NODE_PATH)
    lease = (await beside.until(LEASE_PATH, lambda answer: answer.code == 200)).object
    owner = {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": node["metadata"]["uid"]}
    assert lease["metadata"]["ownerReferences"] == [owner]
    assert lease["spec"]["leaseDurationSeconds"] == LEASE_SECONDS

    first = lease["spec"]["renewTime"]
    await beside.until(LEASE_PATH, lambda answer: bool(answer.object["spec"]["renewTime"] > first))


async def test_a_pod_that_is_bound_to_it_runs_until_it_is_deleted(beside: Api) -> None:
    made = await beside.create("pods", _pod("bound", nodeName=NODE))
    path = beside.path("pods", "bound")

    running = (await beside.until(path, partial(_has_condition, "Ready"))).object
    assert running["status"]["phase"] == "Running"
    assert running["status"]["podIP"]
    assert running["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]

    deleted = await beside.ok("DELETE", path)
    assert deleted["metadata"]["uid"] == made["metadata"]["uid"]
    await beside.gone(path)


async def test_our_scheduler_and_its_node_run_a_pod_to_its_end(beside: Api) -> None:
    annotations = {"kdl.io/fake-run-seconds": "0", "kdl.io/fake-exit-code": "3"}
    await beside.create("pods", _pod("failing", annotations, restartPolicy="Never"))

    failed = (await beside.until(beside.path("pods", "failing"), partial(_in_phase, "Failed"))).object

    assert failed["spec"]["nodeName"] == NODE
    assert failed["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


async def test_many_pods_at_once(beside: Api) -> None:
    path = beside.path("pods")
    async with asyncio.TaskGroup() as group:
        for index in range(MANY):
            group.create_task(beside.create("pods", _pod(f"many-{index}", nodeName=NODE)))

    def all_run(answer: Answer) -> bool:
        return [pod["status"].get("phase") for pod in answer.object["items"]] == ["Running"] * MANY

    found = (await beside.until(path, all_run)).object
    assert len({pod["status"]["podIP"] for pod in found["items"]}) == MANY

    await beside.ok("DELETE", path)
    await beside.until(path, lambda answer: answer.object["items"] == [])


async def test_a_node_that_is_deleted_loses_its_lease(beside: Api) -> None:
    await beside.until(LEASE_PATH, lambda answer: answer.code == 200)

    await beside.ok("DELETE", NODE_PATH)

    await beside.gone(NODE_PATH)
    await beside.gone(LEASE_PATH)


async def test_kwok_was_refused_nothing(beside: Api, kwok: Tap) -> None:
    """Nor answered in a way that client-go had to try again."""
    # A lease is created once it is not found.
    assert set(kwok.codes) <= {200, 201, 404}, sorted(set(kwok.codes))
    assert {200, 201} <= set(kwok.codes)


# ---- names


def _slice(service: str, *addresses: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-1", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "hostname": f"{service}-{index}", "conditions": {"ready": True}}
            for index, address in enumerate(addresses)
        ],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }


def _service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}


async def _resolved(nameserver: Nameserver, name: str, addresses: set[str]) -> None:
    """Waits until a name has these addresses."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await asyncio.to_thread(dns.ask, nameserver.port, name)
            if found == addresses:
                return
            await asyncio.sleep(0.05)


async def test_informers_get_their_lists_as_a_stream(own: Api, nameserver: Nameserver) -> None:
    await own.create("services", _service("plain"))
    reads = [request for request in nameserver.tap.requests if request.method == "GET"]

    streamed = {request.path for request in reads if request.query.get("sendInitialEvents") == "true"}
    assert {"/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/namespaces"} <= streamed
    # A client that is refused the stream, or misses the bookmark at its end, falls back to a list.
    assert [request for request in reads if request.path in streamed and not request.query.get("watch")] == []


async def test_a_service_has_the_name_of_its_address(own: Api, nameserver: Nameserver) -> None:
    service = await own.create("services", _service("front"))

    name = f"front.{own.namespace}.svc.cluster.local"
    await _resolved(nameserver, name, {service["spec"]["clusterIP"]})

    await own.ok("DELETE", own.path("services", "front"))
    await _resolved(nameserver, name, set())


async def test_a_headless_service_has_the_names_of_its_endpoints(own: Api, nameserver: Nameserver) -> None:
    await own.create("services", _service("ring", clusterIP="None"))
    group = {"group_version": "discovery.k8s.io/v1"}
    made = await own.create("endpointslices", _slice("ring", "10.1.0.1", "10.1.0.2"), **group)
    zone = f"ring.{own.namespace}.svc.cluster.local"

    await _resolved(nameserver, zone, {"10.1.0.1", "10.1.0.2"})
    await _resolved(nameserver, f"ring-1.{zone}", {"10.1.0.2"})

    made["endpoints"] = made["endpoints"][:1]
    await own.ok("PUT", own.path("endpointslices", "ring-1", **group), made)
    await _resolved(nameserver, zone, {"10.1.0.1"})


async def test_coredns_was_refused_nothing(own: Api, nameserver: Nameserver) -> None:
    assert set(nameserver.tap.codes) == {200}, sorted(set(nameserver.tap.codes))
