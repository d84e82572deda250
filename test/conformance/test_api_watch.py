"""Watches: where they start, what they show, how they end."""

import pytest

from conformance.api import MERGE, PARTIAL, TABLE, Api, Object, config_map

MINE = "watched=yes"


def mine(name: str, **data: str) -> Object:
    return config_map(name, {"watched": "yes"}, **data)


async def relabel(api: Api, name: str, value: str | None) -> Object:
    patch = {"metadata": {"labels": {"watched": value}}}
    return await api.ok("PATCH", api.path("configmaps", name), patch, content_type=MERGE)


async def version(api: Api) -> str:
    return str((await api.ok("GET", api.path("configmaps")))["metadata"]["resourceVersion"])


async def test_a_watch_shows_what_happens(api: Api) -> None:
    start = await version(api)
    async with api.watch(api.path("configmaps"), resourceVersion=start, labelSelector=MINE) as events:
        assert events.headers["content-type"] == "application/json"
        assert events.headers["transfer-encoding"] == "chunked"
        made = await api.create("configmaps", mine("a"))
        assert await events.next() == ("ADDED", made)
        changed = await api.ok("PATCH", api.path("configmaps", "a"), {"data": {"x": "1"}}, content_type=MERGE)
        assert await events.next() == ("MODIFIED", changed)
        await api.ok("DELETE", api.path("configmaps", "a"))
        type_, last = await events.next()
    assert type_ == "DELETED"
    assert (last["kind"], last["data"]) == ("ConfigMap", {"x": "1"})
    assert last["metadata"]["uid"] == made["metadata"]["uid"]
    assert int(last["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


async def test_a_watch_goes_on_from_a_list(api: Api) -> None:
    await api.create("configmaps", mine("before"))
    start = await version(api)
    await api.create("configmaps", mine("after"))
    async with api.watch(api.path("configmaps"), resourceVersion=start, labelSelector=MINE) as events:
        assert await events.take(1) == [("ADDED", "after")]


async def test_a_watch_goes_on_from_an_object(api: Api) -> None:
    made = await api.create("configmaps", mine("a"))
    await api.create("configmaps", mine("b"))
    await api.ok("DELETE", api.path("configmaps", "a"))
    query = {"resourceVersion": made["metadata"]["resourceVersion"], "labelSelector": MINE}
    async with api.watch(api.path("configmaps"), **query) as events:
        assert await events.take(2) == [("ADDED", "b"), ("DELETED", "a")]


@pytest.mark.parametrize("start", ["", "0"])
async def test_a_watch_from_nowhere_begins_with_what_is_there(api: Api, start: str) -> None:
    await api.create("configmaps", mine("b"))
    await api.create("configmaps", mine("a"))
    query = {"resourceVersion": start} if start else {}
    async with api.watch(api.path("configmaps"), labelSelector=MINE, **query) as events:
        assert sorted(await events.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await api.ok("DELETE", api.path("configmaps", "a"))
        assert await events.take(1) == [("DELETED", "a")]


async def test_a_write_without_a_change_is_no_event(api: Api) -> None:
    made = await api.create("configmaps", mine("a"))
    start = made["metadata"]["resourceVersion"]
    async with api.watch(api.path("configmaps"), resourceVersion=start, labelSelector=MINE) as events:
        await api.ok("PUT", api.path("configmaps", "a"), made)
        await api.create("configmaps", mine("b"))
        assert await events.take(1) == [("ADDED", "b")]


async def test_a_watch_sees_only_its_namespace(api: Api) -> None:
    start = await version(api)
    async with api.watch(api.path("configmaps"), resourceVersion=start, labelSelector=MINE) as events:
        elsewhere = await api.ok("POST", "/api/v1/namespaces/default/configmaps", mine(f"x-{api.namespace}"))
        await api.create("configmaps", mine("here"))
        assert await events.take(1) == [("ADDED", "here")]
    await api.ok("DELETE", f"/api/v1/namespaces/default/configmaps/{elsewhere['metadata']['name']}")


async def test_objects_come_into_a_selection_and_leave_it(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1"))
    start = await version(api)
    async with api.watch(api.path("configmaps"), resourceVersion=start, labelSelector=MINE) as events:
        await relabel(api, "a", "yes")
        assert await events.take(1) == [("ADDED", "a")]
        left = await relabel(api, "a", "no")
        type_, last = await events.next()
        # The last state that was selected, at the revision at which it ceased to be.
        assert (type_, last["metadata"]["labels"]) == ("DELETED", {"watched": "yes"})
        assert last["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
        await relabel(api, "a", "yes")
        assert await events.take(1) == [("ADDED", "a")]
        await api.ok("DELETE", api.path("configmaps", "a"))
        assert await events.take(1) == [("DELETED", "a")]


async def test_what_is_not_selected_is_not_shown(api: Api) -> None:
    start = await version(api)
    async with api.watch(api.path("configmaps"), resourceVersion=start, labelSelector=MINE) as events:
        await api.create("configmaps", config_map("a"))
        await api.ok("DELETE", api.path("configmaps", "a"))
        await api.create("configmaps", mine("b"))
        assert await events.take(1) == [("ADDED", "b")]


async def test_a_watch_of_one_object(api: Api) -> None:
    start = await version(api)
    query = {"resourceVersion": start, "fieldSelector": "metadata.name=b"}
    async with api.watch(api.path("configmaps"), **query) as events:
        for name in ("a", "b"):
            await api.create("configmaps", mine(name))
        assert await events.take(1) == [("ADDED", "b")]


async def test_get_of_an_object_does_not_watch(api: Api) -> None:
    made = await api.create("configmaps", mine("a"))
    assert await api.ok("GET", api.path("configmaps", "a"), watch="true") == made


async def test_a_watch_of_all_namespaces(api: Api) -> None:
    start = await version(api)
    query = {"resourceVersion": start, "labelSelector": f"watched={api.namespace}"}
    async with api.watch("/api/v1/configmaps", **query) as events:
        made = await api.create("configmaps", config_map("a", {"watched": api.namespace}))
        assert await events.next() == ("ADDED", made)


async def test_the_client_sets_the_time(api: Api) -> None:
    start = await version(api)
    query = {"resourceVersion": start, "labelSelector": MINE, "timeoutSeconds": "1"}
    async with api.watch(api.path("configmaps"), **query) as events:
        await api.create("configmaps", mine("a"))
        assert [(type_, obj["metadata"]["name"]) for type_, obj in await events.rest()] == [("ADDED", "a")]


async def bookmarks_of_a_watch(api: Api, start: str) -> list[Object]:
    query = {"resourceVersion": start, "allowWatchBookmarks": "true", "timeoutSeconds": "5"}
    async with api.watch(api.path("configmaps"), **query) as events:
        return [obj for type_, obj in await events.rest() if type_ == "BOOKMARK"]


async def test_bookmarks_come_before_the_end(api: Api) -> None:
    made = await api.create("configmaps", mine("a"))
    start = made["metadata"]["resourceVersion"]
    bookmarks: list[Object] = []
    for _ in range(3):
        # They are due two seconds before the end; a server that the machine keeps waiting for so long has none.
        bookmarks = bookmarks or await bookmarks_of_a_watch(api, start)
    obj = bookmarks[0]
    assert (obj["kind"], obj["apiVersion"]) == ("ConfigMap", "v1")
    assert int(obj["metadata"]["resourceVersion"]) >= int(start)
    assert not obj["metadata"].get("name")
    assert "annotations" not in obj["metadata"]


@pytest.mark.parametrize("start", ["", "0", "now"])
async def test_initial_events_end_with_a_bookmark(api: Api, start: str) -> None:
    for name in ("a", "b"):
        await api.create("configmaps", mine(name))
    now = await version(api)
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "labelSelector": MINE,
        **({"resourceVersion": now if start == "now" else start} if start else {}),
    }
    async with api.watch(api.path("configmaps"), **query) as events:
        assert sorted(await events.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        type_, obj = await events.next()
        assert (type_, obj["kind"]) == ("BOOKMARK", "ConfigMap")
        assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(obj["metadata"]["resourceVersion"]) >= int(now)
        await api.create("configmaps", mine("c"))
        assert await events.take(1) == [("ADDED", "c")]


async def test_no_initial_events(api: Api) -> None:
    await api.create("configmaps", mine("a"))
    query = {
        "sendInitialEvents": "false",
        "resourceVersionMatch": "NotOlderThan",
        "resourceVersion": await version(api),
        "labelSelector": MINE,
    }
    async with api.watch(api.path("configmaps"), **query) as events:
        await api.create("configmaps", mine("b"))
        assert await events.take(1) == [("ADDED", "b")]


@pytest.mark.parametrize(
    "query",
    [
        {"sendInitialEvents": "true"},
        {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
        {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "1"},
    ],
)
async def test_bad_options(api: Api, query: dict[str, str]) -> None:
    answer = await api.refused(422, "Invalid", "GET", api.path("configmaps"), watch="true", **query)
    assert answer.message.startswith('ListOptions.meta.k8s.io "" is invalid: ')
    assert "resourceVersionMatch" in [field for field, _ in answer.causes]


async def test_a_version_that_is_yet_to_come_is_waited_for(api: Api) -> None:
    start = int(await version(api))
    query = {"resourceVersion": str(start + 1_000_000), "labelSelector": MINE, "timeoutSeconds": "1"}
    async with api.watch(api.path("configmaps"), **query) as events:
        await api.create("configmaps", mine("a"))
        assert await events.rest() == []


async def test_an_unknown_field_selector(api: Api) -> None:
    query = {"watch": "true", "fieldSelector": "data.x=1"}
    await api.refused(400, "BadRequest", "GET", api.path("configmaps"), **query)


async def test_a_watch_of_metadata(api: Api) -> None:
    await api.create("configmaps", mine("a", x="1"))
    async with api.watch(api.path("configmaps"), labelSelector=MINE, accept=PARTIAL) as events:
        type_, obj = await events.next()
    assert (type_, obj["kind"], obj["apiVersion"]) == ("ADDED", "PartialObjectMetadata", "meta.k8s.io/v1")
    assert obj["metadata"]["name"] == "a"
    assert "data" not in obj


async def test_a_watch_as_tables(api: Api) -> None:
    for name in ("a", "b"):
        await api.create("configmaps", mine(name))
    async with api.watch(api.path("configmaps"), labelSelector=MINE, accept=TABLE) as events:
        (_, first), (_, second) = await events.next(), await events.next()
    assert {first["kind"], second["kind"]} == {"Table"}
    assert [len(table["rows"]) for table in (first, second)] == [1, 1]
    assert first["columnDefinitions"][0]["name"] == "Name"
    # Only the first table of a watch says what its columns are.
    assert second["columnDefinitions"] is None
