"""The example operator with its own manifests, called by a real API server, as the account that they bind."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envtest.webhooks.guestbooks import World
from kdl_runtime.client.client import Client
from kdl_runtime.codec import yaml
from kdl_runtime.errors import ApiError, Forbidden, Invalid
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.resources.registry import NAMESPACES, ROLE_BINDINGS, SERVICE_ACCOUNTS
from kdl_runtime.resources.registry import ROLES as NAMESPACED_ROLES
from kdl_runtime.transport.kubeconfig import load_config
from kdl_runtime.types import ObjectKey, Resource
from kdl_runtime.webhook.selfsigned import SelfSigned
from kdl_runtime.webhook.server import WebhookOptions
from kdl_testing.envtest import ServiceAccount, WebhookEndpoint
from website.website import NAME, NAMESPACE, OPTIONS, WEBSITES, build

EXAMPLE = Path(__file__).parents[3] / "examples" / "operators" / "website"
RESOURCES = {
    "Namespace": NAMESPACES,
    "ServiceAccount": SERVICE_ACCOUNTS,
    "Role": NAMESPACED_ROLES,
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRole": Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Resource(
        "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
    ),
}


async def apply(client: Client, manifests: list[dict[str, Any]]) -> None:
    for item in manifests:
        if resource := RESOURCES.get(item["kind"]):
            await client.create(resource, item)


async def test_the_example_works_with_its_own_manifests_and_rights(world: World) -> None:
    manifests = [dict(item) for item in yaml.decode_all((EXAMPLE / "deploy.yaml").read_text())]
    await apply(world.client, manifests)
    await asyncio.to_thread(world.plane.install_crds, [EXAMPLE / "crd.yaml"])
    kubeconfig = await asyncio.to_thread(world.plane.service_account, ServiceAccount(NAMESPACE, NAME))
    manager = Manager(world.new_client(load_config(str(kubeconfig))), ManagerOptions("0", "127.0.0.1:0"))
    options = replace(OPTIONS, hosts=(*OPTIONS.hosts, "127.0.0.1"))
    certificates = SelfSigned(manager.client, options, manager.clock, manager.metrics)
    server = build(manager, certificates, WebhookOptions("127.0.0.1", 0, shutdown_seconds=1.0))
    task = asyncio.create_task(manager.start())
    try:
        await manager.wait_started()
        endpoint = WebhookEndpoint(server.address.port)
        await asyncio.to_thread(world.plane.install_webhooks, [EXAMPLE / "deploy.yaml"], endpoint)
        sample = yaml.decode((EXAMPLE / "sample.yaml").read_text())
        sample["metadata"]["namespace"] = "default"

        async def created() -> bool:
            """The CRD refuses what has no host, so until the webhook answers there is an error."""
            try:
                return bool((await world.client.create(WEBSITES, sample))["spec"]["host"])
            except ApiError:
                return False

        await world.until(created)
        key = ObjectKey("default", "blog")

        async def has_url() -> bool:
            status = (await world.client.get(WEBSITES, key)).get("status") or {}
            return status.get("url") == "https://blog.default.example.com/"

        await world.until(has_url)
        shop = {"metadata": {"namespace": "default", "name": "shop"}, "spec": {"host": "blog.default.example.com"}}
        with pytest.raises(Invalid, match="belongs to default/blog already"):
            await world.client.create(WEBSITES, shop)
        live = await world.client.get(WEBSITES, key)
        live["metadata"]["labels"] = {"live": "true"}
        await world.client.update(WEBSITES, live)
        with pytest.raises(Forbidden, match="this Website is live"):
            await world.client.delete(WEBSITES, key)
        await server.check_started()
    finally:
        manager.stop()
        await task
