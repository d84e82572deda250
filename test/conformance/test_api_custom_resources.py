"""Custom resources: what their schemas prune, fill in and refuse, and what their rules say."""

from typing import Any

import pytest

from conformance.api import JSON_PATCH, MERGE, STRATEGIC, TABLE
from conformance.widgets import Widgets


async def test_defaults_are_stored(widgets: Widgets) -> None:
    made = await widgets.create("a", quotas={"x": {"limit": 1}}, parts=[{"key": "k"}])
    assert made["spec"] == {
        "size": 3,
        "quotas": {"x": {"limit": 1, "unit": "byte"}},
        "parts": [{"key": "k", "weight": 1}],
    }
    assert await widgets.api.ok("GET", widgets.path("a")) == made


async def test_no_default_below_what_is_absent(widgets: Widgets) -> None:
    obj = widgets.new("a")
    del obj["spec"]
    assert "spec" not in await widgets.api.ok("POST", widgets.path(), obj)


async def test_null_gives_way_to_a_default(widgets: Widgets) -> None:
    made = await widgets.create("a", size=None, mode=None, note=None)
    assert made["spec"] == {"size": 3, "note": None}


async def test_null_in_a_map_is_dropped(widgets: Widgets) -> None:
    made = await widgets.create("a", quotas={"x": None, "y": {"limit": 1, "unit": None}}, free={"z": None})
    assert made["spec"] == {"size": 3, "quotas": {"y": {"limit": 1, "unit": "byte"}}, "free": {"z": None}}


async def test_null_in_a_list_of_a_merge_patch_is_no_value(widgets: Widgets) -> None:
    await widgets.create("a", free={"any": [{"x": None}]})
    patch = {"spec": {"free": {"any": [{"x": None, "y": [{"z": None}]}, None]}}}
    found = await widgets.api.ok("PATCH", widgets.path("a"), patch, content_type=MERGE)
    assert found["spec"]["free"] == {"any": [{"y": [{}]}, None]}


async def test_a_count_is_a_number(widgets: Widgets) -> None:
    answer = await widgets.api("POST", widgets.path(), widgets.new("a", replicas=True))
    assert (answer.code, (".spec.replicas", "FieldValueInvalid") in answer.causes) == (422, True)


async def test_unknown_fields_are_dropped(widgets: Widgets) -> None:
    obj = widgets.new("a", extra=1, free={"any": {"thing": [1]}}, parts=[{"key": "k", "extra": 2}]) | {"more": 3}
    made = await widgets.api.ok("POST", widgets.path(), obj)
    assert made["spec"] == {"size": 3, "free": {"any": {"thing": [1]}}, "parts": [{"key": "k", "weight": 1}]}
    assert "more" not in made


async def test_unknown_metadata_is_dropped(widgets: Widgets) -> None:
    obj = widgets.new("a")
    obj["metadata"]["extra"] = "x"
    assert "extra" not in (await widgets.api.ok("POST", widgets.path(), obj))["metadata"]


def out_of_type(field: str, found: str, expected: str) -> str:
    return f'Invalid value: "{found}": {field} in body must be of type {expected}: "{found}"'


@pytest.mark.parametrize(
    ("spec", "field", "reason", "text"),
    [
        ({"size": 0}, "spec.size", "Invalid", "spec.size in body should be greater than or equal to 1"),
        ({"size": 11}, "spec.size", "Invalid", "spec.size in body should be less than or equal to 10"),
        ({"size": "1"}, "spec.size", "TypeInvalid", out_of_type("spec.size", "string", "integer")),
        ({"size": 1.5}, "spec.size", "TypeInvalid", out_of_type("spec.size", "number", "integer")),
        ({"on": 1}, "spec.on", "TypeInvalid", out_of_type("spec.on", "integer", "boolean")),
        ({"tags": "x"}, "spec.tags", "TypeInvalid", out_of_type("spec.tags", "string", "array")),
        ({"port": 1.5}, "spec.port", "TypeInvalid", out_of_type("spec.port", "number", "integer,string")),
        ({"quotas": {"x.y": {"limit": "a"}}}, "spec.quotas.x.y.limit", "TypeInvalid", 'Invalid value: "string"'),
        ({"mode": "odd"}, "spec.mode", "NotSupported", 'Unsupported value: "odd": supported values: "fast", "slow"'),
        ({"name": "toolong"}, "spec.name", "TooLong", "Too long: may not be more than 5 bytes"),
        (
            {"name": "a"},
            "spec.name",
            "Invalid",
            'Invalid value: "a": spec.name in body should be at least 2 chars long',
        ),
        ({"name": "ABC"}, "spec.name", "Invalid", "spec.name in body should match '^[a-z]+$'"),
        ({"tags": ["a", "b", "c", "d"]}, "spec.tags", "TooMany", "Too many: 4: must have at most 3 items"),
        ({"tags": ["a", "a"]}, "spec.tags[1]", "Duplicate", 'Duplicate value: "a"'),
        ({"parts": [{"weight": 2}]}, "spec.parts[0].key", "Required", "Required value"),
        ({"quotas": {"x": {}}}, "spec.quotas.x.limit", "Required", "Required value"),
    ],
)
async def test_values_that_a_schema_refuses(
    widgets: Widgets, spec: dict[str, Any], field: str, reason: str, text: str
) -> None:
    obj = widgets.new("a", **spec)
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.message.startswith(f'Widget.{widgets.group} "a" is invalid: ')
    assert (field, f"FieldValue{reason}") in answer.causes
    assert f"{field}: " in answer.message
    assert text in answer.message
    details = answer.object["details"]
    assert (details["name"], details["group"], details["kind"]) == ("a", widgets.group, "Widget")


