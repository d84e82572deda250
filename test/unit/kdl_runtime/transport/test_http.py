"""The transport against a real server: what is sent, what comes back, limits, timeouts, and every way to fail."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from kdl_runtime.codec.json import decode
from kdl_runtime.errors import TransportError
from kdl_runtime.transport.config import ClusterConfig, Impersonation, UserConfig
from kdl_runtime.transport.credentials import Credential
from kdl_runtime.transport.http import (
    HttpRequest,
    HttpTransport,
    RequestTimeoutError,
    TransportOptions,
    default_user_agent,
    impersonation_headers,
)


@pytest.fixture
async def transports(manual_clock: Any) -> Any:
    """Makes transports that are closed at the end."""
    made = []

    def make(url: str, **settings: Any) -> HttpTransport:
        options = settings.pop("options", TransportOptions())
        credentials = settings.pop("credentials", None)
        made.append(HttpTransport(ClusterConfig(url, **settings), manual_clock, options, credentials))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


async def echo(request: web.Request) -> web.Response:
    """What the server has seen."""
    body = {
        "method": request.method,
        "target": request.raw_path,
        "query": [list(pair) for pair in request.query.items()],
        "headers": [[name.lower(), value] for name, value in request.headers.items()],
        "body": (await request.read()).decode(),
    }
    return web.json_response(body, status=201, headers={"X-Twice": "a"})


async def test_a_request_and_its_answer(server: Any, transports: Any) -> None:
    async with server(echo) as url:
        request = HttpRequest(
            "POST",
            "/api/v1/namespaces/n/pods",
            query=(("labelSelector", "a in (b,c),d=é+ &"), ("limit", "5"), ("x", "1"), ("x", "2")),
            headers={"Content-Type": "application/json", "accept": "text/plain"},
            body=b'{"a":1}',
        )
        transport = transports(url, user=UserConfig(token="s3cret"))
        response = await transport.request(request)
    seen = _json(response.body)
    headers = dict(seen["headers"])
    assert response.status == 201
    assert response.headers["x-twice"] == "a"
    assert seen["method"] == "POST"
    assert seen["body"] == '{"a":1}'
    assert [tuple(pair) for pair in seen["query"]] == list(request.query)
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["user-agent"] == default_user_agent()
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "text/plain"
    assert headers["accept-encoding"] == "identity"
    assert transport.host == url.removeprefix("http://")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/nodes/a", "/api/v1/nodes/a"),
        ("/apis/rbac/roles/system:node", "/apis/rbac/roles/system:node"),
        ("/a b/é?#%", "/a%20b/%C3%A9%3F%23%25"),
    ],
)
async def test_paths_are_quoted_below_the_path_of_the_server(
    server: Any, transports: Any, path: str, target: str
) -> None:
    async with server(echo) as url:
        response = await transports(f"{url}/k8s/clusters/c-1").request(HttpRequest("GET", path))
    assert _json(response.body)["target"] == f"/k8s/clusters/c-1{target}"


async def test_a_request_without_body_has_no_content_type(server: Any, transports: Any) -> None:
    async with server(echo) as url:
        response = await transports(url).request(HttpRequest("GET", "/"))
    names = [name for name, _ in _json(response.body)["headers"]]
    assert "content-type" not in names
    assert "authorization" not in names
    assert "cookie" not in names


async def test_user_agent_and_impersonation(server: Any, transports: Any) -> None:
    impersonate = Impersonation("jane", "7", ("dev", "ops"), (("Scopes/x", ("a", "b")),))
    async with server(echo) as url:
        transport = transports(
            url, user=UserConfig(impersonate=impersonate), options=TransportOptions(user_agent="test/1")
        )
        response = await transport.request(HttpRequest("GET", "/"))
    headers = [tuple(pair) for pair in _json(response.body)["headers"]]
    assert ("user-agent", "test/1") in headers
    assert [pair for pair in headers if pair[0].startswith("impersonate-")] == [
        ("impersonate-user", "jane"),
        ("impersonate-uid", "7"),
        ("impersonate-group", "dev"),
        ("impersonate-group", "ops"),
        ("impersonate-extra-scopes%2fx", "a"),
        ("impersonate-extra-scopes%2fx", "b"),
    ]
    assert impersonation_headers(Impersonation()) == []


async def test_repeated_headers_are_joined_and_cookies_are_not_kept(server: Any, transports: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=request.headers.get("Cookie", "none"))
        response.headers.extend([("Warning", '299 - "a"'), ("Warning", '299 - "b"'), ("Set-Cookie", "x=1")])
        return response

    async with server(handler) as url:
        transport = transports(url)
        await transport.request(HttpRequest("GET", "/"))
        response = await transport.request(HttpRequest("GET", "/"))
    assert response.headers["warning"] == '299 - "a", 299 - "b"'
    assert response.body == b"none"


@pytest.mark.parametrize("status", [204, 301, 404, 429, 500, 503])
async def test_an_answer_of_any_status_is_an_answer(server: Any, transports: Any, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere", "Retry-After": "1"})

    async with server(handler) as url:
        response = await transports(url).request(HttpRequest("GET", "/"))
    assert (response.status, response.headers["retry-after"]) == (status, "1")


async def test_no_more_requests_than_the_limit_are_in_flight_and_streams_do_not_count(
    server: Any, transports: Any
) -> None:
    running, most, full, go = 0, 0, asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal running, most
        if request.path == "/watch":
            stream = web.StreamResponse()
            await stream.prepare(request)
            await stream.write(b"x")
            await go.wait()
            return stream
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await go.wait()
        running -= 1
        return web.Response()

    async with server(handler) as url, asyncio.timeout(20):
        transport = transports(url, options=TransportOptions(max_in_flight=3))
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(transport.request(HttpRequest("GET", "/")))
            await full.wait()
            for _ in range(5):
                async with transport.stream(HttpRequest("GET", "/watch")) as stream:
                    assert await anext(stream.chunks()) == b"x"
            go.set()
    assert most == 3


async def test_connections_are_used_again(server: Any, transports: Any) -> None:
    peers = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(text="x" * 100_000)

    async with server(handler) as url:
        transport = transports(url)
        for _ in range(5):
            assert len((await transport.request(HttpRequest("GET", "/"))).body) == 100_000
    assert len(peers) == 1


async def test_a_request_that_takes_too_long(server: Any, transports: Any) -> None:
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with server(handler) as url:
        transport = transports(url, options=TransportOptions(timeout=0.05))
        with pytest.raises(RequestTimeoutError, match=f"GET {url}/slow: no answer in time"):
            await transport.request(HttpRequest("GET", "/slow"))
        with pytest.raises(RequestTimeoutError):
            await transport.request(HttpRequest("GET", "/slow", timeout=0.01))
        with pytest.raises(RequestTimeoutError):
            async with transport.stream(HttpRequest("GET", "/slow", timeout=0.01)):
                pass
        release.set()
        assert (await transport.request(HttpRequest("GET", "/slow", timeout=10))).status == 200


async def test_nobody_listens(transports: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        transport = transports(url)
        with pytest.raises(TransportError, match=rf"GET {url}/api: .*(refused|connect)"):
            await transport.request(HttpRequest("GET", "/api"))
        with pytest.raises(TransportError, match=r"refused|connect"):
            async with transport.stream(HttpRequest("GET", "/api")):
                pass


async def test_a_connection_that_breaks_before_the_end(server: Any, transports: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return stream

    async with server(handler) as url:
        transport = transports(url)
        with pytest.raises(TransportError, match="GET http"):
            await transport.request(HttpRequest("GET", "/"))
        got = b""
        with pytest.raises(TransportError, match="GET http"):
            async with transport.stream(HttpRequest("GET", "/")) as stream:
                async for chunk in stream.chunks():
                    got += chunk
        assert got in (b"half", b"")
        with pytest.raises(TransportError, match="GET http"):
            async with transport.stream(HttpRequest("GET", "/")) as stream:
                await stream.read()


async def test_a_stream_comes_bit_by_bit(server: Any, transports: Any) -> None:
    more = asyncio.Queue[bytes]()

    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"X-Kind": "watch"})
        await stream.prepare(request)
        while chunk := await more.get():
            await stream.write(chunk)
        return stream

    async with server(handler) as url, transports(url).stream(HttpRequest("GET", "/")) as stream:
        async with asyncio.timeout(20):
            assert (stream.status, stream.headers["x-kind"]) == (200, "watch")
            chunks = stream.chunks()
            for sent in (b"one", b"two"):
                more.put_nowait(sent)
                assert await anext(chunks) == sent
            more.put_nowait(b"")
            assert [chunk async for chunk in chunks] == []


async def test_what_goes_wrong_inside_of_a_stream_is_not_the_transports(server: Any, transports: Any) -> None:
    async with server(echo) as url:
        with pytest.raises(TimeoutError, match="mine"):
            async with transports(url).stream(HttpRequest("GET", "/")):
                raise TimeoutError("mine")


async def test_a_read_of_a_stream_gives_the_rest(server: Any, transports: Any) -> None:
    async with server(echo) as url, transports(url).stream(HttpRequest("GET", "/x")) as stream:
        assert stream.status == 201
        assert _json(await stream.read())["target"] == "/x"


class Renewable:
    """Credentials that get better by being renewed, as often as there are tokens."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.renewals = 0

    async def current(self) -> Credential:
        return Credential(f"Bearer {self.tokens[0]}")

    async def renew(self, refused: Credential) -> bool:
        self.renewals += 1
        if len(self.tokens) > 1:
            self.tokens.pop(0)
        return await self.current() != refused


