"""TLS: whom the transport trusts, the certificate that it shows, and what happens when either changes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kdl_runtime.errors import TransportError
from kdl_runtime.transport.config import ClusterConfig, ConfigError, Source, UserConfig
from kdl_runtime.transport.credentials import REREAD_SECONDS
from kdl_runtime.transport.http import HttpRequest, HttpTransport, RequestTimeoutError
from kdl_runtime.transport.tls import client_context

GET = HttpRequest("GET", "/")


async def who(request: web.Request) -> web.Response:
    """The common name in the client's certificate."""
    assert request.transport is not None
    certificate = request.transport.get_extra_info("peercert")
    subject = dict(pair[0] for pair in certificate["subject"]) if certificate else {}
    return web.Response(text=subject.get("commonName", "nobody"))


@pytest.fixture
async def transports(manual_clock: Any) -> Any:
    made = []

    def make(url: str, **settings: Any) -> HttpTransport:
        made.append(HttpTransport(ClusterConfig(url, **settings), manual_clock))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


async def test_a_server_of_the_clusters_authority_is_trusted(
    server: Any, transports: Any, authority: Any, tmp_path: Path
) -> None:
    async with server(who, authority.server_context(tmp_path)) as url:
        response = await transports(url, ca=Source(data=authority.certificate)).request(GET)
    assert response.body == b"nobody"


async def test_a_server_of_another_authority_is_not(
    server: Any, transports: Any, authority: Any, stranger: Any, tmp_path: Path
) -> None:
    async with server(who, stranger.server_context(tmp_path)) as url:
        with pytest.raises(TransportError, match=r"certificate is not trusted: .*verify failed"):
            await transports(url, ca=Source(data=authority.certificate)).request(GET)
        with pytest.raises(TransportError, match="certificate is not trusted"):
            await transports(url).request(GET)
        assert (await transports(url, insecure_skip_tls_verify=True).request(GET)).status == 200


async def test_the_name_in_the_certificate_can_be_another(
    server: Any, transports: Any, authority: Any, tmp_path: Path
) -> None:
    ca = Source(data=authority.certificate)
    async with server(who, authority.server_context(tmp_path)) as url:
        named = transports(url, ca=ca, tls_server_name="kubernetes.default")
        assert (await named.request(GET)).status == 200
        with pytest.raises(TransportError, match="certificate is not trusted"):
            await transports(url, ca=ca, tls_server_name="other.example").request(GET)


async def test_a_client_certificate_is_shown(server: Any, transports: Any, authority: Any, tmp_path: Path) -> None:
    issued = authority.issue("jane")
    user = UserConfig(client_certificate=Source(data=issued.certificate), client_key=Source(data=issued.key))
    async with server(who, authority.server_context(tmp_path, ask_client=True)) as url:
        transport = transports(url, ca=Source(data=authority.certificate), user=user)
        assert (await transport.request(GET)).body == b"jane"
        async with transport.stream(GET) as stream:
            assert await stream.read() == b"jane"


async def test_changed_certificate_files_are_used_after_a_minute(
    server: Any, transports: Any, authority: Any, tmp_path: Path, manual_clock: Any
) -> None:
    certificate, key = tmp_path / "client.crt", tmp_path / "client.key"

    def install(name: str, *, with_key: bool = True) -> None:
        issued = authority.issue(name)
        certificate.write_bytes(issued.certificate)
        if with_key:
            key.write_bytes(issued.key)

    install("first")
    user = UserConfig(client_certificate=Source(path=certificate), client_key=Source(path=key))
    async with server(who, authority.server_context(tmp_path, ask_client=True)) as url:
        transport = transports(url, ca=Source(data=authority.certificate), user=user)
        async with transport.stream(GET) as old_stream:
            install("second")
            assert (await transport.request(GET)).body == b"first"
            manual_clock.advance(REREAD_SECONDS)
            assert (await transport.request(GET)).body == b"second"
            # What ran on an old connection goes on.
            assert await old_stream.read() == b"first"
        install("half", with_key=False)
        manual_clock.advance(REREAD_SECONDS)
        assert (await transport.request(GET)).body == b"second"
        install("third")
        manual_clock.advance(REREAD_SECONDS)
        assert (await transport.request(GET)).body == b"third"


