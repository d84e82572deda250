"""One API server alone for all of these tests."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from envtest.webhooks.guestbooks import World
from kdl_testing.envtest import ControlPlane


@pytest.fixture(scope="package")
def plane(binaries: Mapping[str, Path]) -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
async def world(plane: ControlPlane) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = World(plane, stack)
        stack.push_async_callback(world.uninstall)
        yield world
