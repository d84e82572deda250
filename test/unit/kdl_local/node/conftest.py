from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kdl_local.node import isolation
from kdl_local.node.launch import Isolation
from unit.kdl_local.node.rig import NodeRig, RunningNode, running


@pytest.fixture(scope="session")
def best_isolation(tmp_path_factory: pytest.TempPathFactory) -> Isolation:
    return isolation.detect(str(tmp_path_factory.mktemp("place")))


@pytest.fixture
async def rig(tmp_path: Path, best_isolation: Isolation) -> AsyncIterator[NodeRig]:
    """A node with the best isolation that this system grants."""
    async with running(tmp_path / "node", best_isolation) as found:
        yield found


@pytest.fixture
async def isolated(rig: NodeRig) -> NodeRig:
    """The same, for tests that need mount namespaces."""
    if rig.node.isolation is Isolation.NONE:
        pytest.skip("this system grants no mount namespaces")
    return rig


@pytest.fixture
def running_node(tmp_path: Path) -> RunningNode:
    return lambda granted: running(tmp_path / "node", granted)
