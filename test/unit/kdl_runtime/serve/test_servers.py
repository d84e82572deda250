"""The two servers over real sockets on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from kdl_runtime.observe.health import HealthChecks
from kdl_runtime.observe.metrics import CONTENT_TYPE, Metrics
from kdl_runtime.serve import exposition
from kdl_runtime.serve.address import Address
from kdl_runtime.serve.exposition import metrics_app
from kdl_runtime.serve.probes import probe_app
from kdl_runtime.serve.server import HttpServer

ANY = Address("127.0.0.1", 0)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    server = HttpServer(app, ANY)
    assert server.address == ANY
    await server.start()
    try:
        assert server.address.port > 0
        async with aiohttp.ClientSession(f"http://{server.address}") as session:
            yield session
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/healthz", 200, "ok"),
        ("/healthz/", 200, "ok"),
        ("/healthz?verbose", 200, "[+]ping ok\nhealthz check passed\n"),
        ("/healthz/ping", 200, "ok"),
        ("/healthz/none", 404, "404 page not found\n"),
        ("/readyz", 500, "[-]bad failed: reason withheld\n[+]good ok\nhealthz check failed\n"),
        ("/readyz?exclude=bad", 200, "ok"),
        ("/readyz?exclude=bad&verbose", 200, "[+]bad excluded: ok\n[+]good ok\nhealthz check passed\n"),
        ("/readyz?exclude=bad&exclude=good", 200, "ok"),
        ("/readyz/good", 200, "ok"),
        ("/readyz/bad", 500, "internal server error: not yet\n"),
    ],
)
async def test_probes(path: str, status: int, body: str) -> None:
    async def bad() -> None:
        raise RuntimeError("not yet")

    healthz, readyz = HealthChecks(), HealthChecks()
    readyz.add("bad", bad)
    readyz.add("good", lambda: None)
    app = probe_app({"/healthz": healthz, "/readyz": readyz})
    async with serving(app) as session, session.get(path) as answer:
        assert (answer.status, await answer.text()) == (status, body)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("large", [0, 10**9], ids=["in a thread", "at once"])
async def test_metrics(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "LARGE", large)
    metrics = Metrics()
    metrics.count_request("200", "GET", "host")
    async with serving(metrics_app(metrics)) as session, session.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        assert "rest_client_requests_total" in await answer.text()


async def test_an_address_that_is_taken_is_named() -> None:
    first = HttpServer(web.Application(), ANY)
    await first.start()
    try:
        second = HttpServer(web.Application(), first.address)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{first.address.port}"):
            await second.start()
        await second.stop()
    finally:
        await first.stop()
