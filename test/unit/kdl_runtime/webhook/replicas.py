"""Replicas that issue their certificates themselves, on a local API server and virtual time."""

import random
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import CRDS, SECRETS
from kdl_runtime.types import ObjectKey, Resource
from kdl_runtime.webhook.bundles import MUTATING, VALIDATING, mutating_configuration, validating_configuration
from kdl_runtime.webhook.selfsigned import SelfSigned, SelfSignedOptions, service_hosts
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run
from unit.kdl_runtime.webhook.trust import configuration_crd, served, trusts

START = datetime(2026, 1, 31, tzinfo=UTC)
SECRET = ObjectKey("default", "webhook-certificates")
HOSTS = service_hosts("hook", "default")
CONFIGURATION = ObjectKey("", "guestbook")
TARGETS = (validating_configuration("guestbook"), mutating_configuration("guestbook"))
DAY, HOUR = 86400.0, 3600.0


def options(**changes: Any) -> SelfSignedOptions:
    return SelfSignedOptions(**{"secret": SECRET, "hosts": HOSTS, "targets": TARGETS, "watch": False, **changes})


class World:
    def __init__(self) -> None:
        self.clock = LoopClock(START)
        self.server = ApiServer(self.clock, random.Random(1))
        self.client = self.new_client()
        self.replicas: list[SelfSigned] = []
        self.metrics = Metrics()

    def new_client(self) -> Client:
        return Client(DirectTransport(self.server), self.clock)

    def replica(self, wanted: SelfSignedOptions | None = None, client: Client | None = None) -> SelfSigned:
        random_ = random.Random(len(self.replicas))
        made = SelfSigned(client or self.new_client(), wanted or options(), self.clock, self.metrics, random_)
        self.replicas.append(made)
        return made

    async def install(self) -> None:
        for resource in (VALIDATING, MUTATING):
            await self.client.create(CRDS, configuration_crd(resource.kind))
            config = {"service": {"name": "hook", "namespace": "default"}}
            webhooks = [{"name": "a.b.c", "clientConfig": config}, {"name": "d.e.f", "clientConfig": config}]
            await self.client.create(resource, {"metadata": {"name": CONFIGURATION.name}, "webhooks": webhooks})

    async def secret(self) -> dict[str, bytes]:
        data = (await self.client.get(SECRETS, SECRET))["data"]
        return {name: b64decode(text) for name, text in data.items()}

    async def bundle(self, resource: Resource = VALIDATING) -> bytes:
        found = await self.client.get(resource, CONFIGURATION)
        [bundle] = {item["clientConfig"].get("caBundle", "") for item in found["webhooks"]}
        return b64decode(bundle)

    def check(self, bundle: bytes) -> None:
        for replica in self.replicas:
            assert trusts(bundle, served(replica.context), HOSTS[0], self.clock.now()) == ""


def in_a_world(body: Callable[[World], Awaitable[None]], *, install: bool = True) -> None:
    async def main() -> None:
        world = World()
        if install:
            await world.install()
        try:
            await body(world)
        finally:
            for replica in world.replicas:
                await replica.stop()

    run(main())
