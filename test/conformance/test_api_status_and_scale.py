"""Subresources that show or change a part of an object."""

import pytest

from conformance.api import MERGE, Api, Object, config_map, pending_pod
from conformance.applying import APPLY
from conformance.widgets import Widgets
from kdl_runtime.codec.json import encode

BUDGETS = "policy/v1"


async def test_a_main_update_leaves_the_status_alone(widgets: Widgets) -> None:
    obj = widgets.new("a") | {"status": {"phase": "Early"}}
    made = await widgets.api.ok("POST", widgets.path(), obj)
    assert "status" not in made
    patch = {"spec": {"size": 4}, "status": {"phase": "Late"}}
    found = await widgets.api.ok("PATCH", widgets.path("a"), patch, content_type=MERGE)
    assert "status" not in found
    assert found["spec"]["size"] == 4


async def test_a_status_update_changes_the_status_alone(widgets: Widgets) -> None:
    made = await widgets.create("a", size=2)
    body = {**made, "spec": {"size": 9}, "status": {"phase": "Done", "extra": 1}}
    body["metadata"] = {**made["metadata"], "labels": {"x": "y"}}
    found = await widgets.api.ok("PUT", widgets.path("a/status"), body)
    assert found["status"] == {"phase": "Done"}
    assert found["spec"] == {"size": 2}
    assert "labels" not in found["metadata"]
    assert found["metadata"]["generation"] == 1
    assert found["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    assert await widgets.api.ok("GET", widgets.path("a/status")) == found
    assert await widgets.api.ok("GET", widgets.path("a")) == found


@pytest.mark.parametrize(
    "odd",
    [
        {"uid": "11111111-2222-3333-4444-555555555555"},
        {"deletionTimestamp": "2020-01-01T00:00:00Z"},
        {"deletionGracePeriodSeconds": 5},
        {"labels": {"bad label": "x"}},
    ],
)
@pytest.mark.parametrize("media", [MERGE, APPLY])
async def test_metadata_is_no_part_of_a_status(widgets: Widgets, odd: Object, media: str) -> None:
    made = await widgets.create("a")
    patch = widgets.new("a") | {"metadata": {"name": "a", **odd}, "status": {"phase": "Done"}}
    body, path = encode(patch).decode(), widgets.path("a/status")
    found = await widgets.api.ok("PATCH", path, body, content_type=media, fieldManager="m")
    kept = {name: found["metadata"].get(name) for name in odd}
    assert (kept, found["status"]) == ({name: made["metadata"].get(name) for name in odd}, {"phase": "Done"})


async def test_a_status_patch(widgets: Widgets) -> None:
    await widgets.create("a")
    patch = {"status": {"phase": "Running"}, "spec": {"size": 9}}
    found = await widgets.api.ok("PATCH", widgets.path("a/status"), patch, content_type=MERGE)
    assert (found["status"], found["spec"]) == ({"phase": "Running"}, {"size": 3})


async def test_a_status_is_validated(widgets: Widgets) -> None:
    await widgets.create("a")
    path, patch = widgets.path("a/status"), {"status": {"phase": 5}}
    answer = await widgets.api.refused(422, "Invalid", "PATCH", path, patch, content_type=MERGE)
    assert ("status.phase", "FieldValueTypeInvalid") in answer.causes


async def test_a_stale_status_is_a_conflict(widgets: Widgets) -> None:
    made = await widgets.create("a")
    await widgets.api.ok("PATCH", widgets.path("a"), {"spec": {"size": 4}}, content_type=MERGE)
    await widgets.api.refused(409, "Conflict", "PUT", widgets.path("a/status"), made | {"status": {"phase": "x"}})


async def test_a_status_without_a_change_is_no_write(widgets: Widgets) -> None:
    await widgets.create("a")
    patch = {"status": {"phase": "Running"}}
    first = await widgets.api.ok("PATCH", widgets.path("a/status"), patch, content_type=MERGE)
    assert await widgets.api.ok("PATCH", widgets.path("a/status"), patch, content_type=MERGE) == first


async def test_the_status_of_nothing(widgets: Widgets) -> None:
    await widgets.api.refused(404, "NotFound", "GET", widgets.path("none/status"))


async def test_metadata_comes_along_with_the_status_of_a_built_in_kind(api: Api) -> None:
    path = api.path("poddisruptionbudgets", group_version=BUDGETS)
    await api.ok("POST", path, {"metadata": {"name": "a"}, "spec": {"maxUnavailable": 1}})
    uid = (await api.create("configmaps", config_map("b")))["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": uid}
    patch = {"metadata": {"ownerReferences": [owner]}}
    found = await api.ok("PATCH", f"{path}/a/status", patch, content_type=MERGE)
    assert found["metadata"]["ownerReferences"] == [owner]
    del owner["uid"]
    answer = await api.refused(422, "Invalid", "PATCH", f"{path}/a/status", patch, content_type=MERGE)
    assert answer.causes == [("metadata.ownerReferences.uid", "FieldValueInvalid")]


async def test_the_status_of_a_built_in_kind(api: Api) -> None:
    path = api.path("poddisruptionbudgets", group_version=BUDGETS)
    made = await api.ok("POST", path, {"metadata": {"name": "a"}, "spec": {"maxUnavailable": 1}})
    counts = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0}
    status = {**counts, "expectedPods": 3, "observedGeneration": 1}
    wanted = {"status": status, "spec": {"maxUnavailable": 2}}
    answer = await api("PUT", f"{path}/a/status", made | wanted)
    while answer.code == 409:
        # Where the disruption controller runs, it writes this status as well.
        answer = await api("PUT", f"{path}/a/status", await api.ok("GET", f"{path}/a") | wanted)
    found = answer.object
    assert (found["status"]["expectedPods"], found["spec"]) == (3, {"maxUnavailable": 1})
    patch = {"status": {"expectedPods": 9}, "spec": {"maxUnavailable": 5}}
    found = await api.ok("PATCH", f"{path}/a", patch, content_type=MERGE)
    assert found["spec"] == {"maxUnavailable": 5}
    assert found["status"]["expectedPods"] != 9


