"""The server under test.

``KDL_CONFORMANCE_SERVER`` says of which kind it is:

- ``local``, the default: a local cluster of our own;
- ``real``: a kube-apiserver with controllers and a scheduler, but no node that runs programs;
- ``real-api``: a kube-apiserver alone.

Real ones are started from the real binaries; ``KDL_CONFORMANCE_KUBECONFIG`` names one that was started for the suite
alone, and is not cleaned up. Cases for which a server lacks something are skipped. A kubeconfig without a kind is that
of any other server, on which the whole suite is run.
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from conformance.api import Api
from conformance.kubectl import Kubectl, binaries
from conformance.widgets import CRDS as DEFINITIONS
from conformance.widgets import Widgets, definition, install
from kdl_local import daemon
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.envtest import API, FAKE_CLUSTER, ControlPlane, ControlPlaneOptions

CRDS = Path(__file__).parents[2] / "deploy" / "crds"

LACKS = {
    "local": {},
    "real": {"node": "this server has no node that runs programs"},
    "real-api": {
        "node": "this server has no node that runs programs",
        "controllers": "no controllers run beside this server",
    },
}
"""By kind of server: the markers of cases that it cannot run, and why."""

_numbers = itertools.count()


def server_kind() -> str:
    kind = os.environ.get("KDL_CONFORMANCE_SERVER", "local")
    if kind not in LACKS:
        raise pytest.UsageError(f"KDL_CONFORMANCE_SERVER is {kind!r}: set it to {', '.join(LACKS)}")
    return kind


def cleans_up() -> bool:
    """Not on a control plane that is there for the suite alone: its controllers would be busy with the namespaces of
    all tests before when those come that are about deletion."""
    return server_kind() == "local"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    lacks = LACKS[server_kind()]
    for item in items:
        for marker, reason in lacks.items():
            if here in item.path.parents and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def unique(prefix: str) -> str:
    """A name that no other test, worker or run uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"{prefix}-{worker}-{os.getpid()}-{next(_numbers)}"


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    given = os.environ.get("KDL_CONFORMANCE_KUBECONFIG")
    kind = server_kind()
    if given:
        yield Path(given)
    elif kind == "local":
        yield from _local_cluster(tmp_path_factory.mktemp("state"))
    else:
        components = API if kind == "real-api" else FAKE_CLUSTER
        with ControlPlane(ControlPlaneOptions(components=components, crds=[CRDS])) as plane:
            if kind == "real":
                plane.create_fake_nodes(1)
            yield plane.kubeconfig


def _local_cluster(state: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDL_STATE_HOME", str(state))
        cluster = daemon.up(daemon.UpOptions(name="conformance", fake_nodes=1))
        try:
            yield Path(cluster.kubeconfig)
        finally:
            daemon.down("conformance")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where kubectl keeps what it has discovered: shared, since every test sees the same kinds."""
    return tmp_path_factory.mktemp("kubectl-cache")


@pytest.fixture(scope="session", params=binaries(), ids=["path", "environment"][: len(binaries())])
def cluster(request: pytest.FixtureRequest, kubeconfig: Path, cache: Path) -> Kubectl:
    """kubectl in the default namespace of a server that has our CRDs."""
    kubectl = Kubectl(request.param, kubeconfig, "default", cache / Path(request.param).parent.name)
    kubectl("apply", "-f", str(CRDS))
    kubectl("wait", "-f", str(CRDS), "--for=condition=Established", "--timeout=20s")
    return kubectl


@pytest.fixture
def kubectl(cluster: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of its own."""
    namespace = unique("test")
    cluster("create", "namespace", namespace)
    yield Kubectl(cluster.binary, cluster.kubeconfig, namespace, cluster.cache)
    if cleans_up():
        cluster("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="session")
def cluster_config(kubeconfig: Path) -> ClusterConfig:
    return load_config(str(kubeconfig))


@pytest.fixture
async def transport(cluster_config: ClusterConfig) -> AsyncIterator[HttpTransport]:
    transport = HttpTransport(cluster_config, SystemClock())
    try:
        yield transport
    finally:
        await transport.close()


@pytest.fixture
async def api(transport: HttpTransport) -> AsyncIterator[Api]:
    """Raw requests, with a namespace of the test's own."""
    api = Api(transport, unique("api"))
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": api.namespace}})
    # Pods are refused until their service account is there, which is made by a controller that may not run.
    await api("POST", api.path("serviceaccounts"), {"metadata": {"name": "default"}})
    yield api
    if cleans_up():
        await api("DELETE", f"/api/v1/namespaces/{api.namespace}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def widget_group(cluster_config: ClusterConfig) -> AsyncIterator[str]:
    """The group of a CRD that is there for all tests of a worker, since it takes a real server a while to serve one."""
    transport = HttpTransport(cluster_config, SystemClock())
    api, group = Api(transport, "default"), f"{unique('widgets')}.example.com"
    try:
        made = await install(api, definition(group))
        yield group
        await api("DELETE", f"{DEFINITIONS}/{made['metadata']['name']}")
    finally:
        await transport.close()


@pytest.fixture
def widgets(api: Api, widget_group: str) -> Widgets:
    return Widgets(api, widget_group)
