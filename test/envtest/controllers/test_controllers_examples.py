"""The example operators, on both servers."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bucket.bucket import BUCKETS, FINALIZER, Storage
from bucket.bucket import build as build_bucket
from bucket.test_bucket import Service
from envtest.controllers.world import COLLECTION_SECONDS, EXAMPLES, World, sample, until
from greeting.greeting import GREETINGS
from greeting.greeting import build as build_greeting
from kdl_runtime import Manager, ObjectKey
from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.errors import Invalid
from kdl_runtime.resources.registry import CONFIGMAPS, EVENTS
from kdl_runtime.serve.certificates import CertificateFiles, PairPaths
from kdl_runtime.serve.issuing import new_authority, new_server_certificate
from kdl_runtime.webhook.bundles import MUTATING, VALIDATING
from kdl_runtime.webhook.server import WebhookOptions, WebhookServer
from kdl_testing.envtest import WebhookEndpoint
from website.website import NAME, WEBSITES
from website.website import build as build_website


async def test_a_config_map_follows_its_greeting(world: World) -> None:
    await world.install(EXAMPLES / "greeting" / "crd.yaml")

    async def text() -> str:
        found = await world.find(CONFIGMAPS, "world")
        return str(found["data"]["text"]) if found is not None else ""

    async def says(wanted: str) -> None:
        async def said() -> bool:
            return await text() == wanted

        await until(said, f"the ConfigMap says {wanted}")

    async with world.operator(build_greeting) as manager:
        greeting = await world.user.create(GREETINGS, sample("greeting", world.namespace))
        await says("Hello, World!")
        owned = await world.user.get(CONFIGMAPS, world.key("world"))
        [owner] = owned["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (greeting["metadata"]["uid"], True)

        await world.user.patch(GREETINGS, world.key("world"), Patch(PatchType.MERGE, {"spec": {"name": "you"}}))
        await says("Hello, you!")
        await world.user.patch(CONFIGMAPS, world.key("world"), Patch(PatchType.MERGE, {"data": {"text": "spoilt"}}))
        await says("Hello, you!")
        await world.user.delete(CONFIGMAPS, world.key("world"))
        await says("Hello, you!")

        await world.user.delete(GREETINGS, world.key("world"))

        async def gone() -> bool:
            return await world.find(CONFIGMAPS, "world") is None

        await until(gone, "garbage collection has taken the ConfigMap", COLLECTION_SECONDS)
        assert manager.metrics.value("controller_runtime_reconcile_errors_total", controller="greeting") == 0


async def test_a_bucket_is_made_and_kept_until_it_is_empty(world: World) -> None:
    await world.install(EXAMPLES / "bucket" / "crd.yaml")
    service = Service()
    name = f"{world.namespace}.photos"

    async def phase() -> str:
        found = await world.find(BUCKETS, "photos")
        return "" if found is None else str(found.get("status", {}).get("phase", "no status"))

    async def in_phase(wanted: str) -> None:
        async def reached() -> bool:
            return await phase() == wanted

        await until(reached, f"the phase of the Bucket is {wanted}")

    async with service.running() as url, aiohttp.ClientSession() as session:

        def build(manager: Manager) -> None:
            build_bucket(manager, Storage(session, url), look_again=0.2)

        service.down = True
        async with world.operator(build):
            bucket = sample("bucket", world.namespace)
            await world.user.create(BUCKETS, bucket)
            await service.asked_in_vain.wait()
            assert not service.sizes
            service.down = False
            await in_phase("Ready")
            assert service.sizes == {name: bucket["spec"]["megabytes"]}
            service.contents[name] = ["a picture"]
            await world.user.delete(BUCKETS, world.key("photos"))
            await in_phase("Deleting")
            found = await world.find(BUCKETS, "photos")
            assert found is not None
            assert found["metadata"]["finalizers"] == [FINALIZER]
            service.contents.clear()
            await in_phase("")
        assert not service.sizes
        reasons = {event["reason"] for event in await world.user.list(EVENTS, world.namespace)}
        assert "NotEmpty" in reasons


class Webhooks:
    """The website operator's, with a certificate that is signed for this test."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC)
        self.authority = new_authority("test", now, timedelta(hours=1))
        pair = new_server_certificate(self.authority, ["127.0.0.1"], now, timedelta(hours=1))
        (folder / "tls.crt").write_bytes(pair.certificate)
        (folder / "tls.key").write_bytes(pair.key)
        self._paths = PairPaths(folder)
        self.server: WebhookServer | None = None

    def build(self, manager: Manager) -> None:
        files = CertificateFiles(self._paths, manager.clock, manager.metrics)
        self.server = build_website(manager, files, WebhookOptions("127.0.0.1", 0))

    @property
    def endpoint(self) -> WebhookEndpoint:
        assert self.server is not None
        assert self.server.address is not None
        return WebhookEndpoint(self.server.address.port, ca=self.authority.certificate)


async def website_url(world: World, name: str) -> str:
    async def known() -> bool:
        found = await world.find(WEBSITES, name)
        return found is not None and "status" in found

    await until(known, "the status has the URL")
    found: dict[str, Any] = await world.user.get(WEBSITES, world.key(name))
    return str(found["status"]["url"])


async def test_a_website_gets_its_url(world: World, tmp_path: Path) -> None:
    await world.install(EXAMPLES / "website" / "crd.yaml")
    async with world.operator(Webhooks(tmp_path).build):
        await world.apply(WEBSITES, "blog", spec={"host": "blog.example.org"})
        assert await website_url(world, "blog") == "https://blog.example.org/"


async def test_a_website_gets_a_host_that_is_its_alone(real_world: World, tmp_path: Path) -> None:
    """On a server that calls webhooks."""
    world, webhooks = real_world, Webhooks(tmp_path)
    await world.install(EXAMPLES / "website" / "crd.yaml")
    async with world.operator(webhooks.build) as manager:
        await manager.wait_started()
        await asyncio.to_thread(
            world.cluster.install_webhooks, [EXAMPLES / "website" / "deploy.yaml"], webhooks.endpoint
        )
        try:
            name = await first_with_a_host(world)
            host = f"{name}.{world.namespace}.example.com"
            assert await website_url(world, name) == f"https://{host}/"
            with pytest.raises(Invalid, match=f"{host} belongs to {world.namespace}/{name} already"):
                await world.apply(WEBSITES, "other", spec={"host": host})
        finally:
            for resource in (MUTATING, VALIDATING):
                await world.user.delete(resource, ObjectKey("", NAME))


async def first_with_a_host(world: World) -> str:
    """Makes Websites without a host until the API server calls the webhooks: it follows their configuration when it has
    seen it."""
    names = itertools.count()

    async def has_host() -> bool:
        name = f"site-{next(names)}"
        found.append(name)
        made = await world.apply(WEBSITES, name, spec={})
        return "host" in made["spec"]

    found: list[str] = []
    await until(has_host, "the API server calls the webhooks")
    return found[-1]
