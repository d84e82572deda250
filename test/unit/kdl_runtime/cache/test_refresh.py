"""What a process that takes over does before it acts: it makes sure that its cache is not of the past."""

from kdl_runtime.resources.registry import CONFIGMAPS
from unit.kdl_runtime.cache.faulty_world import STREAMED, World, config_map, in_a_world


def test_a_refresh_finds_what_a_broken_watch_has_not_told() -> None:
    async def body(world: World) -> None:
        await world.start()
        world.transport.change = lambda _line: []
        await world.write(1, "missed")
        await world.stranger.create(CONFIGMAPS, config_map("kept"))
        await world.clock.sleep(5)
        assert world.shown() == {}
        world.transport.change = lambda line: [line]
        await world.clock.sleep(5)
        assert world.shown() == {}, "the watch goes on behind what it has lost"
        lists, began = world.transport.lists, world.clock.monotonic()
        await world.cache.refresh()
        assert world.shown() == await world.served() != {}
        assert world.transport.lists == lists, "nothing is listed again"
        assert world.clock.monotonic() - began < 1

    in_a_world(STREAMED, body)


def test_a_refresh_does_not_wait_for_ever() -> None:
    async def body(world: World) -> None:
        await world.start()
        await world.clock.sleep(1)
        world.transport.open.clear()
        began = world.clock.monotonic()
        await world.cache.refresh()
        assert 5 <= world.clock.monotonic() - began < 6
        world.transport.open.set()
        await world.write(3)
        await world.equal()

    in_a_world(STREAMED, body)


def test_a_refresh_before_the_first_list_waits_for_nothing() -> None:
    async def body(world: World) -> None:
        world.transport.open.clear()
        await world.cache.start()
        began = world.clock.monotonic()
        await world.cache.refresh()
        assert world.clock.monotonic() - began < 1
        world.transport.open.set()
        await world.write(3)
        await world.equal()

    in_a_world(STREAMED, body)
