"""A control plane on virtual time: API server, controllers and fake nodes, without HTTP."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.server import ApiServer
from kdl_local.controllers.all import ControllersOptions, run_controllers
from kdl_local.node.fake import FakeNodeOptions, FakeNodes
from kdl_local.resources import EVENTS, PODS
from kdl_runtime.clock import LoopClock
from kdl_testing import virtual_time

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Plane:
    server: ApiServer
    nodes: FakeNodes
    clock: LoopClock
    direct: Direct = field(init=False)

    def __post_init__(self) -> None:
        self.direct = self.server.direct

    def pod(self, name: str, **fields: Any) -> dict[str, Any]:
        """Creates a pod that runs for ever; ``annotations``, ``owners`` and ``labels`` are its metadata, the rest its
        spec."""
        metadata = {
            "name": name,
            "namespace": fields.pop("namespace", "default"),
            "annotations": fields.pop("annotations", {}),
            "labels": fields.pop("labels", {}),
            "ownerReferences": fields.pop("owners", []),
            "finalizers": fields.pop("finalizers", []),
        }
        spec = {"containers": [{"name": "c", "image": "i"}], **fields}
        return self.direct.create(PODS, {"metadata": metadata, "spec": spec})

    def get(self, name: str, namespace: str = "default") -> dict[str, Any] | None:
        return self.direct.find(PODS, namespace, name)

    def node_of(self, name: str) -> str:
        pod = self.get(name)
        assert pod is not None
        return str(pod["spec"].get("nodeName") or "")

    def events(self, reason: str) -> list[str]:
        return [event["message"] for event in self.direct.list(EVENTS) if event["reason"] == reason]


Start = Callable[..., AbstractAsyncContextManager[Plane]]


@asynccontextmanager
async def _started(
    nodes: FakeNodeOptions | None = None, controllers: ControllersOptions | None = None
) -> AsyncGenerator[Plane, None]:
    clock, rng = LoopClock(START), random.Random(1)
    server = ApiServer(clock, rng)
    plane = Plane(server, FakeNodes(server.direct, clock, nodes or FakeNodeOptions()), clock)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(run_controllers(server.direct, server.types, clock, rng, controllers)),
            group.create_task(plane.nodes.run()),
        ]
        await asyncio.sleep(0.1)
        try:
            yield plane
        finally:
            for task in tasks:
                task.cancel()


@pytest.fixture
def start() -> Start:
    return _started


@pytest.fixture
def on_virtual_time() -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Runs an async function on virtual time; for use in ordinary test functions."""

    def run(main: Callable[[], Awaitable[None]]) -> None:
        async def awaited() -> None:
            await main()

        virtual_time.run(awaited())

    return run
