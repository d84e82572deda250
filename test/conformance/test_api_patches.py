"""The three patch types, and what becomes of a patch that does not fit."""

from typing import Any

import pytest

from conformance.api import JSON_PATCH, MERGE, STRATEGIC, Api, config_map, pending_pod


async def patched(api: Api, media: str, patch: Any, plural: str = "configmaps") -> dict[str, Any]:
    return await api.ok("PATCH", api.path(plural, "a"), patch, content_type=media)


async def test_a_merge_patch_sets_and_removes(api: Api) -> None:
    await api.create("configmaps", config_map("a", {"keep": "1", "drop": "2"}, x="1", y="2"))
    found = await patched(api, MERGE, {"metadata": {"labels": {"drop": None, "new": "3"}}, "data": {"x": None}})
    assert (found["metadata"]["labels"], found["data"]) == ({"keep": "1", "new": "3"}, {"y": "2"})


async def test_a_merge_patch_replaces_lists(api: Api) -> None:
    await api.create("pods", pending_pod("a", tolerations=[{"key": "a", "operator": "Exists"}]))
    meta = {"metadata": {"finalizers": ["example.com/one"]}}
    await patched(api, MERGE, meta, "pods")
    found = await patched(api, MERGE, {"metadata": {"finalizers": ["example.com/two"]}}, "pods")
    assert found["metadata"]["finalizers"] == ["example.com/two"]
    await patched(api, MERGE, {"metadata": {"finalizers": None}}, "pods")


async def test_a_json_patch_in_order(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1", y="2"))
    found = await patched(
        api,
        JSON_PATCH,
        [
            {"op": "test", "path": "/data/x", "value": "1"},
            {"op": "replace", "path": "/data/x", "value": "9"},
            {"op": "move", "from": "/data/y", "path": "/data/z"},
            {"op": "copy", "from": "/data/x", "path": "/data/c"},
            {"op": "add", "path": "/metadata/labels", "value": {"a/b": "1"}},
            {"op": "remove", "path": "/data/x"},
        ],
    )
    assert found["data"] == {"z": "2", "c": "9"}
    assert found["metadata"]["labels"] == {"a/b": "1"}


async def test_a_json_patch_escapes_slashes(api: Api) -> None:
    await api.create("configmaps", config_map("a", {"example.com/x": "1", "other": "2"}))
    found = await patched(api, JSON_PATCH, [{"op": "remove", "path": "/metadata/labels/example.com~1x"}])
    assert found["metadata"]["labels"] == {"other": "2"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/x", "value": "other"},
        {"op": "remove", "path": "/data/none"},
        {"op": "replace", "path": "/none/deeper", "value": "1"},
        {"op": "add", "path": "/none/deeper", "value": "1"},
    ],
)
async def test_a_json_patch_that_does_not_fit(api: Api, operation: dict[str, Any]) -> None:
    made = await api.create("configmaps", config_map("a", x="1"))
    operations = [{"op": "add", "path": "/data/y", "value": "2"}, operation]
    path = api.path("configmaps", "a")
    await api.refused(422, "Invalid", "PATCH", path, operations, content_type=JSON_PATCH)
    assert await api.ok("GET", path) == made


@pytest.mark.parametrize(
    ("media", "patch"),
    [(JSON_PATCH, "{}"), (JSON_PATCH, "["), (MERGE, "["), (MERGE, "[]"), (MERGE, "{"), (STRATEGIC, "[]")],
)
async def test_a_malformed_patch(api: Api, media: str, patch: str) -> None:
    await api.create("configmaps", config_map("a"))
    await api.refused(400, "BadRequest", "PATCH", api.path("configmaps", "a"), patch, content_type=media)


@pytest.mark.parametrize("media", ["application/json", "text/plain"])
async def test_a_patch_of_an_unknown_type(api: Api, media: str) -> None:
    await api.create("configmaps", config_map("a"))
    path = api.path("configmaps", "a")
    await api.refused(415, "UnsupportedMediaType", "PATCH", path, {"data": {}}, content_type=media)


