"""A namespace on a server, a user in it, and operators that run in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from kdl_runtime import Client, Manager, ManagerOptions, ObjectKey, Resource
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import NotFound
from kdl_runtime.manager.manager import Election
from kdl_runtime.resources.registry import NAMESPACES
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport
from kdl_testing.envtest import Cluster

SECONDS = 30.0
"""For anything to become so. It takes less than one when the machine has nothing else to do."""
COLLECTION_SECONDS = 90.0
"""For the garbage collector to take what belongs to an object of a new kind: it looks for new kinds every 30 s."""
OPTIONS = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")
EXAMPLES = Path(__file__).parents[3] / "examples" / "operators"


class World:
    def __init__(self, cluster: Cluster, namespace: str, user: Client) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.user = user

    @classmethod
    async def create(cls, cluster: Cluster, namespace: str, stack: AsyncExitStack) -> "World":
        """The namespace is left to the server's end: deleting it would keep the controllers of the server busy."""
        user = await stack.enter_async_context(connected(cluster.config))
        await user.create(NAMESPACES, {"metadata": {"name": namespace}})
        return cls(cluster, namespace, user)

    def key(self, name: str) -> ObjectKey:
        return ObjectKey(self.namespace, name)

    async def install(self, *crds: Path | dict[str, Any]) -> None:
        await asyncio.to_thread(self.cluster.install_crds, crds)

    @asynccontextmanager
    async def operator(
        self,
        build: Callable[[Manager], object],
        options: ManagerOptions = OPTIONS,
        config: ClusterConfig | None = None,
        election: Election | None = None,
    ) -> AsyncIterator[Manager]:
        """A manager that looks at this namespace, from its start to its orderly end. What it raises is raised."""
        async with connected(config or self.cluster.config) as client:
            options = replace(options, namespaces=(self.namespace,))
            manager = Manager(client, options, election=election)
            build(manager)
            running = asyncio.create_task(manager.start())
            try:
                yield manager
            finally:
                manager.stop()
                await running

    async def apply(self, resource: Resource, name: str, **fields: Any) -> dict[str, Any]:
        return await self.user.create(resource, {"metadata": {"namespace": self.namespace, "name": name}, **fields})

    async def find(self, resource: Resource, name: str) -> dict[str, Any] | None:
        try:
            return await self.user.get(resource, self.key(name))
        except NotFound:
            return None


@asynccontextmanager
async def connected(config: ClusterConfig) -> AsyncIterator[Client]:
    clock = SystemClock()
    async with HttpTransport(config, clock) as transport:
        yield Client(transport, clock, field_manager="test")


def sample(example: str, namespace: str) -> dict[str, Any]:
    """The object that an example is shown with."""
    obj: dict[str, Any] = yaml.safe_load((EXAMPLES / example / "sample.yaml").read_text())
    obj["metadata"]["namespace"] = namespace
    return obj


async def until(holds: Callable[[], Awaitable[Any]], what: str, seconds: float = SECONDS) -> None:
    """Asks again and again, the less often the longer it takes. AssertionError that says what has not become so."""
    pause = 0.02
    try:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, 0.5)
    except TimeoutError as error:
        raise AssertionError(f"after {seconds:g} s it is still not so: {what}") from error
