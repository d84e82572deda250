"""The local API server for one test: reached in the same process, or over HTTP, with what was asked of it on record."""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from kdl_local.apiserver.http import HttpServer, create_credentials
from kdl_local.apiserver.kubeconfig import write_kubeconfig
from kdl_local.apiserver.server import ApiServer, ServerOptions
from kdl_local.controllers.all import ControllersOptions, run_controllers
from kdl_local.resources import CRDS
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.codec import yaml
from kdl_testing.direct import DirectTransport
from kdl_testing.faulty import TestFaults
from kdl_testing.recorder import Recorder
from kdl_testing.sim.gateway import Gateway
from kdl_testing.sim.timeline import Timeline

START = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock:
    """The time of the running event loop, counted from ``START``; before any loop runs it is that."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class LocalApi:
    """An API server with nothing beside it; ``controllers`` adds what a cluster has.

    ``direct`` is synchronous and meets no faults. ``gateway`` is what clients go through.
    """

    def __init__(self, clock: Clock | None = None, options: ServerOptions | None = None) -> None:
        self.clock = clock or SystemClock()
        self.server = ApiServer(self.clock, random.Random(0), options or ServerOptions())
        self.direct = self.server.direct
        self.gateway = Gateway(self.server, self.clock, Timeline(0, self.clock.monotonic))
        self.faults = TestFaults(self.server, self.gateway)
        self.recorder = Recorder(self.server)
        self.gateway.refuse, self.gateway.on_answer = self.recorder.begin, self.recorder.record

    def transport(self, user: str = "system:admin") -> DirectTransport:
        """A connection in this process. ``sever()`` and ``heal()`` cut and mend it."""
        return DirectTransport(self.gateway, user=user)

    def client(self, user: str = "system:admin") -> Client:
        """A client in this process, with all rights; ``user`` is how the recorder and faults know it."""
        return Client(self.transport(user), self.clock)

    def install_crds(self, definitions: Iterable[Path | Mapping[str, Any]]) -> None:
        """Serves the kinds of these CustomResourceDefinitions: objects, and YAML files with any number of them."""
        for definition in definitions:
            objects = yaml.decode_all(definition.read_text()) if isinstance(definition, Path) else [definition]
            for obj in objects:
                self.direct.create(CRDS, obj)

    @asynccontextmanager
    async def controllers(self, options: ControllersOptions | None = None) -> AsyncIterator[None]:
        """Garbage collection, the end of namespaces, and the scheduler run while the block does."""
        work = run_controllers(self.direct, self.server.types, self.clock, random.Random(0), options)
        task = asyncio.create_task(work, name="controllers of the local cluster")
        try:
            yield
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def http(self) -> AsyncIterator[Path]:
        """Serves over TLS on a free port of this machine while the block runs; the kubeconfig of an administrator. Not
        for virtual time."""
        # The gateway does all that is asked of a server there.
        front = HttpServer(cast(ApiServer, self.gateway), create_credentials(SystemClock().now()))
        with tempfile.TemporaryDirectory() as directory:
            async with front:
                path = Path(directory, "kubeconfig")
                write_kubeconfig(path, front.access)
                yield path
