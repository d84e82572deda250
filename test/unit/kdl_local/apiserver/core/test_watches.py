import asyncio
import random
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from kdl_local.apiserver import storage
from kdl_local.apiserver.server import ApiServer, ServerOptions
from kdl_runtime.codec.json import encode
from kdl_runtime.types import Resource
from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, WIDGETS, Api, StillClock, config_map, widget, widget_crd

STREAMING = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


def _names(events: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(type_, obj["metadata"].get("name", "")) for type_, obj in events]


async def _take(api: Api, url: str, count: int) -> list[tuple[str, Any]]:
    """The first events of a watch, which is closed then."""
    found = []
    async with asyncio.timeout(5), aclosing(api.watch(url)) as events:
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def _revision(api: Api) -> str:
    return str((await api.ok("GET", CONFIG_MAPS))["metadata"]["resourceVersion"])


async def test_a_watch_is_a_stream_of_json_lines(api: Api) -> None:
    response = await api.response("GET", f"{CONFIG_MAPS}?watch=1")
    assert (response.status, response.content_type) == (200, "application/json")
    assert not isinstance(response.body, bytes)
    await response.body.aclose()


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_watch_without_a_version_begins_with_what_is_there(api: Api, version: str) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    await api.ok("POST", CONFIG_MAPS, config_map("b"))
    events = await _take(api, f"{CONFIG_MAPS}?watch=1&resourceVersion={version}", 2)
    assert _names(events) == [("ADDED", "a"), ("ADDED", "b")]
    assert events[0][1]["kind"] == "ConfigMap"


async def test_a_watch_resumes_where_the_client_was(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    revision = await _revision(api)
    await api.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a", x="1"))
    await api.ok("POST", CONFIG_MAPS, config_map("b"))
    deleted = await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    events = await _take(api, f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}", 3)
    assert _names(events) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in events]
    assert versions == sorted(set(versions)), "a deletion has a revision of its own"
    assert events[2][1]["metadata"]["uid"] == deleted["details"]["uid"]


