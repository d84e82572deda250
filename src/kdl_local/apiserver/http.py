"""The server's front door: HTTP/1.1 over TLS on the loopback interface."""

import asyncio
import logging
import ssl
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from kdl_local.apiserver import websocket
from kdl_local.apiserver.auth import ADMIN, Authenticator, User
from kdl_local.apiserver.certificates import Authority, KeyPair, create_authority
from kdl_local.apiserver.kubeconfig import Access
from kdl_local.apiserver.request import Request, Response, error_response, warning_header
from kdl_local.apiserver.server import ApiServer
from kdl_local.apiserver.streams.socket import Upgrade
from kdl_runtime.errors import ApiError, BadRequest, InternalError, RequestEntityTooLarge, TransportError

LOOPBACK = "127.0.0.1"
MAX_BODY = 3 * 1024 * 1024
"""Bytes of a request body, as the real API server bounds it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a cluster is reached with: its authority, its server's certificate and the administrator's."""

    authority: Authority
    server: KeyPair
    admin: KeyPair


def create_credentials(now: datetime) -> Credentials:
    """New ones; none of them outlives the process unless it is written down."""
    authority = create_authority(now)
    hosts = (LOOPBACK, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    return Credentials(authority, authority.server(hosts, now), authority.client(ADMIN.name, ADMIN.groups, now))


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """``port`` 0 takes a free one. ``tokens`` are bearer tokens beside the client certificates.

    ``shutdown_timeout``: seconds that requests under way get when the server stops; watches end at once.
    """

    port: int = 0
    tokens: dict[str, User] = field(default_factory=dict)
    shutdown_timeout: float = 1.0


class HttpServer:
    """An async context manager that serves while it is entered. Only this machine can reach it."""

    def __init__(self, server: ApiServer, credentials: Credentials, options: HttpOptions | None = None) -> None:
        self.server = server
        self._credentials = credentials
        self._options = options or HttpOptions()
        self._authenticator = Authenticator(self._options.tokens)
        self._runner: web.AppRunner | None = None
        self._streams: set[asyncio.Task[Any]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def access(self) -> Access:
        """For the kubeconfig of the administrator."""
        return Access(self.url, self._credentials.authority.certificate, self._credentials.admin)

    async def start(self) -> None:
        """Listens when it returns. OSError if the port is taken."""
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=self._options.shutdown_timeout,
        )
        await self._runner.setup()
        context = server_context(self._credentials)
        site = web.TCPSite(self._runner, LOOPBACK, self._options.port, ssl_context=context)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Ends the watches, lets other requests finish, and closes the port."""
        for task in tuple(self._streams):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        try:
            response = await self._answer(http)
        except TransportError:
            # An injected fault: the client sees the connection break.
            if http.transport is not None:
                http.transport.abort()
            raise asyncio.CancelledError from None
        except ApiError as error:
            response = error_response(error)
        except web.HTTPRequestEntityTooLarge:
            response = error_response(RequestEntityTooLarge(f"Request entity too large: limit is {MAX_BODY}"))
        except Exception:
            _log.exception("%s %s failed", http.method, http.path)
            response = error_response(InternalError("Internal error occurred: see the log of the server"))
        if response.upgrade is not None:
            return await self._upgrade(http, response.upgrade)
        if isinstance(response.body, bytes):
            return _complete(response)
        return await self._stream(http, response, response.body)

    async def _upgrade(self, http: web.Request, upgrade: Upgrade) -> web.StreamResponse:
        """Serves a WebSocket; the client's going away cancels this."""
        stream = websocket.prepare(upgrade)
        try:
            await stream.prepare(http)
        except web.HTTPBadRequest as error:
            return _complete(error_response(BadRequest(f"not a WebSocket handshake: {error.text}")))
        async with self._counted(http):
            await websocket.serve(stream, upgrade)
        return stream

    @asynccontextmanager
    async def _counted(self, http: web.Request) -> AsyncGenerator[None, None]:
        """Counts the task among those that ``stop`` ends. The connection of a task that is ended is closed at once."""
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)
        try:
            yield
        except ConnectionError:
            # The client has gone, which is how most watches end.
            if http.transport is not None:
                http.transport.close()
        except asyncio.CancelledError:
            if http.transport is not None:
                http.transport.close()
            raise
        finally:
            self._streams.discard(task)

    async def _answer(self, http: web.Request) -> Response:
        certificate = http.transport.get_extra_info("peercert") if http.transport else None
        user = self._authenticator.authenticate(certificate, http.headers.get("Authorization", ""))
        query: dict[str, list[str]] = {}
        for key, value in http.query.items():
            query.setdefault(key, []).append(value)
        headers = {key.lower(): value for key, value in http.headers.items()}
        request = Request(http.method, http.path, query, headers, await http.read(), user.name, user.groups)
        return await self.server.handle(request)

    async def _stream(
        self, http: web.Request, response: Response, pieces: AsyncGenerator[bytes, None]
    ) -> web.StreamResponse:
        """Writes piece by piece, waiting for a slow client; the client's going away cancels this."""
        stream = web.StreamResponse(status=response.status, headers=_headers(response))
        stream.enable_chunked_encoding()
        async with self._counted(http), aclosing(pieces):
            await stream.prepare(http)
            async for piece in pieces:
                await stream.write(piece)
            await stream.write_eof()
        return stream


def server_context(credentials: Credentials) -> ssl.SSLContext:
    """TLS that asks for a client certificate of the cluster's authority, and accepts a client without any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=credentials.authority.certificate.decode())
    # The ssl module reads keys from files only; the directory is for its owner and gone at once.
    with tempfile.TemporaryDirectory(prefix="kdl-tls-") as directory:
        path = Path(directory, "server.pem")
        path.touch(mode=0o600)
        path.write_bytes(credentials.server.key + credentials.server.certificate)
        context.load_cert_chain(path)
    return context


def _headers(response: Response) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", response.content_type),
        ("Cache-Control", "no-cache, private"),
        *response.headers.items(),
    ]
    return headers + [("Warning", warning_header(text)) for text in response.warnings]


def _complete(response: Response) -> web.Response:
    return web.Response(status=response.status, body=response.complete, headers=_headers(response))
