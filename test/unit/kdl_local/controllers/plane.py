"""A control plane on virtual time: API server, controllers and fake nodes, without HTTP."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.server import ApiServer
from kdl_local.controllers.all import ControllersOptions, run_controllers
from kdl_local.node.fake import FakeNodeOptions, FakeNodes
from kdl_local.resources import EVENTS, PODS
from kdl_runtime.clock import LoopClock

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

    def get(self, name: str) -> dict[str, Any]:
        """A pod that must be there."""
        return self.direct.get(PODS, "default", name)

    def find(self, name: str, namespace: str = "default") -> dict[str, Any] | None:
        return self.direct.find(PODS, namespace, name)

    def node_of(self, name: str) -> str:
        return str(self.get(name)["spec"].get("nodeName") or "")

    def events(self, reason: str) -> list[str]:
        return [event["message"] for event in self.direct.list(EVENTS) if event["reason"] == reason]


@asynccontextmanager
async def started(
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


class Start(Protocol):
    def __call__(
        self, nodes: FakeNodeOptions | None = None, controllers: ControllersOptions | None = None
    ) -> AbstractAsyncContextManager[Plane]: ...


class OnVirtualTime(Protocol):
    def __call__(self, main: Callable[[], Coroutine[object, object, None]]) -> None: ...