async def test_changes_arrive_as_they_happen_and_other_types_do_not(widgets: Api) -> None:
    received: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def follow() -> None:
        async with aclosing(widgets.watch(f"{CONFIG_MAPS}?watch=1")) as events:
            async for event in events:
                received.put_nowait(event)

    task = asyncio.create_task(follow())
    async with asyncio.timeout(5):
        await widgets.ok("POST", WIDGETS, widget("w"))
        await widgets.ok("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("elsewhere"))
        await widgets.ok("POST", CONFIG_MAPS, config_map("a"))
        assert _names([await received.get()]) == [("ADDED", "a")]
        await widgets.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a", x="1"))
        await widgets.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a", x="1"))
        await widgets.ok("DELETE", f"{CONFIG_MAPS}/a")
        assert _names([await received.get(), await received.get()]) == [("MODIFIED", "a"), ("DELETED", "a")]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_watch_ends_at_its_timeout_with_a_bookmark(api: Api) -> None:
    ((type_, bookmark),) = await api.events(f"{CONFIG_MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=1")
    assert type_ == "BOOKMARK"
    assert bookmark["kind"] == "ConfigMap"
    assert bookmark["metadata"]["resourceVersion"] == await _revision(api)


async def test_without_bookmarks_a_watch_ends_in_silence(brief: Api) -> None:
    assert await brief.events(f"{CONFIG_MAPS}?watch=1") == []


async def test_bookmarks_follow_the_revision_of_the_whole_cluster(clock: StillClock) -> None:
    api = Api(ApiServer(clock, random.Random(1), ServerOptions(bookmark_interval=0.05)))
    async with asyncio.timeout(5), aclosing(api.watch(f"{CONFIG_MAPS}?watch=1&allowWatchBookmarks=1")) as events:
        first = await anext(events)
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
        second = await anext(events)
    assert first[0] == second[0] == "BOOKMARK"
    before, after = (int(obj["metadata"]["resourceVersion"]) for _, obj in (first, second))
    assert after > before


async def test_there_is_no_bookmark_before_the_version_that_a_watch_waits_for(clock: StillClock) -> None:
    api = Api(ApiServer(clock, random.Random(1), ServerOptions(bookmark_interval=0.01, watch_timeout=0.1)))
    future = int(await _revision(api)) + 1000
    events = api.watch(f"{CONFIG_MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={future}")
    async with asyncio.timeout(5):
        assert [event async for event in events] == []


async def test_a_server_can_start_with_a_snapshot(clock: StillClock, api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    snapshot = api.server.store.snapshot()
    other = Api(ApiServer(clock, random.Random(1), ServerOptions(snapshot=snapshot)))
    assert [item["metadata"]["name"] for item in (await other.ok("GET", CONFIG_MAPS))["items"]] == ["a"]
    assert await _revision(other) == await _revision(api)
    await other.ok("POST", CONFIG_MAPS, config_map("b"))
    assert len((await api.ok("GET", CONFIG_MAPS))["items"]) == 1


async def test_initial_events_end_with_a_marked_bookmark(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    events = await _take(api, f"{CONFIG_MAPS}?{STREAMING}", 2)
    assert _names(events) == [("ADDED", "a"), ("BOOKMARK", "")]
    meta = events[1][1]["metadata"]
    assert meta["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert meta["resourceVersion"] == await _revision(api)


@pytest.mark.parametrize("query", ["watch=1&sendInitialEvents=true", "watch=1&resourceVersionMatch=NotOlderThan"])
async def test_initial_events_are_asked_for_in_full(api: Api, query: str) -> None:
    answer = await api("GET", f"{CONFIG_MAPS}?{query}")
    assert (answer.code, answer.object["reason"]) == (422, "Invalid")
    assert "sendInitialEvents" in answer.message


async def test_selectors_turn_transitions_into_comings_and_goings(api: Api) -> None:
    revision = await _revision(api)
    for color in ("red", "blue", "blue", "red", "red"):
        body = config_map("a", {"color": color}, step=str(await _revision(api)))
        method, url = (
            ("PUT", f"{CONFIG_MAPS}/a") if (await api("GET", f"{CONFIG_MAPS}/a")).code == 200 else ("POST", CONFIG_MAPS)
        )
        await api.ok(method, url, body)
    await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    url = f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}&labelSelector=color%3Dred"
    events = await _take(api, url, 5)
    assert [type_ for type_, _ in events] == ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    left = events[1][1]
    assert left["metadata"]["labels"] == {"color": "red"}, "the last state that matched"
    assert int(left["metadata"]["resourceVersion"]) > int(events[0][1]["metadata"]["resourceVersion"])


async def test_one_object_can_be_watched(brief: Api) -> None:
    await brief.ok("POST", CONFIG_MAPS, config_map("a"))
    await brief.ok("POST", CONFIG_MAPS, config_map("b"))
    by_field = await brief.events(f"{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Db")
    assert _names(by_field) == [("ADDED", "b")]


async def test_a_version_that_is_too_old_expires(forgetful: Api) -> None:
    revision = await _revision(forgetful)
    await forgetful.ok("POST", CONFIG_MAPS, config_map("a"))
    ((type_, status),) = await forgetful.events(f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}")
    assert (type_, status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {revision} (")
    latest = await _revision(forgetful)
    assert await forgetful.events(f"{CONFIG_MAPS}?watch=1&resourceVersion={latest}") == []


async def test_what_another_server_gave_out_expires(clock: StillClock) -> None:
    before = Api(ApiServer(clock, random.Random(1)))
    old = await _revision(before)
    clock.moment += timedelta(seconds=1)
    after = Api(ApiServer(clock, random.Random(1)))
    ((type_, status),) = await after.events(f"{CONFIG_MAPS}?watch=1&resourceVersion={old}")
    assert (type_, status["reason"]) == ("ERROR", "Expired")


async def test_a_version_that_is_yet_to_come_is_waited_for(api: Api) -> None:
    revision = int(await _revision(api)) + 2
    async with asyncio.timeout(5), aclosing(api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}")) as events:
        first = asyncio.ensure_future(anext(events))
        for name in ("a", "b", "c"):
            await api.ok("POST", CONFIG_MAPS, config_map(name))
        type_, obj = await first
    assert (type_, obj["metadata"]["name"]) == ("ADDED", "c")


async def test_compaction_expires_resumed_watches_and_spares_running_ones(api: Api) -> None:
    revision = await _revision(api)
    async with asyncio.timeout(5), aclosing(api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}")) as events:
        await api.ok("POST", CONFIG_MAPS, config_map("a"))
        assert _names([await anext(events)]) == [("ADDED", "a")]
        api.server.store.compact()
        await api.ok("POST", CONFIG_MAPS, config_map("b"))
        assert _names([await anext(events)]) == [("ADDED", "b")]
    ((type_, _),) = await api.events(f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}")
    assert type_ == "ERROR"


async def test_a_slow_watcher_is_told_to_list_again(forgetful: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "SLOW_WATCH_BOUND", 4)
    api = Api(ApiServer(StillClock(), random.Random(1), ServerOptions(history_size=0)))
    async with asyncio.timeout(5), aclosing(api.watch(f"{CONFIG_MAPS}?watch=1")) as events:
        await api.ok("POST", CONFIG_MAPS, config_map("a"))
        assert _names([await anext(events)]) == [("ADDED", "a")]
        for number in range(20):
            await api.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a", x=str(number)))
        type_, status = await anext(events)
        assert (type_, status["reason"]) == ("ERROR", "Expired")
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_a_closed_watch_listens_no_more(api: Api) -> None:
    history = api.server.store.collection(Resource("", "v1", "ConfigMap", "configmaps")).history
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    async with aclosing(api.watch(f"{CONFIG_MAPS}?watch=1")) as events:
        await anext(events)
        assert history.watchers == 1
    assert history.watchers == 0


@pytest.mark.parametrize(("shape", "kind"), [("Table", "Table"), ("PartialObjectMetadata", "PartialObjectMetadata")])
async def test_the_form_of_events(brief: Api, shape: str, kind: str) -> None:
    await brief.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widget_crd())
    await brief.ok("POST", WIDGETS, widget("a", color="red"))
    await brief.ok("POST", WIDGETS, widget("b", color="blue"))
    accept = f"application/json;as={shape};v=v1;g=meta.k8s.io"
    url = f"{WIDGETS}?watch=1&allowWatchBookmarks=1"
    events = await brief.events(url, accept=accept)
    assert [(type_, obj["kind"]) for type_, obj in events] == [("ADDED", kind), ("ADDED", kind), ("BOOKMARK", kind)]
    if shape == "Table":
        assert [row["cells"] for row in events[1][1]["rows"]] == [["b", "blue"]]
        assert events[0][1]["columnDefinitions"] and not events[1][1]["columnDefinitions"]
    else:
        assert "spec" not in events[0][1]


async def test_objects_are_encoded_once_for_everyone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Any] = []

    def counting(obj: Any) -> bytes:
        encoded.append(obj)
        return encode(obj)

    monkeypatch.setattr(storage, "encode", counting)
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    for _ in range(3):
        await api.ok("GET", f"{CONFIG_MAPS}/a")
        await api.ok("GET", CONFIG_MAPS)
        await _take(api, f"{CONFIG_MAPS}?watch=1", 1)
    assert len(encoded) == 1
