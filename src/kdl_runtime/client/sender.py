"""Sends requests until there is an answer to act on: retries, warnings and the count of requests."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

import structlog

from kdl_runtime.client.answers import error_of
from kdl_runtime.clock import Clock
from kdl_runtime.errors import TransportError
from kdl_runtime.observe.tracing import NO_SPAN, Span, Tracer
from kdl_runtime.transport.http import HttpRequest, HttpResponse, RequestTimeoutError, StreamResponse, Transport
from kdl_runtime.transport.retry import MAX_ATTEMPTS, MAX_PAUSE, retry_after, warnings_in

log = structlog.get_logger(__name__)

RECONNECT_DELAYS = (0.1, 0.5)
"""Seconds before a GET whose connection broke is sent again; then the caller's own back-off takes over."""

_MOST_WARNINGS = 1000


class RequestMetrics(Protocol):
    """What counts requests; ``kdl_runtime.observe.metrics.Metrics`` is one."""

    def count_request(self, code: str, method: str, host: str) -> None:
        """One exchange, retries apart. ``code`` is the status, or ``<error>`` if there was no answer."""
        ...


class RequestDetails(Protocol):
    """What measures requests; ``kdl_runtime.client.rest_metrics.RestMetrics`` is one. ``verb`` is the HTTP method."""

    def observe(self, verb: str, host: str, seconds: float, sizes: tuple[int, int] | None) -> None:
        """One exchange, and the bytes that were sent and received; None for streams and where there was no answer."""
        ...

    def count_retry(self, code: str, verb: str, host: str) -> None:
        """A request that is sent again, since ``code`` was the answer."""
        ...


class Sender:
    """Raises ApiError for an answer that is none of 2xx, and TransportError if there is none."""

    def __init__(self, transport: Transport, clock: Clock, metrics: RequestMetrics | None) -> None:
        self.metrics = metrics
        self.details: RequestDetails | None = None
        self.tracer: Tracer | None = None
        self._transport = transport
        self._clock = clock
        # A transport without a network has no host.
        self._host = str(getattr(transport, "host", ""))
        self._warned: set[str] = set()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, at last; all attempts are one span.

        Sent again is what the server asks to be sent again (Retry-After with 429 or 5xx), whatever the method: it has
        not been acted on. A broken connection leaves that open, so that only a GET is then sent again.
        """
        with self._span(request) as span:
            response = await self._exchange(request)
            span.set({"http.response.status_code": response.status})
            return response

    def _span(self, request: HttpRequest) -> AbstractContextManager[Span]:
        if self.tracer is None:
            return NO_SPAN
        return self.tracer.request(request.method, request.path, {"server.address": self._host})

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        pauses = breaks = 0
        while True:
            started = self._started()
            try:
                response = await self._transport.request(request)
            except TransportError as error:
                self._count("<error>", request)
                self._measure(started, request, None)
                if not _may_reconnect(request, error) or breaks == len(RECONNECT_DELAYS):
                    raise
                self._count_retry("<error>", request)
                await self._clock.sleep(RECONNECT_DELAYS[breaks])
                breaks += 1
                continue
            self._count(str(response.status), request)
            self._measure(started, request, (len(request.body), len(response.body)))
            self._warn(response.headers)
            if 200 <= response.status < 300:
                return response
            pause = retry_after(response.status, response.headers)
            pauses += 1
            if pause is None or pause > MAX_PAUSE or pauses == MAX_ATTEMPTS:
                raise error_of(response)
            self._count_retry(str(response.status), request)
            await self._clock.sleep(pause)

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[StreamResponse]:
        """An answer of 2xx whose body is still to come. Not tried again: who follows a stream has to resume anyway."""
        async with AsyncExitStack() as stack:
            started = self._started()
            try:
                response = await stack.enter_async_context(self._transport.stream(request))
            except TransportError:
                self._count("<error>", request)
                raise
            finally:
                self._measure(started, request, None)
            self._count(str(response.status), request)
            self._warn(response.headers)
            if not 200 <= response.status < 300:
                raise error_of(HttpResponse(response.status, response.headers, await response.read()))
            yield response

    def _count(self, code: str, request: HttpRequest) -> None:
        if self.metrics is not None:
            self.metrics.count_request(code, request.method, self._host)

    def _started(self) -> float:
        return self._clock.monotonic() if self.details is not None else 0.0

    def _measure(self, started: float, request: HttpRequest, sizes: tuple[int, int] | None) -> None:
        if self.details is not None:
            self.details.observe(request.method, self._host, self._clock.monotonic() - started, sizes)

    def _count_retry(self, code: str, request: HttpRequest) -> None:
        if self.details is not None:
            self.details.count_retry(code, request.method, self._host)

    def _warn(self, headers: Mapping[str, str]) -> None:
        for text in warnings_in(headers):
            if text not in self._warned and len(self._warned) < _MOST_WARNINGS:
                self._warned.add(text)
                log.warning("the API server warns", warning=text)


def _may_reconnect(request: HttpRequest, error: TransportError) -> bool:
    return request.method == "GET" and not isinstance(error, RequestTimeoutError)
