"""The example operator, run against a local API server on virtual time."""

import importlib.util
from pathlib import Path

import yaml

from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS
from kdl_runtime.types import ObjectKey
from unit.kdl_runtime.controller.world import World, in_a_world

EXAMPLE = Path(__file__).parents[4] / "examples" / "operator"


def test_the_example_is_an_operator_of_forty_lines() -> None:
    source = EXAMPLE / "greeting.py"
    assert len(source.read_text().splitlines()) <= 40
    spec = importlib.util.spec_from_file_location("greeting_example", source)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    key = ObjectKey("default", "world")

    async def body(world: World) -> None:
        async def text() -> str:
            await world.clock.sleep(2)
            return str((await world.stranger.get(CONFIGMAPS, key))["data"]["text"])

        await world.stranger.create(CRDS, yaml.safe_load((EXAMPLE / "crd.yaml").read_text()))
        example.build(world.manager)
        await world.start()
        greeting = yaml.safe_load((EXAMPLE / "greeting.yaml").read_text())
        greeting["metadata"]["namespace"] = "default"
        created = await world.stranger.create(example.GREETINGS, greeting)
        assert await text() == "Hello, World!"
        owner = (await world.stranger.get(CONFIGMAPS, key))["metadata"]["ownerReferences"][0]
        assert (owner["uid"], owner["controller"]) == (created["metadata"]["uid"], True)
        await world.stranger.patch(example.GREETINGS, key, Patch(PatchType.MERGE, {"spec": {"name": "you"}}))
        assert await text() == "Hello, you!"
        await world.stranger.patch(CONFIGMAPS, key, Patch(PatchType.MERGE, {"data": {"text": "spoilt"}}))
        assert await text() == "Hello, you!"
        await world.stranger.delete(CONFIGMAPS, key)
        assert await text() == "Hello, you!"

    in_a_world(body)
