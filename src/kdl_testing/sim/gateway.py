"""The way from the processes to the API server: it knows who asks, counts requests, and has its faults."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from kdl_local.apiserver.request import Request, Response, error_response
from kdl_runtime.clock import Clock
from kdl_runtime.errors import ApiError, TransportError
from kdl_testing.direct import RequestHandler
from kdl_testing.sim.timeline import Timeline
from kdl_testing.sim.wire import Wire

ACTOR: ContextVar[str] = ContextVar("actor", default="cluster")
"""Who makes the write that is under way: the name of a process, ``user``, or whatever the cluster does by itself."""

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was no opening of a watch; ``at`` in virtual seconds, ``user`` who sent it."""

    at: float
    user: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Gateway:
    """Stands for the server towards ``DirectTransport``.

    A write that has been sent is carried out, also when whoever has sent it dies before the answer. ``refuse`` may
    answer a write with an error in place of the server, ``on_answer`` sees every request that the server has answered.
    ``latency`` says, each time anew, for how many seconds a request, or its answer, is on its way.
    """

    server: RequestHandler
    clock: Clock
    timeline: Timeline
    wire: Wire = field(default_factory=Wire)
    sent: list[Sent] = field(default_factory=list)
    refuse: Callable[[Request], ApiError | None] = lambda _: None
    latency: Callable[[], float] = lambda: 0.0
    on_answer: Callable[[Request, Response], None] = lambda _request, _response: None
    _under_way: set[asyncio.Task[Response]] = field(default_factory=set)

    async def handle(self, request: Request) -> Response:
        if not request.flag("watch"):
            self.sent.append(Sent(self.clock.monotonic(), request.user, request.method, request.path))
        await self._travel(request.user)
        if request.method not in _WRITES:
            return await self._read(request)
        task = asyncio.ensure_future(self._write(request))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _read(self, request: Request) -> Response:
        await self.wire.pass_on(request.user)
        answer = self.wire.altered(request)
        if isinstance(answer, ApiError):
            self.timeline.add(request.user, f"{request.method} {request.path}: {answer.status_code}")
            return error_response(answer)
        response = await self.server.handle(answer)
        self.on_answer(request, response)
        if not isinstance(response.body, bytes):
            response.body = self.wire.carry(request.user, response.body)
        await self._travel(request.user)
        return response

    async def _write(self, request: Request) -> Response:
        ACTOR.set(request.user)
        await self.wire.pass_on(request.user)
        refusal = self.refuse(request)
        if refusal is not None:
            self.timeline.add(request.user, f"{request.method} {request.path} is refused")
            return error_response(refusal)
        try:
            response = await self.server.handle(request)
        except TransportError as error:
            self.timeline.add(request.user, f"{request.method} {request.path}: {error}")
            raise
        if response.status >= 400:
            self.timeline.add(request.user, f"{request.method} {request.path}: {response.status}")
        self.on_answer(request, response)
        await self._travel(request.user)
        return response

    async def _travel(self, user: str) -> None:
        latency = self.latency() + self.wire.delay(user)
        if latency > 0:
            await asyncio.sleep(latency)

    def _ended(self, task: "asyncio.Task[Response]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()