@pytest.mark.parametrize(
    ("tokens", "outcome"),
    [
        (("good",), (200, 1, 0)),
        (("bad", "good"), (200, 2, 1)),
        (("bad", "worse", "good"), (401, 2, 1)),
        (("bad",), (401, 1, 1)),
    ],
)
async def test_a_refused_credential_is_renewed_once(
    server: Any, transports: Any, tokens: tuple[str, ...], outcome: tuple[int, int, int]
) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.headers["Authorization"], await request.read()))
        return web.Response(status=200 if request.headers["Authorization"] == "Bearer good" else 401)

    async with server(handler) as url:
        credentials = Renewable(*tokens)
        response = await transports(url, credentials=credentials).request(HttpRequest("PUT", "/", body=b"x"))
    assert (response.status, len(seen), credentials.renewals) == outcome
    assert {body for _, body in seen} == {b"x"}


async def test_credentials_that_cannot_be_had_are_a_transport_error(
    server: Any, transports: Any, tmp_path: Any
) -> None:
    async with server(echo) as url:
        transport = transports(url, user=UserConfig(token_file=tmp_path / "none"))
        with pytest.raises(TransportError, match=r"cannot read .*/none: No such file"):
            await transport.request(HttpRequest("GET", "/"))


async def test_a_request_goes_through_the_proxy(server: Any, transports: Any) -> None:
    async with server(echo) as url:
        response = await transports("http://cluster.invalid:8080", proxy_url=url).request(HttpRequest("GET", "/api"))
    assert _json(response.body)["target"] == "http://cluster.invalid:8080/api"


