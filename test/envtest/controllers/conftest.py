"""The same controllers on two servers: a local cluster, and a control plane from the real binaries."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from envtest.controllers.world import World
from kdl_local import daemon
from kdl_testing.envtest import Cluster, ExistingCluster

_numbers = itertools.count()


@pytest.fixture(scope="session")
def local_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A local cluster in a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDL_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        info = daemon.up(daemon.UpOptions(name="controllers", process_node=False))
        try:
            with ExistingCluster(Path(info.kubeconfig)) as cluster:
                yield cluster
        finally:
            daemon.down("controllers")


@pytest.fixture(params=["local", "real"])
def server(request: pytest.FixtureRequest) -> Cluster:
    cluster: Cluster = request.getfixturevalue("local_server" if request.param == "local" else "real_control_plane")
    return cluster


async def _world(cluster: Cluster) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        namespace = f"controllers-{os.getpid()}-{next(_numbers)}"
        yield await World.create(cluster, namespace, stack)


@pytest.fixture
async def world(server: Cluster) -> AsyncIterator[World]:
    """In a namespace of its own."""
    async for world in _world(server):
        yield world


@pytest.fixture
async def real_world(real_control_plane: Cluster) -> AsyncIterator[World]:
    """On the real control plane alone: for what a local cluster does not have."""
    async for world in _world(real_control_plane):
        yield world
