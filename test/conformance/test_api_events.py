"""Events: one storage and two APIs."""

from typing import Any

import pytest

from conformance.api import MERGE, Api, Object

NEW = "events.k8s.io/v1"


def core_event(api: Api, name: str, **fields: Any) -> Object:
    involved = {"kind": "Pod", "apiVersion": "v1", "namespace": api.namespace, "name": "a", "uid": "u1"}
    return {
        "metadata": {"name": name},
        "involvedObject": involved,
        "reason": "Started",
        "message": "it began",
        "type": "Normal",
        "source": {"component": "tester", "host": "here"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:01:00Z",
        "count": 2,
        **fields,
    }


def new_event(api: Api, name: str, **fields: Any) -> Object:
    return {
        "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.123456Z",
        "reportingController": "example.com/tester",
        "reportingInstance": "tester-1",
        "action": "Testing",
        "reason": "Tested",
        "note": "it went well",
        "type": "Normal",
        "regarding": {"kind": "Pod", "apiVersion": "v1", "namespace": api.namespace, "name": "b"},
        **fields,
    }


async def test_a_core_event_in_the_new_api(api: Api) -> None:
    made = await api.create("events", core_event(api, "a"))
    found = await api.ok("GET", api.path("events", "a", group_version=NEW))
    assert (found["kind"], found["apiVersion"]) == ("Event", NEW)
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert (found["regarding"], found["note"]) == (made["involvedObject"], "it began")
    assert found["deprecatedSource"] == {"component": "tester", "host": "here"}
    assert found["deprecatedFirstTimestamp"] == "2026-01-01T00:00:00Z"
    assert found["deprecatedLastTimestamp"] == "2026-01-01T00:01:00Z"
    assert found["deprecatedCount"] == 2


async def test_a_new_event_in_the_core_api(api: Api) -> None:
    await api.create("events", new_event(api, "b"), group_version=NEW)
    found = await api.ok("GET", api.path("events", "b"))
    assert (found["kind"], found["apiVersion"]) == ("Event", "v1")
    assert (found["involvedObject"]["name"], found["message"], found["action"]) == ("b", "it went well", "Testing")
    assert found["reportingComponent"] == "example.com/tester"
    assert found["reportingInstance"] == "tester-1"
    assert found["eventTime"] == "2026-01-01T00:00:00.123456Z"


async def test_names_of_core_events_are_free(api: Api) -> None:
    await api.create("events", core_event(api, "UPPER") | {"metadata": {"name": "UPPER", "finalizers": ["plain"]}})
    answer = await api.refused(422, "Invalid", "POST", api.path("events", group_version=NEW), new_event(api, "UPPER"))
    assert answer.causes == [("metadata.name", "FieldValueInvalid")]


async def test_a_write_in_one_api_forgets_the_owners_in_the_other(api: Api) -> None:
    await api.create("events", new_event(api, "b"), group_version=NEW)
    path, change = api.path("events", "b"), {"metadata": {"labels": {"l": "1"}}}
    found = await api.ok("PATCH", path, change, content_type=MERGE)
    assert [owner["apiVersion"] for owner in found["metadata"]["managedFields"]] == ["v1"]


async def test_both_lists_show_both(api: Api) -> None:
    await api.create("events", core_event(api, "a"))
    await api.create("events", new_event(api, "b"), group_version=NEW)
    for group_version in ("v1", NEW):
        found = await api.ok("GET", api.path("events", group_version=group_version))
        assert (found["kind"], found["apiVersion"]) == ("EventList", group_version)
        assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b"]


async def test_a_watch_sees_both(api: Api) -> None:
    path = api.path("events", group_version=NEW)
    start = (await api.ok("GET", path))["metadata"]["resourceVersion"]
    async with api.watch(path, resourceVersion=start) as events:
        await api.create("events", core_event(api, "a"))
        type_, obj = await events.next()
    assert (type_, obj["apiVersion"], obj["note"]) == ("ADDED", NEW, "it began")


@pytest.mark.parametrize(
    ("group_version", "selector", "expected"),
    [
        ("v1", "involvedObject.name=a", ["a"]),
        ("v1", "involvedObject.uid=u1,involvedObject.kind=Pod", ["a"]),
        ("v1", "reason=Tested", ["b"]),
        ("v1", "type!=Normal", []),
        ("v1", "source=tester", ["a"]),
        ("v1", "reportingComponent=example.com/tester", ["b"]),
        (NEW, "regarding.name=b", ["b"]),
        (NEW, "reportingController=example.com/tester", ["b"]),
        (NEW, "reason=Started,type=Normal", ["a"]),
    ],
)
async def test_field_selectors(api: Api, group_version: str, selector: str, expected: list[str]) -> None:
    await api.create("events", core_event(api, "a"))
    await api.create("events", new_event(api, "b"), group_version=NEW)
    found = await api.ok("GET", api.path("events", group_version=group_version), fieldSelector=selector)
    assert [item["metadata"]["name"] for item in found["items"]] == expected


async def test_an_unknown_field_selector(api: Api) -> None:
    await api.refused(400, "BadRequest", "GET", api.path("events"), fieldSelector="message=x")


async def test_an_event_is_beside_its_object(api: Api) -> None:
    involved = {"kind": "Pod", "apiVersion": "v1", "namespace": "default", "name": "a"}
    answer = await api.refused(
        422, "Invalid", "POST", api.path("events"), core_event(api, "a", involvedObject=involved)
    )
    assert answer.causes == [("involvedObject.namespace", "FieldValueInvalid")]
    assert "does not match event.namespace" in answer.message


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"eventTime": None}, "eventTime", "Required"),
        ({"reportingController": ""}, "reportingController", "Required"),
        ({"reportingController": "not ok"}, "reportingController", "Invalid"),
        ({"reportingInstance": ""}, "reportingInstance", "Required"),
        ({"action": ""}, "action", "Required"),
        ({"reason": ""}, "reason", "Required"),
        ({"type": "Strange"}, "type", "Invalid"),
        ({"note": "x" * 1025}, "message", "Invalid"),
    ],
)
async def test_the_new_api_is_strict(api: Api, fields: dict[str, Any], field: str, reason: str) -> None:
    path = api.path("events", group_version=NEW)
    answer = await api.refused(422, "Invalid", "POST", path, new_event(api, "b", **fields))
    assert (field, f"FieldValue{reason}") in answer.causes


async def test_a_series_grows(api: Api) -> None:
    await api.create("events", new_event(api, "b"), group_version=NEW)
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:02:00.000000Z"}
    path = api.path("events", "b", group_version=NEW)
    found = await api.ok("PATCH", path, {"series": series}, content_type=MERGE)
    assert found["series"] == series
    answer = await api.refused(422, "Invalid", "PATCH", path, {"note": "other"}, content_type=MERGE)
    assert answer.causes == [("message", "FieldValueInvalid")]
