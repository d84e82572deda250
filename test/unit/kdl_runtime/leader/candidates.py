"""Candidates for one lease on one API server, on virtual time."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock, LoopClock
from kdl_runtime.leader.elector import LeaderElector
from kdl_runtime.leader.lease import ElectionOptions, LeaseRecord
from kdl_runtime.resources.registry import LEASES
from kdl_runtime.types import ObjectKey
from kdl_testing.direct import DirectTransport

KEY = ObjectKey("default", "operator")
OPTIONS = ElectionOptions(KEY.namespace, KEY.name, "nobody")


START = datetime(2026, 1, 31, tzinfo=UTC)


class SkewedClock:
    """A clock that goes ``rate`` times as fast as the others, and is ``offset`` ahead. It can stand still, with all who
    sleep by it: what SIGSTOP or a paused machine is for a process."""

    def __init__(self, offset: timedelta = timedelta(), rate: float = 1.0) -> None:
        self._offset = offset
        self._rate = rate
        self._awake = asyncio.Event()
        self._awake.set()

    def freeze(self) -> None:
        self._awake.clear()

    def thaw(self) -> None:
        self._awake.set()

    def now(self) -> datetime:
        return START + self._offset + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * self._rate

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._rate)
        await self._awake.wait()


@dataclass
class Candidate:
    elector: LeaderElector
    transport: DirectTransport
    elected: asyncio.Event = field(default_factory=asyncio.Event)
    lost: "asyncio.Future[BaseException]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def start(self) -> None:
        self.elector.start(self.elected.set, self.lost.set_result)


class Cluster:
    """An API server, or what stands before it, and candidates for its lease."""

    def __init__(self) -> None:
        self.clock = LoopClock(START)
        self.server = ApiServer(self.clock, random.Random(1))
        self.refuse: Callable[[Request], bool] = lambda _request: False
        self.requests: list[str] = []
        self._answers = asyncio.Event()
        self._answers.set()
        self._late: set[asyncio.Task[Response]] = set()

    def pause(self) -> None:
        """Answer nothing until ``resume``. What was asked meanwhile is then done, whether somebody waits or not."""
        self._answers.clear()

    def resume(self) -> None:
        self._answers.set()

    async def handle(self, request: Request) -> Response:
        watching = "watch" if request.query.get("watch") else request.method
        self.requests.append(watching)
        if self.refuse(request):
            request = replace(request, path="/forbidden")
        if self._answers.is_set():
            return await self.server.handle(request)
        answer = asyncio.create_task(self._answer_late(request))
        self._late.add(answer)
        answer.add_done_callback(self._late.discard)
        return await asyncio.shield(answer)

    async def _answer_late(self, request: Request) -> Response:
        await self._answers.wait()
        return await self.server.handle(request)

    def candidate(self, identity: str, options: ElectionOptions = OPTIONS, clock: Clock | None = None) -> Candidate:
        transport = DirectTransport(self)
        named = replace(options, identity=identity)
        clock = clock or self.clock
        elector = LeaderElector(Client(transport, clock), named, clock, random.Random(identity))
        return Candidate(elector, transport)

    async def record(self) -> LeaseRecord:
        return LeaseRecord.decode(await Client(DirectTransport(self.server), self.clock).get(LEASES, KEY))


def now() -> float:
    return asyncio.get_running_loop().time()
