from typing import Any

import pytest

from kdl_local.apiserver.strategic import apply_strategic
from kdl_runtime.errors import BadRequest
from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, PODS, WIDGETS, Api, config_map, pod, widget

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.mark.parametrize(
    ("content_type", "patch", "data"),
    [
        (MERGE, {"data": {"a": None, "b": "2"}}, {"b": "2", "c": "3"}),
        (STRATEGIC, {"data": {"a": None, "b": "2"}}, {"b": "2", "c": "3"}),
        (
            JSON_PATCH,
            [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}],
            {"b": "2", "c": "3"},
        ),
    ],
)
async def test_patches(api: Api, content_type: str, patch: Any, data: dict[str, str]) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("m", a="1", c="3"))
    patched = await api.ok("PATCH", f"{CONFIG_MAPS}/m", patch, content_type=content_type)
    assert patched["data"] == data
    assert patched["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("content_type", "patch", "code", "text"),
    [
        (MERGE, [], 400, "must be a JSON object"),
        (MERGE, b"{", 400, "json parse error"),
        (JSON_PATCH, {}, 400, "must be a list"),
        (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "9"}], 422, ""),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": 1}], 400, "not an object"),
        (STRATEGIC, [], 400, "must be a JSON object"),
        ("application/apply-patch+yaml", {}, 422, "fieldManager: Required value: is required for apply patch"),
        ("application/apply-patch+cbor", {}, 415, "accepted media types include: application/json-patch+json"),
        ("application/json", {}, 415, "accepted media types include: application/json-patch+json"),
        (MERGE, {"metadata": {"name": "b"}}, 400, "does not match the name on the URL"),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, "the object has been modified"),
        (MERGE, {"metadata": {"uid": "another"}}, 422, "metadata.uid"),
    ],
)
async def test_patches_that_are_refused(api: Api, content_type: str, patch: Any, code: int, text: str) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("m", a="1"))
    answer = await api("PATCH", f"{CONFIG_MAPS}/m", patch, content_type=content_type)
    assert answer.code == code
    assert text in answer.message


async def test_what_is_not_there_cannot_be_patched(api: Api) -> None:
    answer = await api("PATCH", f"{CONFIG_MAPS}/m", {}, content_type=MERGE)
    assert answer.code == 404


async def test_custom_resources_have_no_strategic_patch(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget("w"))
    answer = await widgets("PATCH", f"{WIDGETS}/w", {}, content_type=STRATEGIC)
    assert answer.code == 415
    assert f"{JSON_PATCH}, {MERGE}" in answer.message and STRATEGIC not in answer.message.partition("(this")[0]


async def test_a_patch_with_the_latest_version_is_an_optimistic_lock(api: Api) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("m", a="1"))
    lock = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"a": "2"}}
    assert (await api("PATCH", f"{CONFIG_MAPS}/m", lock, content_type=MERGE)).code == 200
    assert (await api("PATCH", f"{CONFIG_MAPS}/m", lock, content_type=MERGE)).code == 409


async def test_conditions_of_a_pod_merge_by_type(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    for condition in (
        {"type": "Ready", "status": "False"},
        {"type": "Mine", "status": "True"},
        {"type": "Ready", "status": "True"},
    ):
        patch = {"status": {"conditions": [condition]}}
        patched = await api.ok("PATCH", f"{PODS}/p/status", patch, content_type=STRATEGIC)
    assert {item["type"]: item["status"] for item in patched["status"]["conditions"]} == {
        "Ready": "True",
        "Mine": "True",
    }


CONTAINERS = {
    "spec": {"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]}
}


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        pytest.param({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}, id="maps merge"),
        pytest.param({"a": 1, "b": 2}, {"b": None}, {"a": 1}, id="null deletes"),
        pytest.param({"b": {"c": 2}}, {"b": {"$patch": "replace", "d": 3}}, {"b": {"d": 3}}, id="map replaced"),
        pytest.param({"a": 1, "b": {"c": 2}}, {"b": {"$patch": "delete"}}, {"a": 1, "b": {}}, id="map emptied"),
        pytest.param({"b": {"c": 2}}, {"b": {"$patch": "merge", "d": 3}}, {"b": {"c": 2, "d": 3}}, id="map merged"),
        pytest.param({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}, id="lists without key are replaced"),
        pytest.param(
            CONTAINERS,
            {"spec": {"containers": [{"name": "a", "image": "y"}, {"name": "c"}]}},
            {
                "spec": {
                    "containers": [
                        {"name": "a", "image": "y", "env": [{"name": "E", "value": "1"}]},
                        {"name": "c"},
                        {"name": "b"},
                    ]
                }
            },
            id="containers merge by name",
        ),
        pytest.param(
            CONTAINERS,
            {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
            {"spec": {"containers": [{"name": "b"}]}},
            id="element deleted",
        ),
        pytest.param(
            CONTAINERS,
            {"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}},
            {"spec": {"containers": [{"name": "z"}]}},
            id="list replaced",
        ),
        pytest.param(
            CONTAINERS,
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                    "containers": [{"name": "a", "env": [{"name": "F", "value": "2"}]}],
                }
            },
            {
                "spec": {
                    "containers": [
                        {"name": "b"},
                        {"name": "a", "image": "x", "env": [{"name": "F", "value": "2"}, {"name": "E", "value": "1"}]},
                    ]
                }
            },
            id="order",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1, "name": "x"}]}]}},
            {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1, "name": "y"}]}]}},
            {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1, "name": "y"}]}]}},
            id="ports of containers",
        ),
        pytest.param(
            {"spec": {"ports": [{"port": 80}]}},
            {"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81}]}},
            {"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81}]}},
            id="ports of services",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c", "a"]}},
            {"metadata": {"finalizers": ["c", "a", "b"]}},
            id="finalizers are a set",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
            id="deleted from a set",
        ),
        pytest.param(
            {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
            {"spec": {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/"}}]}},
            {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
            id="retained keys",
        ),
    ],
)
def test_strategic_merge(original: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert apply_strategic(original, patch) == expected


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (
            {"spec": {"containers": [{"image": "x"}]}},
            "spec.containers in the patch does not contain declared merge key: name",
        ),
        ({"spec": {"$patch": "move"}}, "unknown patch type 'move' in spec"),
    ],
)
def test_malformed_strategic_patches(patch: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        apply_strategic(CONTAINERS, patch)


def test_a_strategic_patch_shares_nothing() -> None:
    original: dict[str, Any] = {"spec": {"volumes": [{"name": "v", "items": []}]}}
    patch: dict[str, Any] = {"spec": {"volumes": [{"name": "w", "items": [{"key": "k"}]}]}}
    result = apply_strategic(original, patch)
    result["spec"]["volumes"][0]["items"][0]["key"] = "changed"
    result["spec"]["volumes"][1]["items"].append("changed")
    assert patch["spec"]["volumes"][0]["items"] == [{"key": "k"}]
    assert original["spec"]["volumes"] == [{"name": "v", "items": []}]
