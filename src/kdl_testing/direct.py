"""A transport that calls a local API server in the same process: no socket, no thread, no real time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from kdl_local.apiserver.request import Request, Response, warning_header
from kdl_runtime.errors import TransportError
from kdl_runtime.transport.http import HttpRequest, HttpResponse


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

    ``sever`` is what a crash or a cut network is for the client: every request from then on, and every stream that is
    open, ends in a TransportError, while what the server had done stays done. ``heal`` undoes it for new requests.
    """

    def __init__(self, server: RequestHandler, *, user: str = "system:admin") -> None:
        self._server = server
        self._user = user
        self._cut = asyncio.Event()
        self.requests = 0

    def sever(self) -> None:
        self._cut.set()

    def heal(self) -> None:
        self._cut = asyncio.Event()

    async def request(self, request: HttpRequest) -> HttpResponse:
        async with self.stream(request) as answer:
            return HttpResponse(answer.status, answer.headers, await answer.read())

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[DirectStream]:
        cut = self._cut
        if cut.is_set():
            raise TransportError("the connection to the API server is cut")
        self.requests += 1
        response = await self._handle(request)
        stream = DirectStream(response.status, _headers(response), response)
        body = response.body
        try:
            if isinstance(body, bytes):
                yield stream
            else:
                response.body = _until_cut(body, cut)
                yield stream
        finally:
            if not isinstance(body, bytes):
                await body.aclose()

    async def _handle(self, request: HttpRequest) -> Response:
        query: dict[str, list[str]] = {}
        for name, value in request.query:
            query.setdefault(name, []).append(value)
        headers = {name.lower(): value for name, value in request.headers.items()}
        incoming = Request(request.method, request.path, query, headers, request.body, user=self._user)
        try:
            async with asyncio.timeout(request.timeout):
                return await self._server.handle(incoming)
        except TimeoutError:
            raise TransportError(f"{request.method} {request.path}: no answer within {request.timeout} s") from None

    async def close(self) -> None:
        self.sever()


def _headers(response: Response) -> dict[str, str]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    headers["content-type"] = response.content_type
    if response.warnings:
        headers["warning"] = ", ".join(map(warning_header, response.warnings))
    return headers


async def _until_cut(body: AsyncGenerator[bytes, None], cut: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """The chunks of a stream, and a TransportError as soon as the connection is cut, also between two chunks."""
    ended = asyncio.ensure_future(cut.wait())
    try:
        while True:
            step = asyncio.ensure_future(_next(body))
            try:
                await asyncio.wait({step, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not step.done():
                    step.cancel()
                    await asyncio.wait({step})
            if step.cancelled():
                raise TransportError("the connection to the API server was cut")
            chunk = step.result()
            if chunk is None:
                return
            yield chunk
    finally:
        ended.cancel()


async def _next(body: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(body, None)
