"""The cache and the client on a real API server, where they depend on what it does."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.applied import Applier, is_applied
from kdl_runtime.client.client import Client, Patch, PatchType, WriteOptions
from kdl_runtime.client.createorupdate import Outcome, create_or_patch, create_or_update
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import CONFIGMAPS, CRDS, NAMESPACES, PODS, SERVICES
from kdl_runtime.transport.http import HttpTransport
from kdl_runtime.transport.kubeconfig import load_config
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.envtest import Cluster

SPACES = ("cache-kept", "cache-left")
GHOSTS = Resource("cache.example.com", "v1", "Ghost", "ghosts")


@pytest.fixture
async def client(real_control_plane: Cluster) -> AsyncIterator[Client]:
    clock = SystemClock()
    transport = HttpTransport(load_config(str(real_control_plane.kubeconfig)), clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(transport.close)
        client = Client(transport, clock, field_manager="cache-and-client")
        for name in SPACES:
            await client.apply(NAMESPACES, {"metadata": {"name": name}})
        yield client


@pytest.fixture
async def cache(client: Client) -> AsyncIterator[Cache]:
    cache = Cache(client, SystemClock(), random.Random(1))
    yield cache
    await cache.stop()


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.05)


def named(name: str, namespace: str = SPACES[0], **metadata: Any) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, **metadata}


POD = {
    "metadata": named("applied", labels={"app": "x"}, finalizers=["example.com/f"]),
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "main:1",
                "ports": [{"containerPort": 80}, {"containerPort": 81, "protocol": "UDP"}],
                "env": [{"name": "B", "value": "1"}, {"name": "A", "value": "2"}],
                "args": ["x", "y"],
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            },
            {"name": "side", "image": "side:1"},
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "nodeSelector": {"disk": "none-has-this"},
    },
}
SERVICE = {"metadata": named("applied"), "spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "name": "web"}]}}


@pytest.mark.parametrize(("resource", "wanted"), [(PODS, POD), (SERVICES, SERVICE)], ids=["pod", "service"])
async def test_what_is_applied_is_seen_in_the_owned_fields(
    client: Client, resource: Resource, wanted: dict[str, Any]
) -> None:
    first = await client.apply(resource, wanted)
    key = ObjectKey(SPACES[0], "applied")
    assert is_applied(Applier(resource, key, "cache-and-client", ""), wanted, first)
    changed = {**wanted, "metadata": {**wanted["metadata"], "labels": {"app": "y"}}}
    second = await client.apply(resource, changed, known=first)
    assert second["metadata"]["labels"] == {"app": "y"}
    assert await client.apply(resource, changed, known=second) == second
    sent_again = await client.apply(resource, changed)
    assert sent_again["metadata"]["uid"] == first["metadata"]["uid"]
    if "finalizers" in wanted["metadata"]:
        await client.patch(resource, key, Patch(PatchType.MERGE, {"metadata": {"finalizers": None}}))
    await client.delete(resource, key)


@pytest.mark.parametrize("make", [create_or_update, create_or_patch])
async def test_defaults_of_a_real_server_are_no_difference(client: Client, make: Any) -> None:
    def pod(obj: dict[str, Any]) -> None:
        obj["metadata"]["labels"] = {"app": "x"}
        limits = {"cpu": "1000m", "memory": "1024Mi"}
        probe = {"tcpSocket": {"port": 80}}
        main = {"name": "main", "image": "main:1", "resources": {"limits": limits}, "readinessProbe": probe, "args": []}
        obj["spec"] = {"containers": [main], "nodeSelector": {"disk": "none-has-this"}}

    key = ObjectKey(SPACES[0], make.__name__.replace("_", "-"))
    _, outcome = await make(client, PODS, key, pod)
    assert outcome is Outcome.CREATED
    for _ in range(3):
        _, outcome = await make(client, PODS, key, pod)
        assert outcome is Outcome.UNCHANGED
    await client.delete(PODS, key)


async def test_all_namespaces_but_some_in_one_watch(client: Client, cache: Cache) -> None:
    others = tuple(
        obj["metadata"]["name"] for obj in await client.list(NAMESPACES) if obj["metadata"]["name"] not in SPACES
    )
    informer = cache.declare(WatchSpec(CONFIGMAPS, except_namespaces=(SPACES[1], *others), label_selector="cache=test"))
    stranger = cache.declare(WatchSpec(NAMESPACES, except_namespaces=SPACES))
    await cache.start()
    await cache.wait_synced(60)
    assert stranger.get(ObjectKey("", SPACES[1])) is not None, "what has no namespace is not left out"
    for namespace in SPACES:
        for name in ("one", "two"):
            await client.create(CONFIGMAPS, {"metadata": named(name, namespace, labels={"cache": "test"})})
    await client.delete(CONFIGMAPS, ObjectKey(SPACES[0], "two"))
    await client.patch(CONFIGMAPS, ObjectKey(SPACES[0], "one"), Patch(PatchType.MERGE, {"data": {"n": "1"}}))
    await asyncio.sleep(1)
    assert [obj.key for obj in informer.list()] == [ObjectKey(SPACES[0], "one")]
    await client.delete(CONFIGMAPS, ObjectKey(SPACES[0], "one"))
    for name in ("one", "two"):
        await client.delete(CONFIGMAPS, ObjectKey(SPACES[1], name))


def definition() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": GHOSTS.group_resource},
        "spec": {
            "group": GHOSTS.group,
            "scope": "Namespaced",
            "names": {"plural": GHOSTS.plural, "singular": "ghost", "kind": GHOSTS.kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


async def serve(client: Client, name: str) -> None:
    await client.create(CRDS, definition())
    async with asyncio.timeout(60):
        while True:
            try:
                await client.create(GHOSTS, {"metadata": named(name)})
            except NotFound:
                await asyncio.sleep(0.1)
            else:
                return


async def test_a_kind_comes_goes_and_comes_again(client: Client, cache: Cache) -> None:
    ghosts = cache.declare(WatchSpec(GHOSTS, required=False))
    await cache.start()
    await cache.wait_synced(10)
    await asyncio.sleep(3)
    assert ghosts.trouble == "the kind is not served"
    await serve(client, "first")
    await until(lambda: ghosts.get(ObjectKey(SPACES[0], "first")) is not None)
    await client.delete(CRDS, ObjectKey("", GHOSTS.group_resource))
    await until(lambda: "NotFound" in ghosts.trouble)
    await serve(client, "second")
    await until(lambda: [obj.metadata.name for obj in ghosts.list()] == ["second"], 90)
    await client.delete(CRDS, ObjectKey("", GHOSTS.group_resource))


async def test_unknown_fields_of_an_apply_are_refused(client: Client) -> None:
    with pytest.raises(Exception, match="dat"):
        await client.apply(CONFIGMAPS, {"metadata": named("typo"), "dat": {}}, WriteOptions(force=True))
