"""A process node beside an API server, without HTTP: real processes, real mounts."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from kdl_local.apiserver.logs import LogOptions
from kdl_local.apiserver.server import ApiServer
from kdl_local.guard import MARK, kill_marked, marked_processes
from kdl_local.node.context import Timings
from kdl_local.node.launch import Isolation
from kdl_local.node.process_node import ProcessNode, ProcessNodeOptions
from kdl_local.resources import EVENTS, PODS
from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import SystemClock

DEADLINE = 20.0
"""Seconds after which something that should have happened has not."""

QUICK = Timings(crash_loop=BackoffPolicy(base=0.2, factor=2.0, cap=1.0, jitter=0.0, reset_after=600.0), retry=0.1)


class NodeRig:
    def __init__(self, directory: Path, granted: Isolation | None = None) -> None:
        self.mark = f"test-{uuid.uuid4()}"
        self.server = ApiServer(SystemClock(), random.Random(1))
        self.direct = self.server.direct
        options = ProcessNodeOptions(directory, isolation=granted, marks={MARK: self.mark}, timings=QUICK)
        self.node = ProcessNode(self.direct, SystemClock(), random.Random(1), options)

    def pod(self, name: str, *command: str, **fields: Any) -> None:
        """A pod of one container ``c`` that never restarts; ``container`` adds to that, other fields are its spec."""
        container = {"name": "c", "image": "kdl/python", **({"command": list(command)} if command else {})}
        container |= fields.pop("container", {})
        metadata = {"name": name, "namespace": "default", **fields.pop("metadata", {})}
        spec = {"nodeName": "local", "restartPolicy": "Never", "containers": [container], **fields}
        self.direct.create(PODS, {"metadata": metadata, "spec": spec})

    def get(self, name: str) -> dict[str, Any]:
        """A pod that must be there."""
        return self.direct.get(PODS, "default", name)

    def find(self, name: str) -> dict[str, Any] | None:
        return self.direct.find(PODS, "default", name)

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(name)["status"]
        return found

    def container(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (self.status(name).get("containerStatuses") or [{}])[0]
        return found

    def ended(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.container(name)["state"]["terminated"]
        return found

    async def until(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE):
            while True:
                if what():
                    return
                await asyncio.sleep(0.01)

    async def phase(self, name: str, *phases: str) -> str:
        """Waits for one of the phases; by default for the end."""
        wanted = phases or ("Succeeded", "Failed")
        await self.until(lambda: self.status(name).get("phase") in wanted)
        return str(self.status(name)["phase"])

    async def log(self, name: str, container: str = "c", **options: Any) -> str:
        pieces = await self.node.logs(self.get(name), LogOptions(container, **options))
        return b"".join([piece async for piece in pieces]).decode()

    async def said(self, name: str, text: str) -> None:
        """Waits until the log has the text."""
        async with asyncio.timeout(DEADLINE):
            while True:
                state = self.container(name).get("state", {})
                if state.keys() & {"running", "terminated"} and text in await self.log(name):
                    return
                await asyncio.sleep(0.01)

    def events(self, reason: str) -> list[str]:
        return [event["message"] for event in self.direct.list(EVENTS) if event["reason"] == reason]

    def processes(self) -> list[int]:
        return marked_processes(self.mark)


def exists(path: Path) -> bool:
    return path.exists()


@asynccontextmanager
async def running(directory: Path, granted: Isolation | None) -> AsyncGenerator[NodeRig, None]:
    rig = NodeRig(directory, granted)
    task = asyncio.create_task(rig.node.run())
    await asyncio.sleep(0)
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        left = rig.processes()
        kill_marked(rig.mark)
        assert left == [], "processes outlived their node"
        assert not exists(directory), "files outlived their node"


RunningNode = Callable[[Isolation], AbstractAsyncContextManager[NodeRig]]
"""Starts a node that uses no more isolation than that."""
