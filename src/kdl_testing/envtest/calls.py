"""The runtime's asynchronous client for callers that are not asynchronous."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport

T = TypeVar("T")


def call(config: ClusterConfig, work: Callable[[Client], Awaitable[T]]) -> T:
    """What ``work`` returns. It runs in a thread and an event loop of its own, so the caller's may be running."""

    async def run() -> T:
        clock = SystemClock()
        transport = HttpTransport(config, clock)
        try:
            return await work(Client(transport, clock, field_manager="kdl-envtest"))
        finally:
            await transport.close()

    with ThreadPoolExecutor(1, "envtest") as executor:
        return executor.submit(lambda: asyncio.run(run())).result()
