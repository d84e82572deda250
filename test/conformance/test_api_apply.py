"""Server-side apply of an object: what it sets and takes away, whom it disturbs, and which requests it refuses."""

from typing import Any

import pytest

from conformance.api import MERGE, Api, Object, config_map
from conformance.applying import APPLY, Applier, config_maps, conflicts, owners


@pytest.fixture
def apply(api: Api) -> Applier:
    return config_maps(api)


async def test_an_apply_creates(apply: Applier) -> None:
    answer = await apply("a", {"data": {"x": "1"}})
    assert answer.code == 201
    assert answer.object["data"] == {"x": "1"}
    assert owners(answer.object) == {"Apply a": {"data/x"}}
    (entry,) = answer.object["metadata"]["managedFields"]
    assert (entry["apiVersion"], entry["fieldsV1"]) == ("v1", {"f:data": {"f:x": {}}})
    assert entry["time"].endswith("Z")


async def test_the_same_again_is_no_write(apply: Applier) -> None:
    made = await apply.data("a", x="1")
    assert await apply.data("a", x="1") == made


async def test_an_apply_changes_its_own_fields(apply: Applier) -> None:
    made = await apply.data("a", x="1")
    found = await apply.data("a", x="2")
    assert found["data"] == {"x": "2"}
    assert found["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_what_is_not_applied_any_more_goes(apply: Applier) -> None:
    await apply.data("a", x="1", y="2")
    found = await apply.data("a", y="2")
    assert found["data"] == {"y": "2"}
    assert owners(found) == {"Apply a": {"data/y"}}


async def test_the_last_field_goes_with_its_owner(apply: Applier) -> None:
    await apply.data("a", x="1")
    found = await apply.ok("a")
    assert "data" not in found
    assert owners(found) == {}


async def test_applies_of_different_fields_get_along(apply: Applier) -> None:
    await apply.data("a", x="1")
    found = await apply.data("b", y="2")
    assert found["data"] == {"x": "1", "y": "2"}
    assert owners(found) == {"Apply a": {"data/x"}, "Apply b": {"data/y"}}


async def test_the_same_value_is_shared(apply: Applier) -> None:
    await apply.data("a", x="1")
    found = await apply.data("b", x="1")
    assert owners(found) == {"Apply a": {"data/x"}, "Apply b": {"data/x"}}


async def test_a_shared_field_stays_until_its_last_owner_goes(apply: Applier) -> None:
    await apply.data("a", x="1", z="1")
    await apply.data("b", x="1")
    found = await apply.data("a", z="1")
    assert found["data"] == {"x": "1", "z": "1"}
    assert owners(found) == {"Apply a": {"data/z"}, "Apply b": {"data/x"}}
    assert (await apply.ok("b"))["data"] == {"z": "1"}


async def test_another_value_of_a_shared_field_is_a_conflict(apply: Applier) -> None:
    await apply.data("a", x="1")
    await apply.data("b", x="1")
    answer = await apply("b", {"data": {"x": "2"}})
    assert conflicts(answer) == {(".data.x", 'conflict with "a"')}
    assert answer.message == 'Apply failed with 1 conflict: conflict with "a": .data.x'


async def test_several_conflicts_are_told_by_owner(apply: Applier) -> None:
    await apply.data("a", x="1", y="1")
    await apply.data("c", z="1")
    answer = await apply("b", {"data": {"x": "2", "y": "2", "z": "2"}})
    assert conflicts(answer) == {
        (".data.x", 'conflict with "a"'),
        (".data.y", 'conflict with "a"'),
        (".data.z", 'conflict with "c"'),
    }
    assert answer.message == (
        'Apply failed with 3 conflicts: conflicts with "a":\n- .data.x\n- .data.y\nconflicts with "c":\n- .data.z'
    )


async def test_a_conflict_changes_nothing(apply: Applier) -> None:
    made = await apply.data("a", x="1")
    conflicts(await apply("b", {"data": {"x": "2", "y": "2"}}))
    assert await apply.api.ok("GET", apply.path) == made


async def test_force_takes_over(apply: Applier) -> None:
    await apply.data("a", x="1", y="1")
    found = await apply.ok("b", {"data": {"x": "2"}}, force="true")
    assert found["data"] == {"x": "2", "y": "1"}
    assert owners(found) == {"Apply a": {"data/y"}, "Apply b": {"data/x"}}


async def test_force_without_a_conflict_takes_nothing(apply: Applier) -> None:
    await apply.data("a", x="1")
    found = await apply.ok("b", {"data": {"x": "1"}}, force="true")
    assert owners(found) == {"Apply a": {"data/x"}, "Apply b": {"data/x"}}


async def test_whoever_was_taken_from_gets_a_conflict(apply: Applier) -> None:
    await apply.data("a", x="1")
    await apply.ok("b", {"data": {"x": "2"}}, force="true")
    assert conflicts(await apply("a", {"data": {"x": "1"}})) == {(".data.x", 'conflict with "b"')}
    assert owners(await apply.data("a", x="2")) == {"Apply a": {"data/x"}, "Apply b": {"data/x"}}


async def test_what_was_taken_over_is_not_removed_by_the_former_owner(apply: Applier) -> None:
    await apply.data("a", x="1", y="1")
    await apply.ok("b", {"data": {"x": "2"}}, force="true")
    assert (await apply.data("a", y="1"))["data"] == {"x": "2", "y": "1"}


async def test_a_field_that_an_update_owns_is_a_conflict(apply: Applier) -> None:
    await apply.api.create("configmaps", config_map("a", x="1"), fieldManager="p")
    answer = await apply("a", {"data": {"x": "2"}})
    assert conflicts(answer) == {(".data.x", 'conflict with "p" using v1')}


async def test_an_update_takes_fields_without_asking(apply: Applier) -> None:
    await apply.data("a", x="1", y="1")
    found = await apply.api.ok("PATCH", apply.path, {"data": {"x": "9"}}, content_type=MERGE, fieldManager="m")
    assert owners(found) == {"Apply a": {"data/y"}, "Update m": {"data/x"}}
    assert conflicts(await apply("a", {"data": {"x": "1"}})) == {(".data.x", 'conflict with "m" using v1')}


async def test_an_update_of_the_same_manager_is_another_owner(apply: Applier) -> None:
    await apply.data("a", x="1")
    found = await apply.api.ok("PATCH", apply.path, {"data": {"x": "9"}}, content_type=MERGE, fieldManager="a")
    assert owners(found) == {"Update a": {"data/x"}}
    assert conflicts(await apply("a", {"data": {"x": "1"}})) == {(".data.x", 'conflict with "a" using v1')}


async def test_what_an_update_removes_nobody_owns(apply: Applier) -> None:
    await apply.data("a", x="1", y="1")
    found = await apply.api.ok("PATCH", apply.path, {"data": {"x": None}}, content_type=MERGE, fieldManager="m")
    assert owners(found) == {"Apply a": {"data/y"}}
    assert (await apply.data("a", x="5", y="1"))["data"] == {"x": "5", "y": "1"}


async def test_the_first_apply_to_what_nobody_owns(apply: Applier) -> None:
    await apply.api.create("configmaps", config_map("a", x="1", y="1"), fieldManager="p")
    forget: dict[str, Any] = {"metadata": {"managedFields": [{}]}}
    assert owners(await apply.api.ok("PATCH", apply.path, forget, content_type=MERGE)) == {}
    assert conflicts(await apply("a", {"data": {"x": "2"}})) == {
        (".data.x", 'conflict with "before-first-apply" using v1')
    }
    found = await apply.ok("a", {"data": {"x": "1"}})
    assert owners(found) == {"Apply a": {"data/x"}, "Update before-first-apply": {"data", "data/x", "data/y"}}


async def test_labels_and_annotations(apply: Applier) -> None:
    found = await apply.ok("a", {"metadata": {"labels": {"x": "1"}, "annotations": {"e.com/y": "2"}}})
    assert owners(found) == {"Apply a": {"metadata/labels/x", "metadata/annotations/e.com/y"}}
    found = await apply.ok("a", {"metadata": {"labels": {"z": "1"}}})
    assert found["metadata"]["labels"] == {"z": "1"}
    assert "annotations" not in found["metadata"]


async def test_finalizers_are_a_set(apply: Applier) -> None:
    await apply.ok("a", {"metadata": {"finalizers": ["e.com/1"]}})
    found = await apply.ok("b", {"metadata": {"finalizers": ["e.com/2"]}})
    assert sorted(found["metadata"]["finalizers"]) == ["e.com/1", "e.com/2"]
    assert owners(found)["Apply b"] == {'metadata/finalizers/"e.com/2"'}
    assert (await apply.ok("a"))["metadata"]["finalizers"] == ["e.com/2"]
    assert "finalizers" not in (await apply.ok("b"))["metadata"]


async def test_owner_references_are_told_apart_by_uid(apply: Applier) -> None:
    made = [await apply.api.create("configmaps", config_map(name)) for name in ("one", "two")]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}
        for obj in made
    ]
    await apply.ok("a", {"metadata": {"ownerReferences": references[:1]}})
    found = await apply.ok("b", {"metadata": {"ownerReferences": references[1:]}})
    assert found["metadata"]["ownerReferences"] == references
    changed = {**references[0], "controller": True}
    answer = await apply("b", {"metadata": {"ownerReferences": [changed]}})
    assert conflicts(answer) == {(f'.metadata.ownerReferences[uid="{references[0]["uid"]}"]', 'conflict with "a"')}


