"""The operator on a local API server, all in this process and on virtual time."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

import yaml

from greeting.greeting import GREETINGS, build
from kdl_local.apiserver.server import ApiServer
from kdl_runtime import Client, LoopClock, Manager, ManagerOptions, ObjectKey, Patch, PatchType
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

HERE = Path(__file__).parent
KEY = ObjectKey("default", "world")
OPTIONS = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")


async def scenario() -> None:
    clock, rng = LoopClock(datetime(2026, 1, 31, tzinfo=UTC)), random.Random(1)
    server = ApiServer(clock, rng)
    user = Client(DirectTransport(server), clock)
    await user.create(CRDS, yaml.safe_load((HERE / "crd.yaml").read_text()))
    manager = Manager(Client(DirectTransport(server), clock), OPTIONS, clock, rng)
    build(manager)
    operator = asyncio.create_task(manager.start())

    async def text() -> str:
        await clock.sleep(2)
        return str((await user.get(CONFIGMAPS, KEY))["data"]["text"])

    greeting = yaml.safe_load((HERE / "sample.yaml").read_text())
    greeting["metadata"]["namespace"] = KEY.namespace
    created = await user.create(GREETINGS, greeting)
    assert await text() == "Hello, World!"
    owner = (await user.get(CONFIGMAPS, KEY))["metadata"]["ownerReferences"][0]
    assert (owner["uid"], owner["controller"]) == (created["metadata"]["uid"], True)

    await user.patch(GREETINGS, KEY, Patch(PatchType.MERGE, {"spec": {"name": "you"}}))
    assert await text() == "Hello, you!"
    await user.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"text": "spoilt"}}))
    assert await text() == "Hello, you!"
    await user.delete(CONFIGMAPS, KEY)
    assert await text() == "Hello, you!"

    manager.stop()
    await operator


def test_a_config_map_follows_its_greeting() -> None:
    run(scenario())


def test_the_operator_has_forty_lines() -> None:
    lines = (HERE / "greeting.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 40
