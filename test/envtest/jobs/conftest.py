"""The operator on a real control plane with fake nodes: one namespace and one operator for each test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from conformance.kubectl import Kubectl, binaries
from envtest.controllers.world import World
from kdl_runtime import Manager
from kdl_testing.envtest import Cluster
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.operator import OperatorOptions, build

ELASTIC = ("JAXJob", "PaddleJob", "PyTorchJob")
"""Those whose workers alone are a job that can be scaled."""
KINDS = (*ELASTIC, "MPIJob")
RESOURCES = [
    of.resource(version) for name, of in frameworks().items() if name in KINDS for version in of.stored_versions()
]
CRDS = Path(__file__).parents[3] / "deploy" / "crds"
NUMBERS = count()


@pytest.fixture
async def world(fake_cluster: Cluster) -> AsyncIterator[World]:
    def run(manager: Manager) -> None:
        build(manager, OperatorOptions(workloads=",".join(KINDS), late_kinds=False), RESOURCES)

    async with AsyncExitStack() as stack:
        world = await World.create(fake_cluster, f"jobs-{next(NUMBERS)}", stack)
        await world.install(*(CRDS / f"{of.plural}.{of.group}.yaml" for of in RESOURCES))
        await stack.enter_async_context(world.operator(run))
        yield world


@pytest.fixture
def kubectl(tmp_path: Path) -> Callable[[World], Kubectl]:
    return lambda world: Kubectl(binaries()[-1], world.cluster.kubeconfig, world.namespace, tmp_path)
