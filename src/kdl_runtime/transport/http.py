"""Requests to one API server over HTTP: connections, credentials, timeouts and a limit on what is in flight.

It knows paths and bytes and nothing of Kubernetes objects. Answers of any status are returned; only a server that
cannot be reached and a broken connection are errors here.
"""

import asyncio
import platform
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote, urlencode

import aiohttp
import structlog
from multidict import CIMultiDict
from yarl import URL

from kdl_runtime.clock import Clock
from kdl_runtime.errors import TransportError
from kdl_runtime.transport.auth_provider import ProviderCredentials
from kdl_runtime.transport.config import ClusterConfig, ConfigError, Impersonation
from kdl_runtime.transport.connector import Connector, cut_if_given_up, drop
from kdl_runtime.transport.credentials import Credential, Credentials, RereadSource, StoredCredentials
from kdl_runtime.transport.exec_plugin import PluginCredentials
from kdl_runtime.transport.tls import client_context

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """``path`` is below the server's URL and not yet quoted. ``timeout`` in seconds: of the whole exchange for a
    request (None is the transport's default), until the headers of the answer for a stream (None is no limit)."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer of any status. The names of ``headers`` are in lower case; repeated ones are joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamResponse(Protocol):
    """An answer whose body comes bit by bit; valid inside of the ``async with`` that opened it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, in pieces of any size. TransportError if the connection breaks."""
        ...

    async def read(self) -> bytes:
        """The rest of the body."""
        ...


class Transport(Protocol):
    async def request(self, request: HttpRequest) -> HttpResponse:
        """The whole answer. TransportError if the server cannot be reached or the connection breaks."""
        ...

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[StreamResponse]:
        """The answer as soon as its headers are there. Leaving the block closes it."""
        ...

    async def close(self) -> None: ...


class RequestTimeoutError(TransportError):
    """The server did not answer in time; whether it did what was asked is unknown."""


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """``max_in_flight`` requests (not streams) run at a time, the others wait in order; it is what bounds the load on
    the server, there is no limit per second. ``timeout`` and ``connect_timeout`` in seconds. ``user_agent`` "" is
    ``default_user_agent()``."""

    max_in_flight: int = 64
    timeout: float = 60.0
    connect_timeout: float = 10.0
    user_agent: str = ""


class HttpTransport:
    """The real transport, on aiohttp. ``async with HttpTransport(…)`` closes it at the end.

    Requests and streams have a connection pool each, so that no number of watches keeps a request waiting. When the
    client certificate or the authority changes, new connections are made and the old ones end with what runs on them.
    """

    def __init__(
        self,
        config: ClusterConfig,
        clock: Clock,
        options: TransportOptions = TransportOptions(),
        credentials: Credentials | None = None,
    ) -> None:
        self.config = config
        self.host = URL(config.server).authority
        self._options = options
        self._credentials = credentials or choose_credentials(config, clock)
        self._ca = RereadSource(config.ca, clock)
        self._in_flight = asyncio.Semaphore(options.max_in_flight)
        self._headers = _fixed_headers(config, options)
        self._sessions: _Sessions | None = None
        self._closing: set[_Sessions] = set()
        self._refused: tuple[bytes, bytes] | None = None
        self._closed = False

    async def request(self, request: HttpRequest) -> HttpResponse:
        timeout = self._options.timeout if request.timeout is None else request.timeout
        with _transport_errors(self.config.server, request):
            # A plugin may wait for its user to log in: that is not the server's time, and no request in flight.
            credential = await self._credentials.current()
            opened = self._open(request, credential, streaming=False)
            async with self._in_flight, asyncio.timeout(timeout), opened as response:
                return HttpResponse(response.status, _lower(response), await response.read())

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[StreamResponse]:
        async with AsyncExitStack() as stack:
            with _transport_errors(self.config.server, request):
                credential = await self._credentials.current()
                async with asyncio.timeout(request.timeout):
                    response = await stack.enter_async_context(self._open(request, credential, streaming=True))
            yield _Stream(response, self.config.server, request)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes every connection, for good: streams that are still open break, and requests are refused."""
        self._closed = True
        remaining = {*self._closing, *([self._sessions] if self._sessions else [])}
        self._sessions = None
        self._closing.clear()
        for sessions in remaining:
            await sessions.close()

    @asynccontextmanager
    async def _open(
        self, request: HttpRequest, credential: Credential, *, streaming: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One exchange; a refused credential (401) is renewed once."""
        async with self._exchange(request, credential, streaming=streaming) as response:
            if response.status != 401 or not await self._credentials.renew(credential):
                yield response
                return
        async with self._exchange(request, await self._credentials.current(), streaming=streaming) as response:
            yield response

    @asynccontextmanager
    async def _exchange(
        self, request: HttpRequest, credential: Credential, *, streaming: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        sessions = self._sessions_for(credential.certificate)
        headers = CIMultiDict(self._headers)
        if credential.authorization:
            headers["Authorization"] = credential.authorization
        headers.update(request.headers)
        session = sessions.streams if streaming else sessions.requests
        sessions.active += 1
        try:
            with cut_if_given_up():
                response = await session.request(
                    request.method,
                    self._url(request),
                    data=request.body or None,
                    headers=headers,
                    allow_redirects=False,
                    proxy=self.config.proxy_url or None,
                    server_hostname=self.config.tls_server_name or None,
                )
            try:
                yield response
            finally:
                drop(response)
        finally:
            sessions.active -= 1
            for idle in [retired for retired in self._closing if not retired.active]:
                self._closing.discard(idle)
                await idle.close()

    def _url(self, request: HttpRequest) -> URL:
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        return URL(f"{self.config.server}{quote(request.path, safe=_PATH_SAFE)}{query}", encoded=True)

    def _sessions_for(self, certificate: bytes) -> "_Sessions":
        """The connection pools for this certificate and the present authority, made anew when one has changed."""
        if self._closed:
            raise TransportError(f"the connection to {self.config.server} has been closed")
        identity = (self._ca.read(), certificate)
        current = self._sessions
        if current is not None and identity in (current.identity, self._refused):
            return current
        try:
            fresh = _Sessions(identity, self.config, self._options)
        except ConfigError as error:
            if current is None:
                raise
            # Certificate and key are two files: between the writes of both they do not fit.
            log.warning("changed certificates cannot be used yet, going on with the old ones", error=str(error))
            self._refused = identity
            return current
        self._sessions, self._refused = fresh, None
        if current is not None:
            log.info("certificates have changed, new connections use them")
            self._closing.add(current)
        return fresh


# What may stand in a path as it is; everything else is percent-encoded (RFC 3986, section 3.3).
_PATH_SAFE = "/:@!$&'()*+,;=~"


class _Sessions:
    """The two connection pools of one identity, and how many exchanges use them."""

    def __init__(self, identity: tuple[bytes, bytes], config: ClusterConfig, options: TransportOptions) -> None:
        self.identity = identity
        self.active = 0
        ca, certificate = identity
        tls: ssl.SSLContext | bool = True
        if config.server.startswith("https:"):
            tls = client_context(ca, certificate, insecure=config.insecure_skip_tls_verify)
        self.requests, self.streams = (
            aiohttp.ClientSession(
                connector=Connector(limit=0, ssl=tls, keepalive_timeout=90),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.connect_timeout),
                read_bufsize=2**18,
            )
            for _ in range(2)
        )

    async def close(self) -> None:
        await self.requests.close()
        await self.streams.close()


class _Stream:
    def __init__(self, response: aiohttp.ClientResponse, server: str, request: HttpRequest) -> None:
        self._response = response
        self._server = server
        self._request = request
        self.status = response.status
        self.headers = _lower(response)

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._response.content
        while True:
            with _transport_errors(self._server, self._request):
                chunk = await content.readany()
            if not chunk:
                return
            yield chunk

    async def read(self) -> bytes:
        with _transport_errors(self._server, self._request):
            return await self._response.read()


def choose_credentials(config: ClusterConfig, clock: Clock) -> Credentials:
    """A plugin or provider is used only if no other credential is given, as in client-go."""
    user = config.user
    if not (user.token or user.token_file or user.username or user.client_certificate):
        if user.exec is not None:
            return PluginCredentials(user.exec, config, clock)
        if user.auth_provider is not None:
            return ProviderCredentials(user.auth_provider, clock)
    return StoredCredentials(user, clock)


def default_user_agent() -> str:
    """``kdl/0.1.0 (linux/x86_64)``; the API server derives the default field manager from what precedes the slash."""
    return f"kdl/{version('kdl')} ({platform.system().lower()}/{platform.machine()})"


def impersonation_headers(impersonate: Impersonation) -> list[tuple[str, str]]:
    """https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation."""
    headers = [("Impersonate-User", impersonate.user)] if impersonate.user else []
    headers += [("Impersonate-Uid", impersonate.uid)] if impersonate.uid else []
    headers += [("Impersonate-Group", group) for group in impersonate.groups]
    for key, values in impersonate.extra:
        headers += [(f"Impersonate-Extra-{quote(key.lower(), safe='')}", value) for value in values]
    return headers


def _fixed_headers(config: ClusterConfig, options: TransportOptions) -> CIMultiDict[str]:
    headers = CIMultiDict(impersonation_headers(config.user.impersonate))
    headers["User-Agent"] = options.user_agent or default_user_agent()
    # Decompressing costs as much time as decoding, and the API server is near.
    headers["Accept-Encoding"] = "identity"
    return headers


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


@contextmanager
def _transport_errors(server: str, request: HttpRequest) -> Iterator[None]:
    what = f"{request.method} {server}{request.path}"
    try:
        yield
    except TimeoutError as error:
        raise RequestTimeoutError(f"{what}: no answer in time") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise TransportError(f"{what}: the server's certificate is not trusted: {error.certificate_error}") from error
    # aiohttp raises RuntimeError for what was closed while it was in use.
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        raise TransportError(f"{what}: {error or type(error).__name__}") from error
    except ConfigError as error:
        raise TransportError(str(error)) from error
