"""The server that an API server calls for admission and conversion."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

from kdl_runtime.cache.cache import Cache
from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.codec.json import encode
from kdl_runtime.codec.quantity import parse_duration
from kdl_runtime.errors import BadRequest, KdlError, RequestEntityTooLarge, ServiceUnavailable, Timeout
from kdl_runtime.observe.health import Check
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.serve.address import Address
from kdl_runtime.serve.certificates import Certificates
from kdl_runtime.serve.server import HttpServer
from kdl_runtime.serve.tls import require_client_certificates
from kdl_runtime.types import Resource
from kdl_runtime.webhook import admission, conversion
from kdl_runtime.webhook.admission import AdmissionHandler, AdmissionRequest, AdmissionResponse
from kdl_runtime.webhook.functions import Default, Validator, defaulting, validating
from kdl_runtime.webhook.paths import CONVERT_PATH, mutate_path, validate_path

PORT = 9443
SHUTDOWN_SECONDS = 60.0
MAX_ADMISSION_BYTES = 7 * 1024 * 1024
MAX_CONVERSION_BYTES = 256 * 1024 * 1024
"""A review holds all objects of a list that are in another version than was asked for."""

DEFAULT_TIMEOUT = 10.0
"""Seconds that an API server waits if it does not say how long."""
ANSWER_SECONDS = 0.5
"""Of the API server's patience, what is kept for the answer to reach it."""
DIAL_SECONDS = 10.0


class NotServingError(KdlError):
    """The server does not answer: for a readiness check."""


async def _at_once() -> None:
    """There is nothing to wait for."""


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """``port`` 0 is a free one. ``host`` "" is every interface. With ``client_ca`` (PEM) only clients with a
    certificate of it are let in; the API server has one only if it is configured to. ``shutdown_seconds``: how long
    requests in work may take at the end."""

    host: str = ""
    port: int = PORT
    client_ca: Path | None = None
    shutdown_seconds: float = SHUTDOWN_SECONDS