async def test_a_dry_run_shows_and_stores_nothing(apply: Applier) -> None:
    shown = await apply.ok("a", {"data": {"x": "1"}}, dryRun="All")
    assert (shown["data"], owners(shown)) == ({"x": "1"}, {"Apply a": {"data/x"}})
    assert (await apply.api("GET", apply.path)).code == 404
    made = await apply.data("a", x="1")
    assert (await apply.ok("a", {"data": {"x": "2"}}, dryRun="All"))["data"] == {"x": "2"}
    assert conflicts(await apply("b", {"data": {"x": "2"}}, dryRun="All")) == {(".data.x", 'conflict with "a"')}
    assert await apply.api.ok("GET", apply.path) == made


# ---- requests


async def test_yaml_is_read(apply: Applier) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: '1'\n"
    found = await apply.api.ok("PATCH", apply.path, text, content_type=APPLY, fieldManager="a")
    assert found["data"] == {"x": "1"}


_TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: '1'\n  x: '2'\n"


@pytest.mark.parametrize("validation", ["", "Warn"])
async def test_a_key_that_is_given_twice_is_warned_of(apply: Applier, validation: str) -> None:
    query = {"fieldValidation": validation} if validation else {}
    answer = await apply.api("PATCH", apply.path, _TWICE, content_type=APPLY, fieldManager="a", **query)
    assert answer.code == 201
    assert 'key \\"x\\" already set in map' in answer.warnings


