"""Certificates of webhooks that a real API server calls: changed under requests, shared, restored, with few rights."""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from envtest.webhooks.guestbooks import (
    BINDINGS,
    NAME,
    ROLES,
    SECRET,
    V1,
    World,
    binding,
    configurations,
    guestbook,
)
from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.errors import KdlError, NotFound
from kdl_runtime.resources.registry import SECRETS
from kdl_runtime.transport.kubeconfig import load_config
from kdl_runtime.types import ObjectKey
from kdl_runtime.webhook.bundles import (
    MUTATING,
)
from kdl_runtime.webhook.rotation import RotationPolicy
from kdl_runtime.webhook.selfsigned import IssuingError
from kdl_testing.envtest import ServiceAccount, WebhookEndpoint


class Balancer:
    """Stands for a Service: passes each new connection on to the next of its servers."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        port = self.ports[self.connections % len(self.ports)]
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
        except OSError:
            pass
        finally:
            for end in (writer, there_writer):
                end.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(2**16):
            target.write(data)
            await target.drain()
        target.write_eof()


@asynccontextmanager
async def balanced(balancer: Balancer) -> AsyncIterator[int]:
    async with await asyncio.start_server(balancer.handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


FAST = RotationPolicy(
    authority_lifetime=timedelta(seconds=24),
    authority_renew_before=timedelta(seconds=16),
    serving_lifetime=timedelta(seconds=12),
    serving_renew_before=timedelta(seconds=8),
    settle=timedelta(seconds=2),
)
ROTATION_SECONDS = 40


async def test_certificates_change_under_requests_that_all_succeed(world: World) -> None:
    balancer = Balancer()
    async with balanced(balancer) as port:
        servers = await asyncio.gather(world.serve(policy=FAST), world.serve(policy=FAST))
        balancer.ports = [server.address.port for server in servers]
        await world.install(WebhookEndpoint(port))
        await world.until_called()
        await world.client.create(V1, guestbook("one", rows=0))
        seen: set[bytes] = set()
        bundles: set[bytes] = set()
        requests = handshakes = 0
        end = world.clock.monotonic() + ROTATION_SECONDS

        async def request() -> None:
            nonlocal requests
            while world.clock.monotonic() < end:
                requests += 1
                await world.client.patch(
                    V1, ObjectKey("default", "one"), Patch(PatchType.MERGE, {"spec": {"rows": requests}})
                )
                await asyncio.sleep(0.1)

        async def shake_hands() -> None:
            """With every replica, by what the API server has been told to trust; it keeps its own connections."""
            nonlocal handshakes
            while world.clock.monotonic() < end:
                bundle = await world.bundle()
                bundles.add(bundle)
                context = ssl.create_default_context(cadata=bundle.decode())
                for replica in balancer.ports:
                    _, writer = await asyncio.open_connection("127.0.0.1", replica, ssl=context)
                    seen.add(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
                    writer.transport.abort()
                    handshakes += 1
                await asyncio.sleep(0.2)

        await asyncio.gather(request(), shake_hands())
        print(f"{requests} requests, {handshakes} handshakes, {len(seen)} certificates, {len(bundles)} bundles")
        assert requests > 100
        assert balancer.connections >= 4
        assert len(seen) >= 5
        assert len(bundles) >= 4
        assert await world.bundle(MUTATING) == await world.bundle()


async def test_replicas_that_start_at_once_share_one_secret(world: World) -> None:
    servers = await asyncio.gather(*(world.serve() for _ in range(4)))
    secret = await world.client.get(SECRETS, SECRET)
    [certificate] = {
        await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", server.address.port)) for server in servers
    }
    assert b64decode(secret["data"]["tls.crt"]).decode() == certificate
    assert secret["type"] == "kubernetes.io/tls"


async def test_a_configuration_that_is_applied_anew_gets_its_bundle_back(world: World) -> None:
    server = await world.serve()
    endpoint = WebhookEndpoint(server.address.port)
    await world.install(endpoint)
    await world.until_called()
    bundle = await world.bundle()
    await asyncio.to_thread(world.plane.install_webhooks, configurations(), endpoint)
    assert await world.bundle() in (b"", bundle)

    async def back() -> bool:
        return await world.bundle() == bundle

    await world.until(back, 10)


ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "guestbook-webhook"},
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [SECRET.name],
            "verbs": ["get", "list", "watch", "update"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
            "resourceNames": ["guestbook"],
            "verbs": ["get", "list", "watch", "patch"],
        },
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": [NAME],
            "verbs": ["get", "list", "watch", "patch"],
        },
    ],
}


async def test_the_rights_that_are_documented_are_enough(world: World) -> None:
    kubeconfig = await asyncio.to_thread(world.plane.service_account, ServiceAccount("default", "guestbook"))
    account = world.new_client(load_config(str(kubeconfig)))
    with pytest.raises(IssuingError, match=r'secrets "guestbook-certificates" is forbidden'):
        await world.serve(account)
    await world.client.create(ROLES, ROLE)
    await world.client.create(BINDINGS, binding("guestbook-webhook", "guestbook"))

    async def may() -> bool:
        try:
            await account.get(SECRETS, SECRET)
        except NotFound:
            return True
        except KdlError:
            return False
        return True

    await world.until(may)
    server = await world.serve(account)
    await world.install(WebhookEndpoint(server.address.port))
    await world.until_called()
    await server.check_started()
    assert (await world.client.create(V1, guestbook("one")))["spec"] == {"address": "localhost:80"}
