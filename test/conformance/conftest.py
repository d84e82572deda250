"""The server under test: a local cluster of our own, or the one that KDL_CONFORMANCE_KUBECONFIG names.

A server without nodes or controllers beside it runs a part of the suite: ``-m 'not node and not controllers'``.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.kubectl import Kubectl, binaries
from kdl_local import daemon

CRDS = Path(__file__).parents[2] / "deploy" / "crds"

_namespaces = itertools.count()


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    given = os.environ.get("KDL_CONFORMANCE_KUBECONFIG")
    if given:
        yield Path(given)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDL_STATE_HOME", str(tmp_path_factory.mktemp("state")))
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
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    namespace = f"test-{worker}-{os.getpid()}-{next(_namespaces)}"
    cluster("create", "namespace", namespace)
    yield Kubectl(cluster.binary, cluster.kubeconfig, namespace, cluster.cache)
    cluster("delete", "namespace", namespace, "--wait=false")
