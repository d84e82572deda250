"""pytest fixtures for tests on a real control plane: ``pytest_plugins = ["kdl_testing.pytest_plugin"]``.

``control_plane`` is one cluster for the whole session (for each worker of pytest-xdist). What it is made of is said in
the configuration of pytest, or by a fixture ``control_plane_options`` of one's own, which is the stronger:

    envtest_components = etcd kube-apiserver kube-controller-manager
    envtest_crds = deploy/crds
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdl_testing.envtest.cluster import Cluster
from kdl_testing.envtest.control_plane import ControlPlane
from kdl_testing.envtest.existing import running
from kdl_testing.envtest.options import API, ControlPlaneOptions

_LOGS = pytest.StashKey[list[Path]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("envtest_components", "components of the control plane", type="args", default=list(API))
    parser.addini("envtest_crds", "files and directories of CRDs to install", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LOGS] = []


@pytest.fixture(scope="session")
def control_plane_options(pytestconfig: pytest.Config) -> ControlPlaneOptions:
    """What the control plane is made of."""
    return ControlPlaneOptions(
        components=tuple(pytestconfig.getini("envtest_components")), crds=tuple(pytestconfig.getini("envtest_crds"))
    )


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, control_plane_options: ControlPlaneOptions) -> Iterator[Cluster]:
    """A running cluster: a control plane of its own, or the one of KUBECONFIG with USE_EXISTING_CLUSTER=true.

    If a test of the session fails, the logs of the control plane are kept, and the end of the report says where.
    """
    with running(control_plane_options) as cluster:
        yield cluster
        if isinstance(cluster, ControlPlane) and request.session.testsfailed:
            request.config.stash[_LOGS].append(cluster.keep_logs())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for logs in config.stash[_LOGS]:
        terminalreporter.write_line(f"The logs of the control plane are in {logs}")
