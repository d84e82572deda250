"""The functions of the page on webhooks, asked as an API server asks: over TLS."""

import asyncio
import json
import random
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.serve.certificates import CertificateFiles, PairPaths
from kdl_runtime.serve.issuing import new_authority, new_server_certificate
from kdl_testing.direct import DirectTransport
from unit.docs.execution import Execution
from unit.docs.markdown import RUNTIME_DOCS, Page
from unit.kdl_runtime.webhook.reviews import admission_review, conversion_review, patch_of

MUTATE, VALIDATE = "/mutate-example-com-v2-guestbook", "/validate-example-com-v2-guestbook"


def guestbook(version: str = "v2", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "default", "uid": "u"}
    return {"apiVersion": f"example.com/{version}", "kind": "Guestbook", "metadata": metadata, "spec": spec}


async def test_its_functions_answer(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = new_authority("ca", now, timedelta(days=1))
    pair = new_server_certificate(authority, ["127.0.0.1"], now, timedelta(hours=1))
    paths = PairPaths(tmp_path)
    paths.certificate.write_bytes(pair.certificate)
    paths.key.write_bytes(pair.key)
    clock = SystemClock()
    client = Client(DirectTransport(ApiServer(clock, random.Random(1))), clock)
    manager = Manager(client, ManagerOptions("0", "0"), clock)
    run = Execution(Page.read(RUNTIME_DOCS / "webhooks.md"), tmp_path)
    run.names |= {"manager": manager, "certificates": CertificateFiles(paths, clock, Metrics())}
    server = run.run().names["server"]
    task = asyncio.create_task(manager.start())
    await manager.wait_started()
    trust = ssl.create_default_context(cadata=authority.certificate.decode())

    async with aiohttp.ClientSession(f"https://{server.address}", connector=aiohttp.TCPConnector(ssl=trust)) as session:

        async def ask(path: str, review: bytes) -> dict[str, Any]:
            async with session.post(path, data=review, headers={"Content-Type": "application/json"}) as answer:
                answered: dict[str, Any] = json.loads(await answer.read())
                return answered

        answer = await ask(MUTATE, admission_review(object=guestbook()))
        assert patch_of(answer) == [{"op": "add", "path": "/spec/host", "value": "localhost"}]
        response = (await ask(VALIDATE, admission_review(object=guestbook(port=80))))["response"]
        assert (response["allowed"], response["warnings"]) == (True, ["ports below 1024 need rights"])
        response = (await ask(VALIDATE, admission_review(object=guestbook(port=0))))["response"]
        assert (response["allowed"], response["status"]["code"]) == (False, 422)
        change = admission_review("UPDATE", object=guestbook(host="b"), oldObject=guestbook(host="a"))
        status = (await ask(VALIDATE, change))["response"]["status"]
        assert (status["code"], status["message"]) == (403, "spec.host cannot be changed")
        answer = await ask("/convert", conversion_review([guestbook("v1", address="a:81")]))
        assert answer["response"]["convertedObjects"][0]["spec"] == {"host": "a", "port": 81}
        answer = await ask("/convert", conversion_review([guestbook(host="a", port=81)], "example.com/v1"))
        assert answer["response"]["convertedObjects"][0]["spec"] == {"address": "a:81"}
    manager.stop()
    await task
