"""Fixtures for tests of operators: ``pytest_plugins = ["kdl_testing.pytest_plugin"]`` in the topmost conftest.py.

It is no entry point, which every pytest of the environment would load: its names are common words, and would stand in
the way of fixtures of other projects.

* ``local_cluster``: a ``LocalApi`` for one test, with ``client(user)``, ``direct``, ``install_crds``, ``controllers()``
  and ``http()``.
* ``faults``: its ``TestFaults``, with ``rates``, ``refuse(error, method=, path=, times=)`` and
  ``during(WireFault.SILENCE)``.
* ``recorder``: its ``Recorder``, with ``count("patch", PODS)``, ``matching`` and ``assert_no_useless_writes()``.
* ``eventually``: ``await eventually(check, within=10)`` waits for what must become true, and says what was wrong last.
* ``@pytest.mark.virtual_time``: runs an ``async def test_...`` on an event loop whose time jumps when everything waits.
* ``virtual_clock``: the clock of such a test, and that of its ``local_cluster``.
* ``real_control_plane``: a cluster of real binaries, one for the session (for each worker of pytest-xdist).

A test with the mark needs no plugin for asyncio, and gets its fixtures from plain functions only: asynchronous ones run
on another loop. What ``real_control_plane`` is made of is said in the configuration of pytest, or by a fixture
``control_plane_options`` of one's own, which is the stronger:

    envtest_components = etcd kube-apiserver kube-controller-manager
    envtest_crds = deploy/crds
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kdl_testing import virtual_time as loops
from kdl_testing.eventually import eventually as wait_for

if TYPE_CHECKING:
    from kdl_testing.envtest.cluster import Cluster
    from kdl_testing.envtest.options import ControlPlaneOptions
    from kdl_testing.faulty import TestFaults
    from kdl_testing.local import LocalApi, VirtualClock
    from kdl_testing.recorder import Recorder

VIRTUAL_TIME = "virtual_time"
_LOGS = pytest.StashKey[list[Path]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("envtest_components", "components of the control plane", type="args", default=[])
    parser.addini("envtest_crds", "files and directories of CRDs to install", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LOGS] = []
    config.addinivalue_line("markers", f"{VIRTUAL_TIME}: an async test that runs on virtual time")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker(VIRTUAL_TIME) is None:
        return None
    # A plugin for asyncio wraps the function in one that would run it on its own loop.
    function: Callable[..., Any] = inspect.unwrap(pyfuncitem.obj)
    if not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    loops.run(function(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def virtual_clock() -> "VirtualClock":
    """The clock of a test on virtual time."""
    from kdl_testing.local import VirtualClock

    return VirtualClock()


@pytest.fixture
def local_cluster(request: pytest.FixtureRequest) -> "LocalApi":
    """A local API server, on virtual time in a test that is marked so."""
    from kdl_testing.local import LocalApi

    virtual = request.node.get_closest_marker(VIRTUAL_TIME) is not None
    return LocalApi(request.getfixturevalue("virtual_clock") if virtual else None)


@pytest.fixture
def faults(local_cluster: "LocalApi") -> "TestFaults":
    """What goes wrong with the local cluster."""
    return local_cluster.faults


@pytest.fixture
def recorder(local_cluster: "LocalApi") -> "Recorder":
    """What is asked of the local cluster."""
    return local_cluster.recorder


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """``kdl_testing.eventually.eventually``."""
    return wait_for


@pytest.fixture(scope="session")
def control_plane_options(pytestconfig: pytest.Config) -> "ControlPlaneOptions":
    """What the real control plane is made of."""
    from kdl_testing.envtest.options import API, ControlPlaneOptions

    components = tuple(pytestconfig.getini("envtest_components")) or API
    return ControlPlaneOptions(components=components, crds=tuple(pytestconfig.getini("envtest_crds")))


@pytest.fixture(scope="session")
def real_control_plane(
    request: pytest.FixtureRequest, control_plane_options: "ControlPlaneOptions"
) -> "Iterator[Cluster]":
    """A running cluster: a control plane of its own, or the one of KUBECONFIG with USE_EXISTING_CLUSTER=true.

    If a test of the session fails, the logs of the control plane are kept, and the end of the report says where.
    """
    from kdl_testing.envtest.control_plane import ControlPlane
    from kdl_testing.envtest.existing import running

    with running(control_plane_options) as cluster:
        yield cluster
        if isinstance(cluster, ControlPlane) and request.session.testsfailed:
            request.config.stash[_LOGS].append(cluster.keep_logs())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for logs in config.stash[_LOGS]:
        terminalreporter.write_line(f"The logs of the control plane are in {logs}")
