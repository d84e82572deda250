"""Definitions read from files, and installed on the local API server."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client, Patch, PatchType, WriteOptions
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec import yaml
from kdl_runtime.resources.registry import CRDS, NODES
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.direct import DirectTransport
from kdl_testing.envtest.crds import CrdError, install, load
from kdl_testing.envtest.fake_nodes import FakeNodes, FakeNodesError, create, manifest

TOYS = Resource("example.com", "v1", "Toy", "toys")


def definition(plural: str = "toys", kind: str = "Toy", group: str = "example.com") -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = SystemClock()
    yield Client(DirectTransport(ApiServer(clock, random.Random(0))), clock)


# ---- reading


def test_files_directories_and_objects(tmp_path: Path) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
    both = yaml.encode(definition("a")) + "---\n" + yaml.encode(namespace) + "---\n" + yaml.encode(definition("b"))
    (tmp_path / "several.yaml").write_text(both)
    (tmp_path / "notes.txt").write_text("no manifest")
    single = tmp_path / "below" / "one.json"
    single.parent.mkdir()
    single.write_text(yaml.encode(definition("c")))
    found = load([tmp_path, single, definition("d")])
    assert [item["metadata"]["name"].split(".")[0] for item in found] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("text", "message"), [("a: [", "is no YAML"), ("a: b", "is no CustomResourceDefinition")])
def test_a_file_that_holds_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(CrdError, match=message):
        load([path])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CrdError, match=r"cannot read .*none\.yaml: No such file"):
        load([tmp_path / "none.yaml"])


# ---- installing


async def test_objects_can_be_written_at_once(client: Client) -> None:
    await install(client, [definition()])
    made = await client.create(TOYS, {"metadata": {"namespace": "default", "name": "a"}})
    assert made["kind"] == "Toy"


async def test_what_is_there_is_replaced(client: Client) -> None:
    await install(client, [definition()])
    changed = definition()
    changed["spec"]["names"]["shortNames"] = ["ty"]
    await install(client, [changed])
    found = await client.get(CRDS, ObjectKey("", "toys.example.com"))
    assert found["spec"]["names"]["shortNames"] == ["ty"]


async def test_one_message_names_all_that_are_never_served(client: Client) -> None:
    await install(client, [definition()])
    rivals = [definition("others", "Toy"), definition("more", "Toy"), definition("fine", "Fine")]
    with pytest.raises(CrdError) as caught:
        await install(client, rivals, timeout=0.2)
    message = str(caught.value)
    assert "not served after 0.2 s" in message
    assert "more.example.com: " in message
    assert "others.example.com: " in message
    assert "already in use" in message
    assert "fine.example.com" not in message


async def test_what_the_server_refuses_is_named(client: Client) -> None:
    wrong = definition()
    wrong["spec"]["scope"] = "Everywhere"
    with pytest.raises(CrdError, match=r"the API server refuses toys\.example\.com: .*scope"):
        await install(client, [wrong])


# ---- fake nodes


def test_fake_nodes_are_those_of_the_local_cluster() -> None:
    node = manifest(FakeNodes(3, tainted=True, labels={"zone": "a"}), 2)
    assert node["metadata"]["name"] == "fake-2"
    assert node["metadata"]["labels"]["type"] == "fake"
    assert node["metadata"]["labels"]["zone"] == "a"
    assert node["spec"]["taints"] == [{"key": "kdl.io/fake", "value": "true", "effect": "NoSchedule"}]
    assert node["status"]["allocatable"] == {"cpu": "32", "memory": "256Gi", "pods": "110"}


async def test_fake_nodes_that_nobody_plays_are_named(client: Client) -> None:
    with pytest.raises(FakeNodesError, match=r"not Ready after 0\.1 s: fake-0, fake-1"):
        await create(client, FakeNodes(2), timeout=0.1)


async def test_fake_nodes_are_waited_for(client: Client) -> None:
    made = asyncio.Event()
    client.on_write(lambda resource, verb, obj: made.set() if verb == "create" and b"fake-1" in obj else None)
    making = asyncio.create_task(create(client, FakeNodes(2)))
    await made.wait()
    assert not making.done()
    for name in ("fake-0", "fake-1"):
        # What kwok does, and then the node controller.
        key = ObjectKey("", name)
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await client.patch(NODES, key, Patch(PatchType.MERGE, ready), WriteOptions(subresource="status"))
        await client.patch(NODES, key, Patch(PatchType.MERGE, {"spec": {"taints": None}}))
    assert await making == ["fake-0", "fake-1"]
