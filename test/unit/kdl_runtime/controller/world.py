"""A local API server, a client of it and a manager, on virtual time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run


class World:
    """``client`` is the manager's; ``stranger`` is somebody else's."""

    def __init__(self, options: ManagerOptions | None = None) -> None:
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        rng = random.Random(1)
        self.server = ApiServer(self.clock, rng)
        self.transport = DirectTransport(self.server)
        self.client = Client(self.transport, self.clock)
        self.stranger = Client(DirectTransport(self.server), self.clock)
        options = options or ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")
        self.manager = Manager(self.client, options, self.clock, rng)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.manager.start())
        await self.manager.wait_started()

    async def stop(self) -> None:
        self.manager.stop()
        if self._task is not None:
            await self._task


def in_a_world(body: Callable[[World], Awaitable[None]], options: ManagerOptions | None = None) -> None:
    """Run ``body`` on virtual time and stop the manager, whose failures are raised."""

    async def main() -> None:
        world = World(options)
        try:
            await body(world)
        finally:
            await world.stop()

    run(main())