async def test_a_key_that_is_given_twice_is_refused_or_ignored(apply: Applier) -> None:
    query = {"content_type": APPLY, "fieldManager": "a"}
    answer = await apply.api.refused(400, "BadRequest", "PATCH", apply.path, _TWICE, fieldValidation="Strict", **query)
    assert 'key "x" already set in map' in answer.message
    answer = await apply.api("PATCH", apply.path, _TWICE, fieldValidation="Ignore", **query)
    assert (answer.code, answer.warnings) == (201, "")


@pytest.mark.parametrize("body", ["{", "- a", "a: [", "text"])
async def test_a_body_that_is_no_object(apply: Applier, body: str) -> None:
    await apply.api.refused(400, "BadRequest", "PATCH", apply.path, body, content_type=APPLY, fieldManager="a")


async def test_cbor_is_not_taken(apply: Applier) -> None:
    media = "application/apply-patch+cbor"
    await apply.api.refused(415, "UnsupportedMediaType", "PATCH", apply.path, "x", content_type=media, fieldManager="a")


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ({}, ("fieldManager", "FieldValueRequired")),
        ({"fieldManager": ""}, ("fieldManager", "FieldValueRequired")),
        ({"fieldManager": "m" * 129}, ("fieldManager", "FieldValueTooLong")),
        ({"fieldManager": "a\tb"}, ("fieldManager", "FieldValueInvalid")),
        ({"fieldManager": "a", "fieldValidation": "Lax"}, ("fieldValidation", "FieldValueNotSupported")),
        ({"fieldManager": "a", "dryRun": "Some"}, ("dryRun", "FieldValueNotSupported")),
    ],
)
async def test_options_that_are_refused(apply: Applier, query: dict[str, str], cause: tuple[str, str]) -> None:
    answer = await apply.api.refused(422, "Invalid", "PATCH", apply.path, config_map("a"), content_type=APPLY, **query)
    assert answer.causes == [cause]
    assert answer.object["details"]["kind"] == "PatchOptions"


