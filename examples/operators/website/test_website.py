"""The operator on a local API server in this process, and its webhooks as an API server calls them: over TLS."""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from kdl_local.apiserver.server import ApiServer
from kdl_runtime import (
    CertificateFiles,
    Client,
    Manager,
    ManagerOptions,
    ObjectKey,
    PairPaths,
    SystemClock,
    WebhookOptions,
    mutate_path,
    validate_path,
)
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.serve.issuing import new_authority, new_server_certificate
from kdl_testing.direct import DirectTransport
from website.website import NAME, NAMESPACE, OPTIONS, WEBSITES, build

HERE = Path(__file__).parent
KEY = ObjectKey("default", "blog")


def site(name: str = "blog", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}


class World:
    def __init__(self, client: Client, session: aiohttp.ClientSession) -> None:
        self.client = client
        self._session = session

    async def ask(self, path: str, operation: str, obj: dict[str, Any]) -> dict[str, Any]:
        """What the webhook answers about one object."""
        objects = {"oldObject": obj} if operation == "DELETE" else {"object": obj, "oldObject": obj}
        request = {"uid": "1", "operation": operation, "namespace": "default", "name": "x", **objects}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        headers = {"Content-Type": "application/json"}
        async with self._session.post(path, data=json.dumps(review), headers=headers) as answer:
            response: dict[str, Any] = (await answer.json())["response"]
            return response

    async def refusal(self, operation: str, obj: dict[str, Any]) -> str:
        """Why the validating webhook refuses; empty if it does not."""
        answer = await self.ask(validate_path(WEBSITES), operation, obj)
        return "" if answer["allowed"] else str(answer["status"]["message"])

    async def url(self) -> str:
        async with asyncio.timeout(10):
            while True:
                found = await self.client.get(WEBSITES, KEY)
                if "status" in found:
                    return str(found["status"]["url"])
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SystemClock()
    now = datetime.now(UTC)
    authority = new_authority("test", now, timedelta(hours=1))
    pair = new_server_certificate(authority, ["127.0.0.1"], now, timedelta(hours=1))
    (tmp_path / "tls.crt").write_bytes(pair.certificate)
    (tmp_path / "tls.key").write_bytes(pair.key)
    server = ApiServer(clock, random.Random(1))
    client = Client(DirectTransport(server), clock)
    await client.create(CRDS, yaml.safe_load((HERE / "crd.yaml").read_text()))
    manager = Manager(Client(DirectTransport(server), clock), ManagerOptions("0", "0"))
    files = CertificateFiles(PairPaths(tmp_path), clock, manager.metrics)
    webhooks = build(manager, files, WebhookOptions("127.0.0.1", 0))
    task = asyncio.create_task(manager.start())
    await manager.wait_started()
    trust = ssl.create_default_context(cadata=authority.certificate.decode())
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(f"https://{webhooks.address}", connector=connector) as session:
        yield World(client, session)
    manager.stop()
    await task


async def test_a_website_gets_its_url(world: World) -> None:
    await world.client.create(WEBSITES, site(host="a.example.com"))
    assert await world.url() == "https://a.example.com/"


async def test_a_website_gets_a_host_if_it_has_none(world: World) -> None:
    sample = yaml.safe_load((HERE / "sample.yaml").read_text())
    sample["metadata"]["namespace"] = "default"
    answer = await world.ask(mutate_path(WEBSITES), "CREATE", sample)
    assert answer["allowed"]
    assert answer["patchType"] == "JSONPatch"
    answer = await world.ask(mutate_path(WEBSITES), "CREATE", site(host="a.example.com"))
    assert "patch" not in answer
    answer = await world.ask(mutate_path(WEBSITES), "CREATE", site(""))
    assert answer["status"]["message"] == "a Website without a name of its own needs spec.host"


async def test_a_host_belongs_to_one_website(world: World) -> None:
    await world.client.create(WEBSITES, site(host="a.example.com"))
    await world.url()
    taken = "spec.host: a.example.com belongs to default/blog already"
    assert await world.refusal("CREATE", site("shop", host="a.example.com")) == taken
    assert await world.refusal("UPDATE", site("shop", host="a.example.com")) == taken
    assert await world.refusal("UPDATE", site("blog", host="a.example.com")) == ""
    assert await world.refusal("CREATE", site("shop", host="b.example.com")) == ""


async def test_a_live_website_stays(world: World) -> None:
    live = site(host="a.example.com")
    live["metadata"]["labels"] = {"live": "true"}
    assert await world.refusal("DELETE", live) == "this Website is live: remove its label first"
    assert await world.refusal("DELETE", site(host="a.example.com")) == ""


def test_the_manifests_name_what_the_operator_serves() -> None:
    objects = list(yaml.safe_load_all((HERE / "deploy.yaml").read_text()))
    by_kind = {item["kind"]: item for item in objects}
    for kind, path in (
        ("MutatingWebhookConfiguration", mutate_path(WEBSITES)),
        ("ValidatingWebhookConfiguration", validate_path(WEBSITES)),
    ):
        [webhook] = by_kind[kind]["webhooks"]
        assert webhook["clientConfig"]["service"] == {"name": NAME, "namespace": NAMESPACE, "path": path}
        assert kind in [target.resource.kind for target in OPTIONS.targets]
        assert by_kind[kind]["metadata"]["name"] == NAME
    service = by_kind["Service"]["metadata"]
    assert f"{service['name']}.{service['namespace']}.svc" in OPTIONS.hosts
    assert by_kind["Service"]["spec"]["ports"] == [{"port": 443, "targetPort": WebhookOptions().port}]
    [secrets] = [rule for rule in by_kind["Role"]["rules"] if "resourceNames" in rule]
    assert secrets["resourceNames"] == [OPTIONS.secret.name]


def test_it_is_small() -> None:
    lines = (HERE / "website.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 80
