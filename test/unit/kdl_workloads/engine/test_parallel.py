"""Many requests at once."""

import asyncio

import pytest

from kdl_workloads.engine.parallel import MAX_IN_FLIGHT, in_parallel, slow_start


class Server:
    """Counts how many requests are under way, and refuses the ones that it is told to."""

    def __init__(self, refused: frozenset[int] = frozenset(), broken: frozenset[int] = frozenset()) -> None:
        self.refused, self.broken = refused, broken
        self.seen: list[int] = []
        self.ended: list[int] = []
        self.under_way = self.most = 0

    async def act(self, item: int) -> bool:
        self.seen.append(item)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        self.ended.append(item)
        if item in self.broken:
            raise ConnectionError(str(item))
        return item not in self.refused


@pytest.mark.parametrize(
    ("items", "refused", "seen"),
    [
        (0, frozenset(), 0),
        (1, frozenset(), 1),
        (10, frozenset(), 10),
        (1000, frozenset(), 1000),
        (1000, frozenset({0}), 1),
        (1000, frozenset({1}), 3),
        (1000, frozenset({2}), 3),
        (1000, frozenset({3}), 7),
        (5, frozenset({4}), 5),
    ],
)
async def test_a_slow_start_stops_after_the_batch_of_a_refusal(items: int, refused: frozenset[int], seen: int) -> None:
    server = Server(refused)
    done = await slow_start(range(items), server.act, bool)
    assert server.seen == list(range(seen))
    assert done == [(item, item not in refused) for item in range(seen)]
    assert server.most <= MAX_IN_FLIGHT


async def test_an_error_is_raised_after_its_batch_has_ended() -> None:
    server = Server(broken=frozenset({3}))
    with pytest.raises(ConnectionError, match="3"):
        await slow_start(range(100), server.act, bool)
    assert server.ended == list(range(7))


async def test_in_parallel_is_bounded() -> None:
    server = Server()
    assert len(await in_parallel(range(200), server.act)) == 200
    assert server.most == MAX_IN_FLIGHT