async def test_a_closed_transport_refuses_requests(server: Any, transports: Any) -> None:
    async with server(echo) as url:
        used, unused = transports(url), transports(url)
        await used.request(HttpRequest("GET", "/"))
        for transport in (used, unused):
            await transport.close()
            await transport.close()
            with pytest.raises(TransportError, match=f"the connection to {url} has been closed"):
                await transport.request(HttpRequest("GET", "/"))


async def test_closing_breaks_what_is_open(server: Any, transports: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b"x")
        await asyncio.Event().wait()
        return stream

    async with server(handler) as url, asyncio.timeout(20):
        transport = transports(url)
        async with transport.stream(HttpRequest("GET", "/")) as stream:
            chunks = stream.chunks()
            assert await anext(chunks) == b"x"
            await transport.close()
            with pytest.raises(TransportError):
                await anext(chunks)


async def test_leaving_its_block_closes_it(server: Any, transports: Any) -> None:
    async with server(echo) as url:
        async with transports(url) as transport:
            assert (await transport.request(HttpRequest("GET", "/"))).status == 201
        with pytest.raises(TransportError, match="closed"):
            await transport.request(HttpRequest("GET", "/"))


async def test_getting_a_credential_is_not_the_servers_time(server: Any, transports: Any) -> None:
    class Slow(Renewable):
        async def current(self) -> Credential:
            await asyncio.sleep(0.05)
            return await super().current()

    async with server(echo) as url:
        options = TransportOptions(timeout=10, max_in_flight=1)
        transport = transports(url, credentials=Slow("good"), options=options)
        waiting = asyncio.create_task(transport.request(HttpRequest("GET", "/", timeout=0.04)))
        assert (await waiting).status == 201


def _json(body: bytes) -> Any:
    return decode(body)
