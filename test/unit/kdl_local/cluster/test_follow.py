import random
from contextlib import aclosing
from typing import Any

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_local.follow import Change, follow
from kdl_local.recorder import Recorder
from kdl_local.resources import CONFIG_MAPS, EVENTS
from kdl_runtime.clock import SystemClock


@pytest.fixture
def server() -> ApiServer:
    return ApiServer(SystemClock(), random.Random(1))


def put(server: ApiServer, name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return server.direct.create(CONFIG_MAPS, {"metadata": metadata, "data": data})


def change(server: ApiServer, name: str, **data: str) -> None:
    server.direct.patch(CONFIG_MAPS, "default", name, {"data": data})


def remove(server: ApiServer, name: str) -> None:
    server.direct.delete(CONFIG_MAPS, "default", name)


def told(item: Change) -> tuple[str, object, object]:
    old, new = ((state or {}).get("data") if state is not None else None for state in (item.old, item.new))
    return item.key.name, old, new


async def test_everything_that_is_there_then_every_change(server: ApiServer) -> None:
    put(server, "a", v="1")
    async with aclosing(follow(server.direct, CONFIG_MAPS)) as changes:
        assert told(await anext(changes)) == ("a", None, {"v": "1"})
        put(server, "b", v="1")
        change(server, "a", v="2")
        remove(server, "b")
        assert [told(await anext(changes)) for _ in range(3)] == [
            ("b", None, {"v": "1"}),
            ("a", {"v": "1"}, {"v": "2"}),
            ("b", {"v": "1"}, None),
        ]


async def test_a_reader_that_fell_behind_ends_with_the_truth(server: ApiServer) -> None:
    for name in ("gone", "changed", "same", "replaced"):
        put(server, name, v="1")
    async with aclosing(follow(server.direct, CONFIG_MAPS)) as changes:
        known = {(await anext(changes)).key.name for _ in range(4)}
        assert known == {"gone", "changed", "same", "replaced"}
        remove(server, "gone")
        remove(server, "replaced")
        put(server, "replaced", v="2")
        for number in range(25_000):
            change(server, "changed", v=str(number))
        put(server, "new", v="1")
        found = [told(await anext(changes)) for _ in range(5)]
    assert found[0] == ("gone", {"v": "1"}, None)
    assert sorted(found[1:], key=str) == [
        ("changed", {"v": "1"}, {"v": "24999"}),
        ("new", None, {"v": "1"}),
        ("replaced", None, {"v": "2"}),
        ("replaced", {"v": "1"}, None),
    ]


def events(server: ApiServer) -> list[tuple[str, int]]:
    return [(event["message"], event["count"]) for event in server.direct.list(EVENTS)]


def test_repeated_events_are_counted(server: ApiServer) -> None:
    recorder = Recorder(server.direct, SystemClock(), random.Random(1), "tester", "node-1")
    obj = put(server, "a")
    for message in ("one", "two", "one"):
        recorder.event(obj, "Warning", "Reason", message)
    assert sorted(events(server)) == [("one", 2), ("two", 1)]
    (event, *_) = server.direct.list(EVENTS)
    assert event["source"] == {"component": "tester", "host": "node-1"}
    assert event["involvedObject"]["uid"] == obj["metadata"]["uid"]


def test_an_event_that_somebody_deleted_is_written_anew(server: ApiServer) -> None:
    recorder = Recorder(server.direct, SystemClock(), random.Random(1), "tester")
    obj = put(server, "a")
    recorder.event(obj, "Normal", "Reason", "one")
    for event in server.direct.list(EVENTS):
        server.direct.delete(EVENTS, "default", event["metadata"]["name"])
    recorder.event(obj, "Normal", "Reason", "one")
    assert events(server) == [("one", 1)]