async def test_a_strategic_patch_merges_lists_by_key(api: Api) -> None:
    containers = [{"name": name, "image": f"{name}:1"} for name in ("one", "two")]
    await api.create("pods", pending_pod("a", containers=containers))
    patch = {"spec": {"containers": [{"name": "two", "image": "two:2"}]}}
    found = await patched(api, STRATEGIC, patch, "pods")
    assert [(item["name"], item["image"]) for item in found["spec"]["containers"]] == [
        ("one", "one:1"),
        ("two", "two:2"),
    ]


async def test_a_strategic_patch_adds_to_sets(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    await patched(api, STRATEGIC, {"metadata": {"finalizers": ["example.com/one"]}})
    found = await patched(api, STRATEGIC, {"metadata": {"finalizers": ["example.com/two"]}})
    assert sorted(found["metadata"]["finalizers"]) == ["example.com/one", "example.com/two"]
    found = await patched(api, STRATEGIC, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/one"]}})
    assert found["metadata"]["finalizers"] == ["example.com/two"]
    await patched(api, MERGE, {"metadata": {"finalizers": None}})


async def test_a_strategic_patch_with_directives(api: Api) -> None:
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    await api.create(
        "services", {"metadata": {"name": "a"}, "spec": {"selector": {"x": "y", "z": "z"}, "ports": ports}}
    )
    patch = {"spec": {"selector": {"$patch": "replace", "k": "v"}, "ports": [{"port": 81, "$patch": "delete"}]}}
    found = await patched(api, STRATEGIC, patch, "services")
    assert found["spec"]["selector"] == {"k": "v"}
    assert [port["port"] for port in found["spec"]["ports"]] == [80]


async def test_a_strategic_patch_needs_the_key(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    path, patch = api.path("pods", "a"), {"spec": {"containers": [{"image": "x"}]}}
    answer = await api("PATCH", path, patch, content_type=STRATEGIC)
    assert answer.code >= 400
    assert "does not contain declared merge key: name" in answer.message


async def test_a_patch_with_a_resource_version_is_conditional(api: Api) -> None:
    made = await api.create("configmaps", config_map("a"))
    version = made["metadata"]["resourceVersion"]
    await patched(api, MERGE, {"metadata": {"resourceVersion": version}, "data": {"x": "1"}})
    patch = {"metadata": {"resourceVersion": version}, "data": {"x": "2"}}
    await api.refused(409, "Conflict", "PATCH", api.path("configmaps", "a"), patch, content_type=MERGE)


async def test_a_patch_with_a_uid_is_for_that_object(api: Api) -> None:
    made = await api.create("configmaps", config_map("a"))
    await patched(api, MERGE, {"metadata": {"uid": made["metadata"]["uid"]}, "data": {"x": "1"}})
    patch = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}, "data": {"x": "2"}}
    answer = await api.refused(422, "Invalid", "PATCH", api.path("configmaps", "a"), patch, content_type=MERGE)
    assert answer.causes == [("metadata.uid", "FieldValueInvalid")]
    assert "field is immutable" in answer.message


async def test_a_patch_cannot_rename(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    patch = {"metadata": {"name": "b"}}
    answer = await api.refused(400, "BadRequest", "PATCH", api.path("configmaps", "a"), patch, content_type=MERGE)
    assert answer.message == "the name of the object (b) does not match the name on the URL (a)"


async def test_a_patch_is_validated(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    patch = {"metadata": {"labels": {"a b": "c"}}}
    answer = await api.refused(422, "Invalid", "PATCH", api.path("configmaps", "a"), patch, content_type=MERGE)
    assert answer.causes == [("metadata.labels", "FieldValueInvalid")]


async def test_a_patch_of_a_wrong_type(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    patch = {"spec": {"activeDeadlineSeconds": "soon"}}
    answer = await api.refused(422, "Invalid", "PATCH", api.path("pods", "a"), patch, content_type=MERGE)
    assert answer.causes == [("patch", "FieldValueInvalid")]
