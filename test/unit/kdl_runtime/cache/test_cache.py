"""The cache against a local API server in this process, on virtual time."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import structlog

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.spec import WatchSpec, owner_index, projection_only
from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import NotDeclaredError, NotSyncedError
from kdl_runtime.resources.registry import CONFIGMAPS, NAMESPACES, NODES, PODS, SECRETS
from kdl_runtime.types import ObjectKey, Resource
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run

KEY = ObjectKey("default", "a")
UNSERVED = Resource("example.com", "v1", "Ghost", "ghosts")


class World:
    def __init__(self) -> None:
        self.clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        rng = random.Random(1)
        self.server = ApiServer(self.clock, rng)
        self.transport = DirectTransport(self.server)
        self.client = Client(self.transport, self.clock)
        self.stranger = Client(DirectTransport(self.server), self.clock)
        self.cache = Cache(self.client, self.clock, rng)


def in_a_world(body: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World()
        try:
            await body(world)
        finally:
            await world.cache.stop()

    run(main())


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "labels": {"app": name}}, "data": data}


def test_what_is_shrunk_keeps_no_json() -> None:
    def without_annotations(obj: PartialObject) -> PartialObject | None:
        if obj.metadata.labels.get("app") != "small":
            return None
        return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, annotations={}))

    small, whole = ObjectKey("default", "small"), ObjectKey("default", "whole")

    async def body(world: World) -> None:
        for name in (small.name, whole.name):
            created = config_map(name, n="1")
            created["metadata"]["annotations"] = {"a": "b"}
            await world.stranger.create(CONFIGMAPS, created)
        spec = WatchSpec(CONFIGMAPS, shrink=without_annotations, label_selector="app", indexes=owner_index())
        informer = world.cache.declare(spec)
        told: list[PartialObject | None] = []
        informer.add_handler(lambda event: told.append(event.new))
        await world.cache.start()
        await world.cache.wait_synced(10)

        def check() -> None:
            assert (informer.raw(small), informer.object(small)) == (None, None)
            assert (informer.object(whole) or {})["metadata"]["annotations"] == {"a": "b"}
            obj = informer.get(small)
            assert obj is not None
            assert (obj.kind, obj.metadata.annotations) == ("ConfigMap", {})
            assert len(informer.list()) == 2

        check()
        assert {obj.metadata.name: obj.metadata.annotations for obj in told if obj} == {
            "small": {},
            "whole": {"a": "b"},
        }
        for client, value in ((world.client, "2"), (world.stranger, "3")):
            await client.patch(CONFIGMAPS, small, Patch(PatchType.MERGE, {"data": {"n": value}}))
            await world.clock.sleep(1)
            check()
        relabelled = Patch(PatchType.MERGE, {"metadata": {"labels": {"app": "big"}}})
        await world.client.patch(CONFIGMAPS, small, relabelled)
        assert (informer.object(small) or {})["data"] == {"n": "3"}, "it is kept whole again"
        await world.client.patch(CONFIGMAPS, whole, Patch(PatchType.MERGE, {"metadata": {"labels": {"app": "small"}}}))
        assert informer.raw(whole) is None
        await world.client.delete(CONFIGMAPS, whole)
        assert informer.get(whole) is None

    in_a_world(body)


def test_a_watch_may_keep_projections_only() -> None:
    async def body(world: World) -> None:
        informer = world.cache.declare(WatchSpec(CONFIGMAPS, shrink=projection_only))
        await world.cache.start()
        await world.cache.wait_synced(10)
        await world.client.create(CONFIGMAPS, config_map(n="1"))
        obj = informer.get(KEY)
        assert obj is not None
        assert obj.metadata.labels == {"app": "a"}
        assert informer.object(KEY) is None

    in_a_world(body)


def test_the_namespaces_of_a_cache_are_those_of_its_watches() -> None:
    async def body(world: World) -> None:
        world.cache.namespaces = ("default",)
        for namespace in ("default", "other"):
            if namespace != "default":
                await world.stranger.create(NAMESPACES, {"metadata": {"name": namespace}})
            await world.stranger.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": namespace}})
        informer = world.cache.declare(WatchSpec(CONFIGMAPS))
        other = world.cache.declare(WatchSpec(CONFIGMAPS, namespaces=("other",), name="other"))
        nodes = world.cache.declare(WatchSpec(NODES))
        assert world.cache.declare(WatchSpec(CONFIGMAPS)) is informer
        await world.cache.start()
        await world.cache.wait_synced(10)
        assert [obj.key for obj in informer.list()] == [KEY]
        assert [obj.metadata.namespace for obj in other.list()] == ["other"]
        assert nodes.spec.namespaces == ()

    in_a_world(body)


def test_a_watch_may_leave_out_some_of_the_namespaces_of_its_cache() -> None:
    async def body(world: World) -> None:
        world.cache.namespaces = ("default", "other")
        pods = world.cache.declare(WatchSpec(PODS, except_namespaces=("other", "third")))
        assert pods.spec.namespaces == ("default",)
        assert pods.spec.server_fields == ""
        assert world.cache.declare(WatchSpec(PODS, except_namespaces=("other", "third"))) is pods
        with pytest.raises(ValueError, match="leaves out every namespace of the cache"):
            world.cache.declare(WatchSpec(SECRETS, except_namespaces=("default", "other")))

    in_a_world(body)


def test_all_namespaces_but_some_in_one_watch() -> None:
    async def body(world: World) -> None:
        for namespace in ("kept", "left"):
            await world.stranger.create(NAMESPACES, {"metadata": {"name": namespace}})
        informer = world.cache.declare(WatchSpec(CONFIGMAPS, except_namespaces=("left",), name="most"))
        await world.cache.start()
        await world.cache.wait_synced(10)
        for namespace in ("kept", "left"):
            for client, name in ((world.client, "own"), (world.stranger, "other")):
                await client.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": namespace}})
        await world.clock.sleep(1)
        shown = {str(obj.key) for obj in informer.list() if obj.metadata.name in ("own", "other")}
        assert shown == {"kept/own", "kept/other"}

    in_a_world(body)


def test_a_watch_that_ends_by_a_bug_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_self: object) -> None:
        raise RuntimeError("a bug")

    async def body(world: World) -> None:
        world.cache.declare(WatchSpec(CONFIGMAPS))
        monkeypatch.setattr("kdl_runtime.cache.informer.Informer.run", broken)
        with structlog.testing.capture_logs() as logs:
            await world.cache.start()
            await world.clock.sleep(1)
        assert [(entry["event"], entry["watch"]) for entry in logs] == [("watch has ended", "configmaps")]
        with pytest.raises(NotSyncedError, match="configmaps has ended"):
            world.cache.check_alive()

    in_a_world(body)


def test_own_writes_are_in_the_cache_when_they_return() -> None:
    async def body(world: World) -> None:
        informer = world.cache.declare(WatchSpec(CONFIGMAPS))
        await world.cache.start()
        await world.cache.wait_synced(10)
        await world.client.create(CONFIGMAPS, config_map(n="1"))
        assert (informer.object(KEY) or {})["data"] == {"n": "1"}
        await world.client.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"n": "2"}}))
        assert (informer.object(KEY) or {})["data"] == {"n": "2"}
        await world.client.delete(CONFIGMAPS, KEY)
        assert informer.object(KEY) is None
        await world.clock.sleep(60)
        assert informer.object(KEY) is None

    in_a_world(body)


def test_what_others_write_arrives() -> None:
    async def body(world: World) -> None:
        await world.stranger.create(CONFIGMAPS, config_map(n="1"))
        informer = world.cache.declare(WatchSpec(CONFIGMAPS, label_selector="app=a"))
        await world.cache.start()
        await world.cache.wait_synced(10)
        assert informer.get(KEY) is not None
        await world.stranger.create(CONFIGMAPS, config_map("b"))
        await world.stranger.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"n": "2"}}))
        await world.clock.sleep(1)
        assert [obj.metadata.name for obj in informer.list()] == ["a"]
        assert (informer.object(KEY) or {})["data"] == {"n": "2"}
        await world.stranger.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"metadata": {"labels": {"app": "x"}}}))
        await world.clock.sleep(1)
        assert informer.list() == []

    in_a_world(body)


def test_a_cut_connection_is_made_up_for() -> None:
    async def body(world: World) -> None:
        await world.stranger.create(CONFIGMAPS, config_map(n="1"))
        informer = world.cache.declare(WatchSpec(CONFIGMAPS))
        await world.cache.start()
        await world.cache.wait_synced(10)
        world.transport.sever()
        await world.clock.sleep(1)
        await world.stranger.patch(CONFIGMAPS, KEY, Patch(PatchType.MERGE, {"data": {"n": "2"}}))
        await world.clock.sleep(60)
        assert (informer.object(KEY) or {})["data"] == {"n": "1"}
        assert "cut" in informer.trouble
        world.cache.check_alive()
        world.transport.heal()
        await world.clock.sleep(60)
        assert (informer.object(KEY) or {})["data"] == {"n": "2"}
        assert informer.trouble == ""

    in_a_world(body)


def test_a_watch_declared_after_the_start_begins_at_once() -> None:
    async def body(world: World) -> None:
        await world.cache.start()
        await world.stranger.create(CONFIGMAPS, config_map())
        informer = world.cache.declare(WatchSpec(CONFIGMAPS))
        await informer.wait_synced()
        assert informer.get(KEY) is not None

    in_a_world(body)


def test_a_start_that_waits_too_long_says_for_what_and_why() -> None:
    async def body(world: World) -> None:
        world.cache.declare(WatchSpec(CONFIGMAPS))
        world.cache.declare(WatchSpec(UNSERVED))
        await world.cache.start()
        with pytest.raises(NotSyncedError, match=r"after 30 s .* ghosts\.example\.com \(NotFound: "):
            await world.cache.wait_synced(30)

    in_a_world(body)


def test_a_watch_that_was_lost_is_no_longer_alive() -> None:
    async def body(world: World) -> None:
        world.cache.declare(WatchSpec(CONFIGMAPS))
        await world.cache.start()
        await world.cache.wait_synced(10)
        world.cache.check_alive()
        task = next(iter(world.cache._tasks.values()))
        task.cancel()
        await world.clock.sleep(1)
        with pytest.raises(NotSyncedError, match="the watch configmaps on configmaps has ended"):
            world.cache.check_alive()

    in_a_world(body)


def test_only_what_was_declared_can_be_read() -> None:
    async def body(world: World) -> None:
        first = world.cache.declare(WatchSpec(PODS, label_selector="a=b", name="ours"))
        assert world.cache.declare(WatchSpec(PODS, label_selector="a=b", name="ours")) is first
        assert world.cache.informer(PODS) is first
        second = world.cache.declare(WatchSpec(PODS, label_selector="a=c", name="theirs"))
        assert world.cache.informer(PODS, "theirs") is second
        with pytest.raises(NotDeclaredError, match="pods is watched as ours, theirs: name one of these"):
            world.cache.informer(PODS)
        with pytest.raises(NotDeclaredError, match=r"no watch on secrets .* cache.declare\(WatchSpec"):
            world.cache.informer(SECRETS)
        with pytest.raises(ValueError, match="pods is watched as 'ours' already"):
            world.cache.declare(WatchSpec(PODS, label_selector="a=d", name="ours"))
        with pytest.raises(ValueError, match="already"):
            world.cache.declare(WatchSpec(PODS, indexes=owner_index(), name="ours"))

    in_a_world(body)


def test_ten_thousand_objects_cost_little() -> None:
    import time

    from kdl_runtime.cache.collection import WatchEnvironment
    from kdl_runtime.cache.informer import Informer
    from kdl_runtime.codec.json import encode
    from kdl_runtime.observe.metrics import Metrics

    async def body(world: World) -> None:
        metrics = Metrics().for_watch("pods", "pods")
        environment = WatchEnvironment(world.clock, random.Random(1), metrics)
        informer = Informer(WatchSpec(PODS, indexes=owner_index()), world.client, environment)
        raws = [
            encode(
                {
                    "metadata": {
                        "name": f"pod-{number}",
                        "namespace": f"ns-{number % 50}",
                        "uid": f"uid-{number}",
                        "resourceVersion": str(number + 1),
                        "labels": {f"label-{label}": "value" for label in range(8)},
                        "ownerReferences": [{"kind": "Job", "uid": f"job-{number // 3}", "controller": True}],
                    },
                    "spec": {"containers": [{"name": "main", "env": [{"name": "X", "value": "y" * 100}] * 30}]},
                }
            )
            for number in range(10_000)
        ]
        before = time.process_time()
        items = []
        for raw in raws:
            item = informer._decoder.decode(raw)
            assert item is not None
            items.append(item)
        await informer._replace(items, {}, "10001", "")
        seconds = time.process_time() - before
        assert len(informer) == 10_000
        assert len(informer.by_index("owner", "job-7")) == 3
        assert seconds < 2.0, f"{seconds:.2f} s of CPU for 10,000 objects"

    in_a_world(body)