class WebhookServer:
    """Serves webhooks by path, from before the cache fills until after it has ended.

    ``admission_ready`` is awaited before every admission, so that functions may read the cache; conversion never waits,
    since the cache may need it to fill. An admission that is not answered in the time that the API server gives is
    refused with the reason. Functions may be added at any time.
    """

    name = "webhook server"

    def __init__(
        self,
        certificates: Certificates,
        options: WebhookOptions | None = None,
        *,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        admission_ready: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self.options = options or WebhookOptions()
        self._certificates = certificates
        self._metrics = metrics or Metrics()
        self._clock = clock or SystemClock()
        self._admission_ready = admission_ready
        self._handlers: dict[str, AdmissionHandler] = {}
        self._converters: dict[tuple[str, str], conversion.Converter] = {}
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        address = Address(self.options.host, self.options.port)
        self._server = HttpServer(app, address, certificates, self.options.shutdown_seconds)

    # ---- what is served

    def mutate(self, resource: Resource, default: Default, *, path: str = "") -> None:
        """Fill in defaults of a kind, at its path (``paths.mutate_path``) or at another."""
        self.add(path or mutate_path(resource), defaulting(default))

    def validate(self, resource: Resource, validator: Validator, *, path: str = "") -> None:
        """Look at changes of a kind, at its path (``paths.validate_path``) or at another."""
        self.add(path or validate_path(resource), validating(validator))

    def add(self, path: str, handler: AdmissionHandler) -> None:
        """Any admission handler at a path. ValueError if there is one, or if it is the path of conversion."""
        if not path.startswith("/"):
            raise ValueError(f"the path {path!r} of a webhook must start with a slash")
        if path in self._handlers or path == CONVERT_PATH:
            raise ValueError(f"there is a webhook at {path} already: give this one another path")
        self._handlers[path] = handler
        self._instrument(path)

    def convert(self, resource: Resource, converter: conversion.Converter) -> None:
        """Convert all versions of a kind, at ``/convert``. ValueError if there is a converter for the kind."""
        identity = (resource.group, resource.kind)
        if identity in self._converters:
            raise ValueError(f"there is a converter for {resource.kind} of {resource.group} already")
        self._converters[identity] = converter
        self._instrument(CONVERT_PATH)

    # ---- life

    @property
    def address(self) -> Address:
        """Where it listens, with the real port once it is started."""
        return self._server.address

    async def start(self) -> None:
        """Listen. CertificateError without a certificate, OSError if the port is taken."""
        if self.options.client_ca is not None:
            require_client_certificates(self._certificates.context, self.options.client_ca)
        await self._server.start()

    async def stop(self) -> None:
        """Take no new requests and finish those in work."""
        await self._server.stop()

    async def check_started(self) -> None:
        """For readiness: dials the server. NotServingError if it is not up, and what its certificates raise."""
        if not self._server.listening:
            raise NotServingError("the webhook server has not been started yet")
        self._certificates.check()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        host = self.address.host if self.address.host not in ("", "0.0.0.0", "::") else "localhost"
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                _, writer = await asyncio.open_connection(host, self.address.port, ssl=context)
        except (OSError, TimeoutError) as error:
            raise NotServingError(f"the webhook server cannot be reached at {host}:{self.address.port}") from error
        # Without the farewell, for which nobody waits.
        writer.transport.abort()

    # ---- requests

    def _instrument(self, path: str) -> None:
        self._metrics.webhook_in_flight.labels(path)
        for code in ("200", "500"):
            self._metrics.webhook_requests.labels(path, code)

    async def _handle(self, request: web.Request) -> web.Response:
        path = request.path
        if path == CONVERT_PATH and self._converters:
            answer = self._convert
        elif path in self._handlers:
            answer = self._admit
        else:
            return web.Response(status=404, text="404 page not found\n")
        started = self._clock.monotonic()
        code = 500
        with self._metrics.webhook_in_flight.labels(path).track_inprogress():
            try:
                response = await answer(request)
                code = response.status
                return response
            finally:
                self._metrics.webhook_requests.labels(path, str(code)).inc()
                self._metrics.webhook_seconds.labels(path).observe(self._clock.monotonic() - started)

    async def _admit(self, request: web.Request) -> web.Response:
        try:
            if request.headers.get("Content-Type") != "application/json":
                found = request.headers.get("Content-Type", "")
                raise BadRequest(f"the content type must be application/json, and not {found!r}")
            body = await _read(request, MAX_ADMISSION_BYTES)
        except (BadRequest, RequestEntityTooLarge) as error:
            return _json(admission.envelope(admission.refused(error)))
        handler = self._handlers[request.path]
        patience = max(_timeout(request) - ANSWER_SECONDS, ANSWER_SECONDS)

        async def gated(review: AdmissionRequest) -> AdmissionResponse:
            waiting = True
            try:
                async with asyncio.timeout(patience) as limit:
                    await self._admission_ready()
                    waiting = False
                    return await handler(review)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                if waiting:
                    raise ServiceUnavailable("the webhook's cache is still being filled: try again") from error
                raise Timeout(f"the webhook has not answered within {patience:g} s") from error

        return _json(await admission.review(body, gated, self._metrics.webhook_panics.inc))

    async def _convert(self, request: web.Request) -> web.Response:
        try:
            body = await _read(request, MAX_CONVERSION_BYTES)
            answer = await conversion.review(body, self._converters, self._metrics.conversion_panics.inc)
        except (BadRequest, RequestEntityTooLarge) as error:
            return web.Response(status=error.status_code, text=f"{error.message}\n")
        return _json(answer)


async def _read(request: web.Request, limit: int) -> bytes:
    """The body. RequestEntityTooLarge as soon as it is known to be beyond the limit, BadRequest if there is none."""
    too_large = RequestEntityTooLarge(f"the request is too large: the limit is {limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise too_large
    if not body:
        raise BadRequest("the request has no body")
    return bytes(body)


def _timeout(request: web.Request) -> float:
    """How long the API server waits, in seconds."""
    try:
        return parse_duration(request.query.get("timeout", ""))
    except ValueError:
        return DEFAULT_TIMEOUT


def _json(document: object) -> web.Response:
    return web.Response(body=encode(document), content_type="application/json")


class Host(Protocol):
    """What a webhook server takes from a manager."""

    @property
    def cache(self) -> Cache: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def clock(self) -> Clock: ...

    def add_server(self, server: WebhookServer) -> None: ...

    def add_ready_check(self, name: str, check: Check) -> None: ...


def webhook_server(manager: Host, certificates: Certificates, options: WebhookOptions | None = None) -> WebhookServer:
    """A webhook server that starts and stops with a manager. Its admission functions may read the manager's cache, and
    the manager is not ready (check ``webhook``) before the server answers."""
    server = WebhookServer(
        certificates,
        options,
        metrics=manager.metrics,
        clock=manager.clock,
        admission_ready=manager.cache.wait_synced,
    )
    manager.add_server(server)
    manager.add_ready_check("webhook", server.check_started)
    return server
