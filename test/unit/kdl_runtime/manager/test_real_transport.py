"""The example operator on real sockets: HTTPS to a local cluster, metrics and probes over HTTP."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from kdl_local.cluster import ClusterOptions, LocalCluster
from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import NotFound
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS
from kdl_runtime.serve.address import Address
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config
from kdl_runtime.types import ObjectKey

EXAMPLE = Path(__file__).parents[4] / "examples" / "operators" / "greeting"
KEY = ObjectKey("default", "world")
ANY_PORT = ManagerOptions(metrics_bind_address="127.0.0.1:0", health_probe_bind_address="127.0.0.1:0")


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("greeting_example", EXAMPLE / "greeting.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[Client]:
    clock = SystemClock()
    transport = HttpTransport(load_config(str(kubeconfig)), clock)
    try:
        yield Client(transport, clock)
    finally:
        await transport.close()


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    deadline = asyncio.get_running_loop().time() + 30
    while not await look():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to pass"
        await asyncio.sleep(0.02)


class Scraper:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def text(self, address: Address | None, path: str) -> tuple[int, str]:
        async with self._session.get(f"http://{address}{path}") as answer:
            return answer.status, await answer.text()

    async def samples(self, address: Address | None) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample, read by the client library's own parser."""
        status, text = await self.text(address, "/metrics")
        assert status == 200
        families = text_string_to_metric_families(text)
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


@pytest.fixture
async def cluster() -> AsyncIterator[LocalCluster]:
    async with LocalCluster(ClusterOptions(process_node=False)) as running:
        yield running


async def test_the_example_runs_over_https(cluster: LocalCluster) -> None:
    greetings = example()
    async with connected(cluster.kubeconfig) as stranger, connected(cluster.kubeconfig) as client:
        await stranger.create(CRDS, yaml.safe_load((EXAMPLE / "crd.yaml").read_text()))
        manager = Manager(client, ANY_PORT)
        greetings.build(manager)
        task = asyncio.create_task(manager.start())
        try:
            async with asyncio.timeout(30):
                await manager.wait_started()
            await check(manager, stranger, greetings)
        finally:
            manager.stop()
            await task
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as session:
                await Scraper(session).text(manager.probe_address, "/healthz")


async def check(manager: Manager, stranger: Client, greetings: ModuleType) -> None:
    def shows(text: str) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            try:
                found: dict[str, Any] = await stranger.get(CONFIGMAPS, KEY)
            except NotFound:
                return False
            return bool(found["data"]["text"] == text)

        return look

    greeting = yaml.safe_load((EXAMPLE / "sample.yaml").read_text())
    greeting["metadata"]["namespace"] = KEY.namespace
    await stranger.create(greetings.GREETINGS, greeting)
    await eventually(shows("Hello, World!"))
    await stranger.patch(greetings.GREETINGS, KEY, Patch(PatchType.MERGE, {"spec": {"name": "you"}}))
    await eventually(shows("Hello, you!"))
    await stranger.delete(CONFIGMAPS, KEY)
    await eventually(shows("Hello, you!"))

    async with aiohttp.ClientSession() as session:
        scraper = Scraper(session)
        assert await scraper.text(manager.probe_address, "/readyz") == (200, "ok")
        assert await scraper.text(manager.probe_address, "/healthz?verbose") == (
            200,
            "[+]watches ok\nhealthz check passed\n",
        )
        samples = await scraper.samples(manager.metrics_address)
    host = stranger_host(samples)
    expected = {
        ("controller_runtime_max_concurrent_reconciles", (("controller", "greeting"),)): 1,
        ("controller_runtime_reconcile_errors_total", (("controller", "greeting"),)): 0,
        ("kdl_runtime_cache_objects", (("resource", "greetings.example.com"), ("watch", "greetings"))): 1,
        ("kdl_runtime_cache_objects", (("resource", "configmaps"), ("watch", "configmaps"))): 1,
        ("rest_client_requests_total", (("code", "201"), ("host", host), ("method", "POST"))): 2,
        ("rest_client_requests_total", (("code", "200"), ("host", host), ("method", "PUT"))): 1,
    }
    assert {key: samples.get((key[0], frozenset(key[1]))) for key in expected} == expected
    assert samples["process_resident_memory_bytes", frozenset()] > 0
    queue = frozenset({("name", "greeting"), ("controller", "greeting")})
    assert samples["workqueue_adds_total", queue] >= 3


def stranger_host(samples: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> str:
    """The API server that requests went to: one, with a port."""
    (host,) = {dict(labels)["host"] for name, labels in samples if name == "rest_client_requests_total"}
    assert host.startswith("127.0.0.1:")
    return host
