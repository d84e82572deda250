"""Metrics that a real API server decides about."""

import asyncio

import aiohttp

from envtest.webhooks.guestbooks import BINDINGS, ROLES, World, binding
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.serve.metrics_server import MetricsSecurity
from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.envtest import ServiceAccount

REVIEWS = [
    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
]
READ = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


async def test_only_those_read_whom_a_role_allows_it(world: World) -> None:
    configs = {}
    for name in ("server", "prometheus", "stranger"):
        kubeconfig = await asyncio.to_thread(world.plane.service_account, ServiceAccount("default", name))
        configs[name] = load_config(str(kubeconfig))
    for role, rules, account in (("metrics-auth", REVIEWS, "server"), ("metrics-reader", READ, "prometheus")):
        await world.client.create(ROLES, {"metadata": {"name": role}, "rules": rules})
        await world.client.create(BINDINGS, binding(role, account))
    options = ManagerOptions("127.0.0.1:0", "0", MetricsSecurity())
    manager = Manager(world.new_client(configs["server"]), options)
    task = asyncio.create_task(manager.start())
    await manager.wait_started()
    url = f"https://{manager.metrics_address}/metrics"

    async def scrape(token: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with session.get(url, headers=headers) as answer:
            return answer.status, (await answer.text()).splitlines()[0]

    async def allowed() -> bool:
        return (await scrape(configs["prometheus"].user.token))[0] == 200

    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
            # The API server's authorizer takes a moment to see new roles.
            await world.until(allowed, 60)
            assert (await scrape(configs["prometheus"].user.token))[1].startswith("# HELP ")
            denied = "Authorization denied for user system:serviceaccount:default:stranger"
            assert await scrape(configs["stranger"].user.token) == (403, denied)
            assert await scrape("no-token-of-this-cluster") == (401, "Unauthorized")
            assert await scrape("") == (401, "Unauthorized")
    finally:
        manager.stop()
        await task
