"""An API server, processes and users in one event loop on virtual time, and what is told of them."""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Coroutine, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kdl_local.apiserver.crd import resource_types
from kdl_local.apiserver.faults import Faults
from kdl_local.apiserver.server import ApiServer, ServerOptions
from kdl_local.apiserver.storage import Snapshot
from kdl_local.apiserver.types import ResourceType
from kdl_local.resources import CRDS
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_testing.direct import DirectTransport
from kdl_testing.sim.gateway import Gateway
from kdl_testing.sim.logs import captured_logs
from kdl_testing.sim.process import Process
from kdl_testing.sim.timeline import Timeline

START = datetime(2026, 1, 1, tzinfo=UTC)
USER = "user"
_OPTIONS = ServerOptions()


class World:
    """One run. ``timeline.violations`` must stay empty.

    ``direct`` is the API without faults, for rules and for what belongs to the cluster; ``user`` is a client of
    somebody else, who has no faults either.
    """

    def __init__(
        self, seed: int, *, keep_timeline: bool = False, options: ServerOptions = _OPTIONS, faults: Faults | None = None
    ) -> None:
        self.seed = seed
        self.clock = LoopClock(START)
        self.rng = random.Random(seed)
        self.timeline = Timeline(seed, self.clock.monotonic, keep_timeline)
        self.server = ApiServer(self.clock, self.rng, replace(options, snapshot=_new_cluster()), faults)
        self.direct = self.server.direct
        self.gateway = Gateway(self.server, self.clock, self.timeline)
        self.processes: list[Process] = []
        self.user = Client(DirectTransport(self.server, user=USER), self.clock)

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.clock.monotonic()

    def violated(self, subject: str, text: str) -> None:
        """A rule does not hold: the run has failed."""
        self.timeline.violated(subject, text)

    def install(self, types: Sequence[ResourceType]) -> None:
        """Serves these types."""
        for type_ in types:
            self.server.types.add(type_)

    def expected(self, error: BaseException) -> bool:
        """Whether an error that is logged with its traceback is no violation."""
        return False

    @asynccontextmanager
    async def running(self, *parts: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """The processes and ``parts`` run until the block ends; logs and errors go to the timeline."""
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        with captured_logs(self._logged):
            tasks = [asyncio.ensure_future(part) for part in (*parts, *(p.run() for p in self.processes))]
            try:
                yield
                for task in tasks:
                    if task.done():
                        task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _logged(self, level: str, event: MutableMapping[str, Any]) -> None:
        text, error = str(event.get("event", "")), event.get("exc_info")
        if self.timeline.keep:
            details = {key: value for key, value in event.items() if key not in ("event", "timestamp")}
            self.timeline.add("log", f"{level}: {text} {details}")
        if level == "error" and isinstance(error, BaseException) and not self.expected(error):
            self.violated("log", f"{text}: {type(error).__name__}: {error}")

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.violated("event loop", f"{context['message']}: {context.get('exception')!r}")


@functools.cache
def _new_cluster() -> Snapshot:
    """Made once, for all worlds begin at the same time."""
    return ApiServer(LoopClock(START), random.Random("new cluster")).store.snapshot()


def types_of(definitions: Sequence[Mapping[str, Any]]) -> tuple[ResourceType, ...]:
    """The types of CustomResourceDefinitions. Keep them: compiling a schema takes longer than many a simulation."""
    server = ApiServer(LoopClock(START), random.Random(0))
    return tuple(type_ for crd in definitions for type_ in resource_types(server.direct.create(CRDS, crd)))
