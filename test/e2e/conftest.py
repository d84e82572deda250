"""The cluster is the runner's (hack/e2e): the tests find it by the environment, and are skipped without it."""

import itertools
import os
from collections.abc import Generator, Iterator

import pytest

from e2e import report
from e2e.api import Api
from e2e.cluster import Cluster, from_environment
from e2e.namespace import Namespace, is_fake
from e2e.pod_history import PodHistory
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import NAMESPACES, NODES
from kdl_runtime.types import ObjectKey

KUBELET = "kubelet"
"""The property of a test that says who has run its pods."""

MARKERS = (
    "real_pods: needs a kubelet that runs programs",
    "kills(component): needs a cluster whose component can be killed and started again",
)

_numbers = itertools.count()
_failed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    result = yield
    if result.failed:
        item.stash[_failed] = True
    return result


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    found = from_environment()
    if found is None:
        pytest.skip("no cluster: these tests are run by make e2e")
    return found


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest, cluster: Cluster) -> None:
    """Skips what this cluster cannot show, and says why."""
    if request.node.get_closest_marker("real_pods") and not cluster.real_pods:
        pytest.skip("fake nodes run no programs")
    for marker in request.node.iter_markers("kills"):
        for component in marker.args:
            if component not in cluster.orders.can_kill:
                pytest.skip(f"{component} of a cluster of kind {cluster.kind} cannot be killed and started again")


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    api = Api(cluster.kubeconfig)
    yield api
    api.close()


@pytest.fixture
def namespace(cluster: Cluster, api: Api, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of the test's own. If the test fails, what is in it is written down before it goes."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"e2e-{worker}-{os.getpid()}-{next(_numbers)}"
    api(lambda client: client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    namespace = Namespace(cluster, api, name, PodHistory(api, name))
    try:
        namespace.ready()
        yield namespace
        request.node.user_properties.append((KUBELET, _who_ran(namespace)))
    finally:
        namespace.history.stop()
        if request.node.stash.get(_failed, False):
            report.write(namespace, cluster.logs / f"{request.node.name.replace('/', '-')}.txt")
        _delete(namespace)


def _who_ran(namespace: Namespace) -> str:
    """Versions of the kubelets that started pods of the test; "fake" for nodes that play them."""
    ran = namespace.history.nodes()
    nodes = namespace.api(lambda client: client.list(NODES))
    return ", ".join(
        sorted(
            {
                "fake" if is_fake(node) else str(node["status"]["nodeInfo"]["kubeletVersion"])
                for node in nodes
                if node["metadata"]["name"] in ran
            }
        )
    )


def _delete(namespace: Namespace) -> None:
    try:
        namespace.api(lambda client: client.delete(NAMESPACES, ObjectKey("", namespace.name)))
    except NotFound:
        return
