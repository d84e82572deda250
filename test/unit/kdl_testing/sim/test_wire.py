import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from kdl_local.apiserver.request import Request
from kdl_runtime.errors import ApiError, BadRequest, Expired, Timeout
from kdl_testing.sim.wire import Trouble, Wire, WireFault
from kdl_testing.virtual_time import run

EVENT, BOOKMARK = b'{"type":"ADDED"}\n', b'{"type":"BOOKMARK","object":1}\n'
END = b'{"type":"BOOKMARK","object":{"k8s.io/initial-events-end":"true"}}\n'


async def lines(*chunks: bytes, pause: float = 1.0) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        await asyncio.sleep(pause)
        yield chunk


async def received(wire: Wire, *chunks: bytes, user: str = "a") -> list[tuple[float, bytes]]:
    loop = asyncio.get_running_loop()
    return [(loop.time(), chunk) async for chunk in wire.carry(user, lines(*chunks))]


def carried(kind: WireFault, *chunks: bytes, amount: float = 0.0) -> list[tuple[float, bytes]]:
    wire = Wire()
    wire.begin(Trouble(kind, "a", amount))
    return run(received(wire, *chunks))


def get(user: str = "a", **query: str) -> Request:
    return Request("GET", "/api/v1/pods", {name: [value] for name, value in query.items()}, user=user)


def test_a_wire_without_troubles_changes_nothing() -> None:
    assert run(received(Wire(), EVENT, BOOKMARK)) == [(1.0, EVENT), (2.0, BOOKMARK)]
    request = get(resourceVersion="0")
    assert Wire().altered(request) is request


def test_events_come_late_and_in_order() -> None:
    assert carried(WireFault.LAG, EVENT, BOOKMARK, amount=3.0) == [(4.0, EVENT), (8.0, BOOKMARK)]


def test_the_end_of_a_list_is_kept_back_and_nothing_else() -> None:
    assert carried(WireFault.NO_END_OF_LIST, EVENT + END, BOOKMARK) == [(1.0, EVENT), (2.0, BOOKMARK)]


def test_a_broken_line_is_the_last_of_its_chunk() -> None:
    ((_, chunk),) = carried(WireFault.GARBAGE, EVENT + EVENT)
    whole, broken, rest = chunk.split(b"\n")
    assert (whole + b"\n", rest) == (EVENT, b"")
    assert EVENT.startswith(broken)


def test_fragments_add_up() -> None:
    pieces = [chunk for _, chunk in carried(WireFault.FRAGMENTS, EVENT, BOOKMARK)]
    assert b"".join(pieces) == EVENT + BOOKMARK
    assert len(pieces) == 4


def test_bookmarks_are_doubled_and_held_back_but_events_keep_their_order() -> None:
    marks = [b'{"type":"BOOKMARK","object":%d}\n' % number for number in range(20)]
    events = [b'{"type":"ADDED","object":%d}\n' % number for number in range(20)]
    chunks = [chunk for pair in zip(marks, events, strict=True) for chunk in pair]
    found = b"".join(chunk for _, chunk in carried(WireFault.BOOKMARKS, *chunks)).splitlines(keepends=True)
    assert [line for line in found if line in events] == events
    assert {line for line in found if line in marks} == set(marks)
    assert len(found) > len(chunks)
    assert [line for line in found if line in marks] != sorted(line for line in found if line in marks)


def test_a_silent_watch_neither_speaks_nor_ends() -> None:
    async def main() -> list[bytes]:
        wire, found = Wire(), []
        trouble = Trouble(WireFault.SILENCE, "a")

        async def read(user: str) -> None:
            async for chunk in wire.carry(user, lines(EVENT, BOOKMARK)):
                found.append((user, chunk))

        open_, other = asyncio.ensure_future(read("a/election")), asyncio.ensure_future(read("ab"))
        await asyncio.sleep(1.5)
        wire.begin(trouble)
        wire.end(trouble)
        await asyncio.sleep(100)
        assert other.done()
        assert not open_.done()
        open_.cancel()
        return [chunk for user, chunk in found if user == "a/election"]

    assert run(main()) == [EVENT]


def test_a_pause_ends_for_everybody_at_once() -> None:
    async def main() -> list[float]:
        wire, loop, passed = Wire(), asyncio.get_running_loop(), []
        trouble = Trouble(WireFault.PAUSE)
        wire.begin(trouble)

        async def go() -> None:
            await wire.pass_on("x")
            passed.append(loop.time())

        waiting = [asyncio.ensure_future(go()) for _ in range(2)]
        await asyncio.sleep(7)
        wire.end(trouble)
        await asyncio.gather(*waiting, go())
        return passed

    assert run(main()) == [7.0, 7.0, 7.0]


def altered(kind: WireFault, request: Request, amount: float = 0.0) -> Request | ApiError:
    wire = Wire()
    wire.begin(Trouble(kind, "a", amount))
    return wire.altered(request)


@pytest.mark.parametrize(
    ("kind", "query", "error"),
    [
        (WireFault.EXPIRED_PAGES, {"continue": "token"}, Expired),
        (WireFault.EXPIRED_PAGES, {"resourceVersion": "12"}, Expired),
        (WireFault.NO_END_OF_LIST, {"watch": "1", "resourceVersion": "12"}, Expired),
        (WireFault.NO_STREAMED_LISTS, {"watch": "1", "sendInitialEvents": "true"}, BadRequest),
        (WireFault.STALE_LISTS, {"resourceVersion": "12"}, Timeout),
    ],
)
def test_requests_that_a_server_refuses(kind: WireFault, query: dict[str, str], error: type[ApiError]) -> None:
    assert isinstance(altered(kind, get(**query), 10), error)
    other = get("b", **query)
    assert altered(kind, other, 10) is other


def test_under_a_fault_of_lists_each_collection_is_listed_anew_once() -> None:
    wire = Wire()
    wire.begin(Trouble(WireFault.STALE_LISTS, "a", 10))
    resumed = [Request("GET", path, {"watch": ["1"], "resourceVersion": ["9"]}, user="a") for path in ("/x", "/y")]
    first, again = ([wire.altered(request) for request in resumed] for _ in range(2))
    assert [type(answer) for answer in first] == [Expired, Expired]
    assert again == resumed


def test_what_has_met_something_is_counted() -> None:
    wire = Wire()
    wire.begin(Trouble(WireFault.NO_STREAMED_LISTS, "a"))
    plain = Request("GET", "/x", {"watch": ["1"]}, user="a")
    assert wire.altered(plain) is plain
    assert wire.effects == {}
    assert isinstance(wire.altered(replace(plain, query={**plain.query, "sendInitialEvents": ["true"]})), BadRequest)
    assert wire.effects == {"no-streamed-lists": 1}


def test_stale_lists_are_of_the_version_that_was_known_then() -> None:
    found = altered(WireFault.STALE_LISTS, get(resourceVersion="0", limit="5", labelSelector="a=b"), 10)
    assert isinstance(found, Request)
    assert found.query == {"resourceVersion": ["10"], "resourceVersionMatch": ["Exact"], "labelSelector": ["a=b"]}
    for request in (get(), get(resourceVersion=""), get(watch="1", resourceVersion="0")):
        assert altered(WireFault.STALE_LISTS, request, 10) is request