async def test_two_parts_of_one_key(widgets: Widgets) -> None:
    obj = widgets.new("a", parts=[{"key": "k"}, {"key": "k", "weight": 2}])
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.causes == [("spec.parts[1]", "FieldValueDuplicate")]
    assert 'spec.parts[1]: Duplicate value: {"key":"k"}' in answer.message


@pytest.mark.parametrize("port", [80, "http"])
async def test_int_or_string(widgets: Widgets, port: int | str) -> None:
    assert (await widgets.create("a", port=port))["spec"]["port"] == port


async def test_a_whole_number_may_be_written_as_a_float(widgets: Widgets) -> None:
    assert (await widgets.create("a", size=2.0))["spec"]["size"] == 2


async def test_a_rule_with_a_message_expression(widgets: Widgets) -> None:
    obj = widgets.new("a", name="wrong")
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.message == f'Widget.{widgets.group} "a" is invalid: spec.name: Invalid value: "wrong": it is wrong'


async def test_a_rule_with_a_field_and_a_reason(widgets: Widgets) -> None:
    obj = widgets.new("a", low=5, high=2)
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.causes == [("spec.low", "FieldValueForbidden")]
    assert answer.message == f'Widget.{widgets.group} "a" is invalid: spec.low: Forbidden: low is above high'


async def test_a_rule_on_the_items_of_a_list(widgets: Widgets) -> None:
    obj = widgets.new("a", parts=[{"key": "x"}, {"key": "y", "weight": -1}])
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.message == (
        f'Widget.{widgets.group} "a" is invalid: spec.parts[1]: Invalid value: weights are not negative'
    )


async def test_rules_wait_for_the_schema(widgets: Widgets) -> None:
    obj = widgets.new("a", low="x", high=2)
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.causes == [("<nil>", "FieldValueInvalid"), ("spec.low", "FieldValueTypeInvalid")]
    assert "some validation rules were not checked because the object was invalid" in answer.message


async def test_rules_are_checked_beside_what_they_do_not_count_on(widgets: Widgets) -> None:
    obj = widgets.new("a", size=0, low=5, high=2)
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.causes == [("spec.low", "FieldValueForbidden"), ("spec.size", "FieldValueInvalid")]


async def test_a_rule_on_a_change(widgets: Widgets) -> None:
    await widgets.create("a", fixed="x")
    path, patch = widgets.path("a"), {"spec": {"fixed": "y"}}
    answer = await widgets.api.refused(422, "Invalid", "PATCH", path, patch, content_type=MERGE)
    assert answer.causes == [("spec.fixed", "FieldValueInvalid")]
    assert "is fixed once it is set" in answer.message
    await widgets.api.ok("PATCH", path, {"spec": {"fixed": "x", "size": 4}}, content_type=MERGE)


async def test_a_rule_on_a_change_does_not_hold_back_the_first_value(widgets: Widgets) -> None:
    await widgets.create("a")
    found = await widgets.api.ok("PATCH", widgets.path("a"), {"spec": {"fixed": "x"}}, content_type=MERGE)
    assert found["spec"]["fixed"] == "x"


async def test_another_kind(widgets: Widgets) -> None:
    obj = widgets.new("a") | {"kind": "Gadget"}
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), obj)
    assert answer.causes == [("kind", "FieldValueInvalid")]
    text = 'Invalid value: "Gadget": must be Widget'
    assert answer.message == f'Gadget.{widgets.group} "a" is invalid: kind: {text}'


async def test_an_object_must_say_what_it_is(widgets: Widgets) -> None:
    await widgets.api.refused(400, "BadRequest", "POST", widgets.path(), {"metadata": {"name": "a"}})


async def test_a_bad_name(widgets: Widgets) -> None:
    answer = await widgets.api.refused(422, "Invalid", "POST", widgets.path(), widgets.new("A_b"))
    assert answer.causes == [("metadata.name", "FieldValueInvalid")]


