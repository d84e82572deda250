"""A transport that answers from a list and remembers what it was asked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from kdl_runtime.client.client import Client
from kdl_runtime.codec.json import decode, encode
from kdl_runtime.errors import ApiError
from kdl_runtime.transport.http import HttpRequest, HttpResponse


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer with this object, or with the Status of this error."""
    if isinstance(body, ApiError):
        status, body = body.status_code, body.to_status()
    return HttpResponse(status, headers or {}, body if isinstance(body, bytes) else encode(body))


@dataclass
class FakeStream:
    status: int
    headers: Mapping[str, str]
    content: list[bytes | Exception]

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self.content:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])


@dataclass
class FakeTransport:
    """``answers`` are given in order; an exception among them is raised."""

    answers: list[HttpResponse | FakeStream | Exception] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    closed_streams: int = 0
    host: str = "k.example"

    async def request(self, request: HttpRequest) -> HttpResponse:
        found = self._next(request)
        assert isinstance(found, HttpResponse)
        return found

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[FakeStream]:
        found = self._next(request)
        if isinstance(found, HttpResponse):
            found = FakeStream(found.status, found.headers, [found.body])
        try:
            yield found
        finally:
            self.closed_streams += 1

    async def close(self) -> None: ...

    def _next(self, request: HttpRequest) -> HttpResponse | FakeStream:
        self.requests.append(request)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def only(self) -> HttpRequest:
        """The one request that was made."""
        (request,) = self.requests
        return request

    def body(self, number: int = 0) -> Any:
        return decode(self.requests[number].body)


@dataclass
class Counted:
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def count_request(self, code: str, method: str, host: str) -> None:
        self.requests.append((code, method, host))


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def client(transport: FakeTransport, manual_clock: Any, counted: Counted) -> Client:
    return Client(transport, manual_clock, counted)


@pytest.fixture(name="answer")
def answer_fixture() -> Any:
    return answer


@pytest.fixture
def stream() -> Any:
    """Makes a streaming answer of 200 from its chunks."""
    return lambda *chunks: FakeStream(200, {}, list(chunks))
