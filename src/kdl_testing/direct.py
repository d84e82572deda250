"""A transport that calls a local API server in the same process: no socket, no thread, no real time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from kdl_local.apiserver.request import Request, Response, warning_header
from kdl_runtime.errors import TransportError
from kdl_runtime.transport.http import HttpRequest, HttpResponse, RequestTimeoutError


@dataclass(slots=True)
class DirectStream:
    """The answer to a streaming request."""

    status: int
    headers: dict[str, str]
    _response: Response

    async def chunks(self) -> AsyncIterator[bytes]:
        body = self._response.body
        if isinstance(body, bytes):
            yield body
            return
        async for chunk in body:
            yield chunk

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])


class RequestHandler(Protocol):
    """An ``ApiServer``, or what stands in front of one."""

    def handle(self, request: Request, /) -> Awaitable[Response]: ...


class DirectTransport:
    """Transport of one client of one API server.

    ``timeout`` in seconds is that of requests that name none, None for no limit. ``sever`` is what a crash or a cut
    network is for the client: every request from then on, and every stream that is open, ends in a TransportError,
    while what the server had done stays done. ``heal`` undoes it for new requests.
    """

    def __init__(self, server: RequestHandler, *, user: str = "system:admin", timeout: float | None = None) -> None:
        self._server = server
        self._user = user
        self._timeout = timeout
        self._line = _Line()
        self.requests = 0

    def sever(self) -> None:
        self._line.cut()

    def heal(self) -> None:
        self._line = _Line()

    @property
    def severed(self) -> bool:
        return self._line.is_cut

    async def request(self, request: HttpRequest) -> HttpResponse:
        async with self._exchange(request, self._timeout if request.timeout is None else request.timeout) as answer:
            return HttpResponse(answer.status, answer.headers, await answer.read())

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[DirectStream]:
        return self._exchange(request, request.timeout)

    @asynccontextmanager
    async def _exchange(self, request: HttpRequest, timeout: float | None) -> AsyncIterator[DirectStream]:
        line = self._line
        if line.is_cut:
            raise TransportError("the connection to the API server is cut")
        self.requests += 1
        response = await self._handle(request, timeout)
        stream = DirectStream(response.status, _headers(response), response)
        body = response.body
        if isinstance(body, bytes):
            yield stream
            return
        response.body = line.carry(body)
        async with aclosing(body), aclosing(response.body):
            yield stream

    async def _handle(self, request: HttpRequest, timeout: float | None) -> Response:
        query: dict[str, list[str]] = {}
        for name, value in request.query:
            query.setdefault(name, []).append(value)
        headers = {name.lower(): value for name, value in request.headers.items()}
        incoming = Request(request.method, request.path, query, headers, request.body, user=self._user)
        try:
            async with asyncio.timeout(timeout):
                return await self._server.handle(incoming)
        except TimeoutError:
            raise RequestTimeoutError(f"{request.method} {request.path}: no answer within {timeout} s") from None

    async def close(self) -> None:
        self.sever()


class _Line:
    """A connection until it is cut."""

    def __init__(self) -> None:
        self.is_cut = False
        self._waits: dict[asyncio.Timeout, None] = {}

    def cut(self) -> None:
        if self.is_cut:
            return
        self.is_cut = True
        now = asyncio.get_running_loop().time() if self._waits else 0.0
        for wait in self._waits:
            wait.reschedule(now)

    async def carry(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The chunks of a stream, and a TransportError as soon as the line is cut, also between two chunks."""
        while True:
            chunk = await self._next(body)
            if chunk is None:
                return
            yield chunk

    async def _next(self, body: AsyncGenerator[bytes, None]) -> bytes | None:
        if not self.is_cut:
            wait = asyncio.timeout(None)
            self._waits[wait] = None
            try:
                async with wait:
                    return await anext(body, None)
            except TimeoutError:
                if not self.is_cut:
                    raise
            finally:
                del self._waits[wait]
        raise TransportError("the connection to the API server was cut")


def _headers(response: Response) -> dict[str, str]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    headers["content-type"] = response.content_type
    if response.warnings:
        headers["warning"] = ", ".join(map(warning_header, response.warnings))
    return headers