async def test_idle_connections_of_the_old_certificate_are_closed(
    server: Any, transports: Any, authority: Any, tmp_path: Path, manual_clock: Any
) -> None:
    connections: list[asyncio.Transport] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        connections.append(request.transport)
        return web.Response()

    file = tmp_path / "client.pem"
    user = UserConfig(client_certificate=Source(path=file), client_key=Source(data=b"\n"))
    async with server(handler, authority.server_context(tmp_path, ask_client=True)) as url, asyncio.timeout(20):
        transport = transports(url, ca=Source(data=authority.certificate), user=user)
        for name in ("first", "second"):
            issued = authority.issue(name)
            file.write_bytes(issued.certificate + issued.key)
            manual_clock.advance(REREAD_SECONDS)
            await transport.request(GET)
        while not connections[0].is_closing():
            await transport.request(GET)
    assert connections[1] is connections[-1]


async def test_a_changed_authority_is_trusted_after_a_minute(
    server: Any, transports: Any, authority: Any, tmp_path: Path, manual_clock: Any
) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.issue("no authority").certificate)
    async with server(who, authority.server_context(tmp_path)) as url:
        transport = transports(url, ca=Source(path=ca))
        with pytest.raises(TransportError, match="not trusted"):
            await transport.request(GET)
        ca.write_bytes(authority.certificate)
        manual_clock.advance(REREAD_SECONDS)
        assert (await transport.request(GET)).status == 200


@pytest.mark.parametrize(
    ("ca", "certificate", "message"),
    [
        (b"no certificate", b"", "certificate authority is not a PEM certificate"),
        (b"", b"no certificate", "client certificate and key cannot be used"),
    ],
)
def test_certificates_that_are_none(ca: bytes, certificate: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        client_context(ca, certificate)


def test_a_key_that_does_not_fit(authority: Any) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    with pytest.raises(ConfigError, match=r"they must be PEM, belong together"):
        client_context(b"", one.certificate + other.key)


async def test_bad_certificates_in_the_configuration_end_in_a_transport_error(transports: Any) -> None:
    transport = transports("https://127.0.0.1:1", ca=Source(data=b"rubbish"))
    with pytest.raises(TransportError, match="certificate authority is not a PEM certificate"):
        await transport.request(GET)


@asynccontextmanager
async def falling_silent(authority: Any, directory: Path, *, after: bytes = b"") -> AsyncIterator[str]:
    """The URL of a server that takes a request, answers ``after``, and then neither goes on nor answers the farewell of
    TLS, as one that is busy, or gone. The block ends when its connection has been closed all the same."""
    context = authority.server_context(directory)

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as accepted:
            tls = context.wrap_socket(accepted, server_side=True)
            tls.recv(65536)
            if after:
                tls.sendall(after)
            with socket.socket(fileno=tls.detach()) as plain:
                plain.settimeout(10)
                with suppress(ConnectionResetError):
                    while plain.recv(65536):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = asyncio.create_task(asyncio.to_thread(serve, listener))
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        await ended


async def test_a_stream_that_is_left_is_closed_without_the_servers_consent(
    transports: Any, authority: Any, tmp_path: Path
) -> None:
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    async with falling_silent(authority, tmp_path, after=begun) as url:
        transport = transports(url, ca=Source(data=authority.certificate))
        async with transport.stream(GET) as response:
            assert await anext(response.chunks()) == b"{}"


async def test_the_connection_of_a_request_that_is_given_up_is_closed_without_the_servers_consent(
    transports: Any, authority: Any, tmp_path: Path
) -> None:
    async with falling_silent(authority, tmp_path) as url:
        transport = transports(url, ca=Source(data=authority.certificate))
        with pytest.raises(RequestTimeoutError):
            await transport.request(replace(GET, timeout=0.5))