async def test_the_status_of_a_pod(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    condition = {"type": "Ready", "status": "False", "reason": "Trying"}
    patch: Object = {"status": {"phase": "Running", "conditions": [condition]}, "spec": {"nodeName": "elsewhere"}}
    found = await api.ok("PATCH", api.path("pods", "a/status"), patch, content_type=MERGE)
    assert found["status"]["phase"] == "Running"
    assert found["status"]["conditions"][0]["reason"] == "Trying"
    assert "nodeName" not in found["spec"]
    merge = {"status": {"conditions": [{"type": "Other", "status": "True"}]}}
    media = "application/strategic-merge-patch+json"
    found = await api.ok("PATCH", api.path("pods", "a/status"), merge, content_type=media)
    assert sorted(item["type"] for item in found["status"]["conditions"]) == ["Other", "Ready"]


async def test_a_kind_without_status(api: Api) -> None:
    await api.create("leases", {"metadata": {"name": "a"}}, group_version="coordination.k8s.io/v1")
    assert (await api("GET", api.path("leases", "a/status", group_version="coordination.k8s.io/v1"))).code == 404


async def test_scale_shows_the_replicas(widgets: Widgets) -> None:
    made = await widgets.create("a", replicas=3)
    status = {"status": {"replicas": 2, "selector": "app=x"}}
    changed = await widgets.api.ok("PATCH", widgets.path("a/status"), status, content_type=MERGE)
    assert await widgets.api.ok("GET", widgets.path("a/scale")) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": "a",
            "namespace": widgets.api.namespace,
            "uid": made["metadata"]["uid"],
            "resourceVersion": changed["metadata"]["resourceVersion"],
            "creationTimestamp": made["metadata"]["creationTimestamp"],
        },
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "app=x"},
    }


async def test_scale_writes_the_replicas(widgets: Widgets) -> None:
    await widgets.create("a", replicas=3)
    scale = await widgets.api.ok("GET", widgets.path("a/scale"))
    found = await widgets.api.ok("PUT", widgets.path("a/scale"), scale | {"spec": {"replicas": 5}})
    assert (found["kind"], found["spec"]) == ("Scale", {"replicas": 5})
    widget = await widgets.api.ok("GET", widgets.path("a"))
    assert (widget["spec"]["replicas"], widget["metadata"]["generation"]) == (5, 2)
    await widgets.api.refused(409, "Conflict", "PUT", widgets.path("a/scale"), scale | {"spec": {"replicas": 6}})


async def test_scale_by_patch(widgets: Widgets) -> None:
    await widgets.create("a", replicas=3)
    path, patch = widgets.path("a/scale"), {"spec": {"replicas": 1}}
    assert (await widgets.api.ok("PATCH", path, patch, content_type=MERGE))["spec"] == {"replicas": 1}
    assert (await widgets.api.ok("GET", widgets.path("a")))["spec"]["replicas"] == 1


async def test_scale_is_not_negative(widgets: Widgets) -> None:
    await widgets.create("a", replicas=3)
    path, patch = widgets.path("a/scale"), {"spec": {"replicas": -1}}
    answer = await widgets.api.refused(422, "Invalid", "PATCH", path, patch, content_type=MERGE)
    assert ("spec.replicas", "FieldValueInvalid") in answer.causes


async def test_the_scale_of_nothing(widgets: Widgets) -> None:
    await widgets.api.refused(404, "NotFound", "GET", widgets.path("none/scale"))


async def test_a_kind_without_scale(api: Api) -> None:
    await api.create("configmaps", {"metadata": {"name": "a"}})
    assert (await api("GET", api.path("configmaps", "a/scale"))).code == 404


@pytest.mark.parametrize("subresource", ["status", "scale"])
async def test_there_is_no_delete_of_a_part(widgets: Widgets, subresource: str) -> None:
    await widgets.create("a")
    await widgets.api.refused(405, "MethodNotAllowed", "DELETE", widgets.path(f"a/{subresource}"))