async def test_force_is_for_applies(apply: Applier) -> None:
    await apply.data("a", x="1")
    answer = await apply.api.refused(422, "Invalid", "PATCH", apply.path, {}, content_type=MERGE, force="true")
    assert answer.causes == [("force", "FieldValueForbidden")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"metadata": {"name": "a"}}, "invalid object type: /, Kind="),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}, "invalid object type: /v1, Kind=Secret"),
        (
            {"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}},
            "invalid object type: /v2, Kind=ConfigMap",
        ),
        ({**config_map("b")}, "the name of the object (b) does not match the name on the URL (a)"),
        (
            {"apiVersion": "v1", "kind": "ConfigMap"},
            "the name of the object (a based on URL) was undeterminable: name must be provided",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "other"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": []}},
            "metadata.managedFields must be nil",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [{}]}},
            "metadata.managedFields must be nil",
        ),
    ],
)
async def test_objects_that_cannot_be_applied(apply: Applier, body: Object, message: str) -> None:
    answer = await apply.api.refused(400, "BadRequest", "PATCH", apply.path, body, content_type=APPLY, fieldManager="a")
    assert answer.message == message


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"nope": 1}, ".nope: field not declared in schema"),
        ({"data": {"x": 1}}, ".data.x: expected string, got &value.valueUnstructured{Value:1}"),
        ({"data": ["x"]}, ".data: expected map, got &{[x]}"),
        ({"immutable": "yes"}, ".immutable: expected boolean, got &{yes}"),
        ({"metadata": {"nope": 1}}, ".metadata.nope: field not declared in schema"),
    ],
)
async def test_fields_that_the_type_has_not(apply: Applier, fields: Any, text: str) -> None:
    answer = await apply("a", fields)
    assert answer.code == 500
    assert answer.message == f"failed to create typed patch object (/a; /v1, Kind=ConfigMap): {text}"


async def test_an_old_resource_version_is_a_conflict(apply: Applier) -> None:
    made = await apply.data("a", x="1")
    stated = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    await apply.ok("a", {"data": {"x": "2"}, **stated})
    answer = await apply("a", {"data": {"x": "3"}, **stated})
    assert (answer.code, answer.object["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer.message


async def test_a_uid_is_for_that_object(apply: Applier) -> None:
    other = {"metadata": {"uid": "11111111-1111-1111-1111-111111111111"}}
    answer = await apply("a", other)
    assert (answer.code, answer.object["reason"]) == (409, "Conflict")
    assert "uid mismatch: the provided object specified uid 11111111-" in answer.message
    made = await apply.data("a", x="1")
    answer = await apply("a", other)
    assert (answer.code, answer.causes) == (422, [("metadata.uid", "FieldValueInvalid")])
    same = {"metadata": {"uid": made["metadata"]["uid"]}, "data": {"x": "1"}}
    assert owners(await apply.ok("a", same)) == {"Apply a": {"data/x"}}


async def test_a_resource_version_of_nothing_is_no_hindrance(apply: Applier) -> None:
    assert (await apply("a", {"metadata": {"resourceVersion": "5"}})).code == 201


async def test_an_apply_is_validated(apply: Applier) -> None:
    answer = await apply("a", {"metadata": {"labels": {"a b": "c"}}})
    assert (answer.code, answer.causes) == (422, [("metadata.labels", "FieldValueInvalid")])