async def test_not_found(widgets: Widgets) -> None:
    answer = await widgets.api.refused(404, "NotFound", "GET", widgets.path("none"))
    assert answer.message == f'widgets.{widgets.group} "none" not found'
    assert answer.object["details"] == {"name": "none", "group": widgets.group, "kind": "widgets"}


async def test_list_items_say_what_they_are(widgets: Widgets) -> None:
    made = await widgets.create("a")
    found = await widgets.api.ok("GET", widgets.path())
    assert (found["kind"], found["apiVersion"]) == ("WidgetList", widgets.api_version)
    assert found["items"] == [made]


async def test_generation_counts_the_spec(widgets: Widgets) -> None:
    assert (await widgets.create("a"))["metadata"]["generation"] == 1
    path = widgets.path("a")
    same = await widgets.api.ok("PATCH", path, {"metadata": {"annotations": {"x": "y"}}}, content_type=MERGE)
    assert same["metadata"]["generation"] == 1
    changed = await widgets.api.ok("PATCH", path, {"spec": {"size": 4}}, content_type=MERGE)
    assert changed["metadata"]["generation"] == 2


async def test_replace_needs_a_resource_version(widgets: Widgets) -> None:
    await widgets.create("a")
    answer = await widgets.api.refused(422, "Invalid", "PUT", widgets.path("a"), widgets.new("a"))
    assert answer.causes == [("metadata.resourceVersion", "FieldValueInvalid")]
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in answer.message


async def test_replace(widgets: Widgets) -> None:
    made = await widgets.create("a", size=2)
    found = await widgets.api.ok("PUT", widgets.path("a"), made | {"spec": {}})
    assert found["spec"] == {"size": 3}
    await widgets.api.refused(409, "Conflict", "PUT", widgets.path("a"), made)


async def test_patches(widgets: Widgets) -> None:
    await widgets.create("a", size=2, mode="fast")
    path = widgets.path("a")
    found = await widgets.api.ok("PATCH", path, {"spec": {"mode": None}}, content_type=MERGE)
    assert found["spec"] == {"size": 2}
    operations = [{"op": "replace", "path": "/spec/size", "value": 5}]
    assert (await widgets.api.ok("PATCH", path, operations, content_type=JSON_PATCH))["spec"] == {"size": 5}


async def test_there_is_no_strategic_patch(widgets: Widgets) -> None:
    await widgets.create("a")
    await widgets.api.refused(
        415, "UnsupportedMediaType", "PATCH", widgets.path("a"), {"spec": {}}, content_type=STRATEGIC
    )


async def test_selectable_fields(widgets: Widgets) -> None:
    await widgets.create("a", mode="fast")
    await widgets.create("b")
    for selector, expected in {"spec.mode=fast": ["a"], "spec.mode!=fast": ["b"], "metadata.name=b": ["b"]}.items():
        found = await widgets.api.ok("GET", widgets.path(), fieldSelector=selector)
        assert [item["metadata"]["name"] for item in found["items"]] == expected
    answer = await widgets.api.refused(400, "BadRequest", "GET", widgets.path(), fieldSelector="spec.size=3")
    assert answer.message.endswith("field label not supported: spec.size")


async def test_a_watch(widgets: Widgets) -> None:
    start = (await widgets.api.ok("GET", widgets.path()))["metadata"]["resourceVersion"]
    async with widgets.api.watch(widgets.path(), resourceVersion=start) as events:
        made = await widgets.create("a")
        assert await events.next() == ("ADDED", made)
        await widgets.api.ok("DELETE", widgets.path("a"))
        assert await events.take(1) == [("DELETED", "a")]


async def test_a_watch_from_before_the_history_is_an_error_event(widgets: Widgets) -> None:
    async with widgets.api.watch(widgets.path(), resourceVersion="1") as events:
        [(type_, status)] = await events.rest()
    assert type_ == "ERROR"
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


async def test_a_delete_is_confirmed(widgets: Widgets) -> None:
    made = await widgets.create("a")
    found = await widgets.api.ok("DELETE", widgets.path("a"))
    assert (found["kind"], found["status"]) == ("Status", "Success")
    assert found["details"] == {
        "name": "a",
        "group": widgets.group,
        "kind": "widgets",
        "uid": made["metadata"]["uid"],
    }


async def test_printer_columns(widgets: Widgets) -> None:
    await widgets.create("a", size=7)
    table = await widgets.api.ok("GET", widgets.path(), accept=TABLE)
    columns = [(item["name"], item["type"], item["priority"]) for item in table["columnDefinitions"]]
    assert columns == [("Name", "string", 0), ("Size", "integer", 0), ("Phase", "string", 1), ("Age", "date", 0)]
    assert table["columnDefinitions"][2]["description"] == "Where it is."
    [row] = table["rows"]
    assert row["cells"][:3] == ["a", 7, None]
    assert row["cells"][3].endswith("s")
