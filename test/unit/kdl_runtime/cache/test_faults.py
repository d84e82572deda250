"""What goes wrong between the API server and the cache: in each case the cache equals the server in the end."""

import random
from collections.abc import Callable

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.collection import WatcherOptions
from kdl_runtime.client.client import Patch, PatchType
from kdl_runtime.codec.json import decode, encode
from kdl_runtime.errors import ApiError, KdlError, NotSyncedError
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.transport.http import HttpRequest, HttpResponse
from kdl_runtime.types import ObjectKey
from unit.kdl_runtime.cache.faulty_world import LISTED, STREAMED, World, both, config_map, in_a_world


def every(number: int, change: Callable[[bytes], list[bytes]]) -> Callable[[bytes], list[bytes]]:
    """Change every so many-th line."""
    count = 0

    def one(line: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        return change(line) if count % number == 0 else [line]

    return one


def repeated(number: int, after: int) -> Callable[[bytes], list[bytes]]:
    """Every so many-th line comes again, ``after`` lines later."""
    past: list[bytes] = []
    count = 0

    def one(line: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        past.append(line)
        return [line, past[-1 - after]] if count % number == 0 and len(past) > after else [line]

    return one


@both
@pytest.mark.parametrize("after", [0, 1, 7])
def test_events_that_come_twice(options: WatcherOptions, after: int) -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.change = repeated(5, after)
        await world.write(30)
        world.transport.change = lambda line: [line]
        await world.equal(180)

    in_a_world(options, body)


@both
def test_a_watch_with_gaps_ends_with_the_next_list(options: WatcherOptions) -> None:
    """A gap in the middle of a stream cannot be seen; what can is the garbage in which it ends."""

    async def body(world: World) -> None:
        await world.start()
        world.transport.change = lambda line: [] if b'"MODIFIED"' in line or b'"DELETED"' in line else [line]
        await world.write(12)
        world.transport.change = lambda line: [b"not an event\n"]
        await world.write(1, "x")
        await world.clock.sleep(600)
        world.transport.change = lambda line: [line]
        await world.equal(180)

    in_a_world(options, body)


@both
def test_bookmarks_that_come_late_and_twice(options: WatcherOptions) -> None:
    def bookmark(version: int) -> bytes:
        return encode({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}) + b"\n"

    async def body(world: World) -> None:
        await world.start()
        world.transport.change = lambda line: [bookmark(2), line, bookmark(1), bookmark(1)]
        await world.write(10)
        versions = [watcher.resource_version for watcher in world.informer._watchers.values()]
        assert int(versions[0]) > 2
        world.direct.sever()
        world.direct.heal()
        await world.write(10, "later")
        await world.equal()

    in_a_world(options, body)


@both
@pytest.mark.parametrize("writes", [0, 3])
def test_data_that_were_restored_from_a_backup(options: WatcherOptions, writes: int) -> None:
    async def body(world: World) -> None:
        await world.write(20)
        await world.start()
        # Pins and tombstones of own writes, at versions that the restored server has yet to reach.
        await world.client.create(CONFIGMAPS, config_map("own"))
        await world.client.delete(CONFIGMAPS, ObjectKey("default", "m1"))
        world.front.server = ApiServer(world.clock, random.Random(2))
        for number in range(5):
            await world.stranger.create(CONFIGMAPS, config_map(f"m{number}"))
        world.direct.sever()
        world.direct.heal()
        for number in range(writes):
            await world.client.create(CONFIGMAPS, config_map(f"after{number}"))
        await world.equal(1800)
        assert "m1" in world.shown()
        await world.client.create(CONFIGMAPS, config_map("now"))
        assert "now" in world.shown()
        await world.client.delete(CONFIGMAPS, ObjectKey("default", "now"))
        assert "now" not in world.shown()
        await world.equal()

    in_a_world(options, body)


@both
def test_a_write_that_a_restore_has_lost_is_taken_back(options: WatcherOptions) -> None:
    """Nothing else changes: the watch has nothing to tell, and goes on as if all were well."""

    async def body(world: World) -> None:
        await world.stranger.create(CONFIGMAPS, config_map("a"))
        await world.start()
        store = world.front.server.store
        snapshot, known = store.snapshot(), world.shown()
        world.direct.sever()
        store.revision += 100
        world.transport.change = lambda _line: []
        world.direct.heal()
        await world.client.patch(CONFIGMAPS, ObjectKey("default", "a"), Patch(PatchType.MERGE, {"data": {"n": "9"}}))
        assert world.shown() != known
        store.restore(snapshot)
        world.transport.change = lambda line: [line]
        await world.equal(1800)
        assert world.shown() == known

    in_a_world(options, body)


def test_an_old_state_behind_newer_versions_is_shown() -> None:
    """``etcdutl snapshot restore --bump-revision`` restores old objects, and the server goes on at high versions."""

    async def body(world: World) -> None:
        await world.stranger.create(CONFIGMAPS, config_map("a"))
        await world.stranger.create(CONFIGMAPS, config_map("b"))
        backup = {obj["metadata"]["name"]: obj for obj in await world.stranger.list(CONFIGMAPS)}
        await world.start()
        await world.client.patch(CONFIGMAPS, ObjectKey("default", "a"), Patch(PatchType.MERGE, {"data": {"n": "9"}}))
        await world.stranger.delete(CONFIGMAPS, ObjectKey("default", "b"))
        await world.clock.sleep(1)
        assert set(world.shown()) == {"a"}
        bumped = encode({"metadata": {"resourceVersion": str(10**15)}, "items": [*backup.values()]})
        world.transport.fail_list = lambda _: HttpResponse(200, {}, bumped)
        compacted = encode({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}) + b"\n"
        world.transport.change = lambda line: [compacted]
        await world.stranger.create(CONFIGMAPS, config_map("c"))
        await world.clock.sleep(30)
        assert world.shown() == {name: obj["metadata"]["resourceVersion"] for name, obj in backup.items()}
        assert world.transport.lists < 20, "lists that help nothing are not asked for in a storm"

    in_a_world(LISTED, body)


def test_pages_that_expire_in_the_middle() -> None:
    async def body(world: World) -> None:
        await world.write(20)
        gone = encode({"kind": "Status", "code": 410, "reason": "Expired", "message": "the token is too old"})
        left = 3

        def fail(request: HttpRequest) -> HttpResponse | None:
            nonlocal left
            if left and any(name == "continue" for name, _ in request.query):
                left -= 1
                return HttpResponse(410, {}, gone)
            return None

        world.transport.fail_list = fail
        await world.start()
        await world.equal()

    in_a_world(LISTED, body)


def test_a_server_that_accepts_streamed_lists_and_never_ends_them() -> None:
    async def body(world: World) -> None:
        await world.write(10)
        world.transport.change = lambda line: [] if b"initial-events-end" in line else [line]
        await world.start()
        assert world.transport.lists > 0
        await world.write(10, "later")
        await world.equal()

    in_a_world(STREAMED, body)


@both
def test_a_server_that_pauses_for_long(options: WatcherOptions) -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.open.clear()
        world.direct.sever()
        world.direct.heal()
        await world.write(10)
        await world.clock.sleep(7200)
        world.cache.check_alive()
        with pytest.raises(NotSyncedError, match="the watch on configmaps is lost for"):
            world.cache.check_ready()
        world.transport.open.set()
        await world.equal(120)
        world.cache.check_ready()

    in_a_world(options, body)


@both
def test_an_object_that_cannot_be_decoded_hides_no_other(options: WatcherOptions) -> None:
    def spoil(line: bytes) -> list[bytes]:
        event = decode(line)
        if event["type"] != "BOOKMARK" and event["object"]["metadata"]["name"] == "m1":
            event["object"]["metadata"]["labels"] = 7
        return [encode(event) + b"\n"]

    async def body(world: World) -> None:
        await world.start()
        world.transport.change = spoil
        await world.write(5)
        await world.clock.sleep(1)
        assert set(world.shown()) == {"m2", "m4"}
        world.transport.change = lambda line: [line]
        await world.stranger.patch(CONFIGMAPS, ObjectKey("default", "m1"), Patch(PatchType.MERGE, {"data": {"n": "2"}}))
        await world.equal()

    in_a_world(options, body)


@pytest.mark.parametrize("seed", range(12))
def test_faults_of_all_kinds_at_once(seed: int) -> None:
    """Lines lost before a break, repeated and late ones, breaks, refusals, and own writes in between."""

    async def body(world: World) -> None:
        rng = random.Random(seed)
        await world.start()
        late: list[bytes] = []

        def change(line: bytes) -> list[bytes]:
            chance = rng.random()
            late.append(line)
            if chance < 0.05:
                return [line, line]
            if chance < 0.1:
                return [line, rng.choice(late)]
            if chance < 0.13:
                return [b"{broken\n"]
            return [line]

        world.transport.change = change
        for number in range(60):
            if rng.random() < 0.1:
                world.direct.sever()
                await world.clock.sleep(rng.random() * 5)
                world.direct.heal()
            key = ObjectKey("default", f"m{rng.randrange(12)}")
            client = world.client if rng.random() < 0.5 else world.stranger
            try:
                await (
                    client.delete(CONFIGMAPS, key)
                    if rng.random() < 0.3
                    else client.create(CONFIGMAPS, config_map(key.name))
                    if rng.random() < 0.5
                    else client.patch(CONFIGMAPS, key, Patch(PatchType.MERGE, {"data": {"n": str(number)}}))
                )
            except ApiError:
                pass
            except KdlError:
                pytest.fail("the writer's connection is whole")
            await world.clock.sleep(rng.random())
        world.transport.change = lambda line: [line]
        await world.equal(300)

    in_a_world(STREAMED if seed % 2 else LISTED, body)
