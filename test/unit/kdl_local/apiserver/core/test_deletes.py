from datetime import timedelta
from typing import Any

import pytest

from kdl_runtime.codec.times import format_time
from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, PODS, WIDGETS, Api, StillClock, config_map, pod, widget

MERGE = {"content_type": "application/merge-patch+json"}


async def test_a_deleted_object_is_gone_and_confirmed(api: Api) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    status = await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    assert (await api("GET", f"{CONFIG_MAPS}/a")).code == 404
    assert (await api("DELETE", f"{CONFIG_MAPS}/a")).message == 'configmaps "a" not found'


async def test_finalizers_hold_a_deleted_object(widgets: Api) -> None:
    body = widget("w")
    body["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
    created = await widgets.ok("POST", WIDGETS, body)
    marked = await widgets.ok("DELETE", f"{WIDGETS}/w")
    meta = marked["metadata"]
    assert meta["deletionTimestamp"] == "2026-01-31T12:00:00Z"
    assert meta["deletionGracePeriodSeconds"] == 0
    assert meta["generation"] == created["metadata"]["generation"] + 1
    assert await widgets.ok("DELETE", f"{WIDGETS}/w") == marked, "a second delete changes nothing"
    more = await widgets("PATCH", f"{WIDGETS}/w", {"metadata": {"finalizers": ["example.com/c"]}}, **MERGE)
    assert more.code == 422
    assert 'no new finalizers can be added if the object is being deleted, found new finalizers []string{"exam' in (
        more.message
    )
    fewer = await widgets.ok("PATCH", f"{WIDGETS}/w", {"metadata": {"finalizers": ["example.com/b"]}}, **MERGE)
    assert fewer["metadata"]["finalizers"] == ["example.com/b"]
    last = await widgets.ok("PATCH", f"{WIDGETS}/w", {"metadata": {"finalizers": None}}, **MERGE)
    assert "finalizers" not in last["metadata"]
    assert (await widgets("GET", f"{WIDGETS}/w")).code == 404


@pytest.mark.parametrize(
    ("preconditions", "message"),
    [
        ({"uid": "another"}, "the UID in the precondition (another) does not match the UID in record ("),
        ({"resourceVersion": "1"}, "the ResourceVersion in the precondition (1) does not match the ResourceVersion in"),
    ],
)
async def test_preconditions_of_a_delete(api: Api, preconditions: dict[str, str], message: str) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    refused = await api("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": preconditions})
    assert (refused.code, refused.object["reason"]) == (409, "Conflict")
    assert message in refused.message
    meta = created["metadata"]
    right = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    await api.ok("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": right})


@pytest.mark.parametrize(
    ("options", "finalizers"),
    [
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"orphanDependents": True}, ["orphan"]),
        ({"propagationPolicy": "Background"}, None),
        ({"orphanDependents": False}, None),
        ({}, None),
    ],
)
async def test_the_propagation_policy_becomes_a_finalizer(
    api: Api, options: dict[str, Any], finalizers: list[str] | None
) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    await api.ok("DELETE", f"{CONFIG_MAPS}/a", options)
    after = await api("GET", f"{CONFIG_MAPS}/a")
    if finalizers is None:
        assert after.code == 404
    else:
        assert after.object["metadata"]["finalizers"] == finalizers
        assert "deletionTimestamp" in after.object["metadata"]


async def test_an_unknown_policy_is_refused(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    for options in ({"propagationPolicy": "Never"}, {"propagationPolicy": "Orphan", "orphanDependents": True}):
        refused = await api("DELETE", f"{CONFIG_MAPS}/a", options)
        assert refused.code == 422
        assert "propagationPolicy" in refused.message


async def test_a_pod_on_a_node_is_deleted_gracefully(api: Api, clock: StillClock) -> None:
    await api.ok("POST", PODS, pod("p", nodeName="n", terminationGracePeriodSeconds=10))
    marked = await api.ok("DELETE", f"{PODS}/p")
    assert marked["kind"] == "Pod"
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-31T12:00:10Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 10
    clock.moment += timedelta(seconds=3)
    longer = await api.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 60})
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 10
    shorter = await api.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 5})
    assert shorter["metadata"]["deletionTimestamp"] == "2026-01-31T12:00:05Z"
    gone = await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    assert gone["kind"] == "Pod"
    assert (await api("GET", f"{PODS}/p")).code == 404


async def test_a_deletion_does_not_end_in_the_past(api: Api, clock: StillClock) -> None:
    """What the kubelet confirms by a grace period of 0 is told as of now; the moment of the first delete is lost."""
    for name, asked, left in (("confirmed", 0, 0), ("shortened", 2, 1)):
        body = pod(name, nodeName="n", terminationGracePeriodSeconds=10)
        body["metadata"]["finalizers"] = ["kdl.io/outcome"]
        await api.ok("POST", PODS, body)
        await api.ok("DELETE", f"{PODS}/{name}")
        clock.moment += timedelta(seconds=3)
        await api.ok("DELETE", f"{PODS}/{name}?gracePeriodSeconds={asked}")
        meta = (await api.ok("GET", f"{PODS}/{name}"))["metadata"]
        assert meta["deletionTimestamp"] == format_time(clock.moment)
        assert meta["deletionGracePeriodSeconds"] == left


async def test_a_finalizer_outlives_the_grace_period(api: Api) -> None:
    body = pod("p", nodeName="n")
    body["metadata"]["finalizers"] = ["kdl.io/outcome"]
    await api.ok("POST", PODS, body)
    await api.ok("DELETE", f"{PODS}/p")
    await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    held = await api.ok("GET", f"{PODS}/p")
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    await api.ok("PATCH", f"{PODS}/p", {"metadata": {"finalizers": None}}, **MERGE)
    assert (await api("GET", f"{PODS}/p")).code == 404


async def test_removing_the_finalizer_does_not_cut_the_grace_period_short(api: Api) -> None:
    body = pod("p", nodeName="n")
    body["metadata"]["finalizers"] = ["kdl.io/outcome"]
    await api.ok("POST", PODS, body)
    await api.ok("DELETE", f"{PODS}/p")
    await api.ok("PATCH", f"{PODS}/p", {"metadata": {"finalizers": None}}, **MERGE)
    assert (await api("GET", f"{PODS}/p")).code == 200


@pytest.mark.parametrize("phase", [None, "Succeeded", "Failed"])
async def test_a_pod_that_does_not_run_goes_at_once(api: Api, phase: str | None) -> None:
    await api.ok("POST", PODS, pod("p", **({"nodeName": "n"} if phase else {})))
    if phase:
        await api.ok("PATCH", f"{PODS}/p/status", {"status": {"phase": phase}}, **MERGE)
    await api.ok("DELETE", f"{PODS}/p")
    assert (await api("GET", f"{PODS}/p")).code == 404


async def test_deletecollection_takes_what_is_selected(api: Api) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        await api.ok("POST", CONFIG_MAPS, config_map(name, {"color": color}))
    deleted = await api.ok("DELETE", f"{CONFIG_MAPS}?labelSelector=color%3Dred")
    assert deleted["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a", "c"]
    left = await api.ok("GET", CONFIG_MAPS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


async def test_a_namespace_waits_for_its_finalizer(api: Api) -> None:
    created = await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert (created["spec"], created["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
    going = await api.ok("DELETE", "/api/v1/namespaces/team")
    assert going["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in going["metadata"]
    finalized = {**going, "spec": {"finalizers": []}}
    await api.ok("PUT", "/api/v1/namespaces/team/finalize", finalized)
    assert (await api("GET", "/api/v1/namespaces/team")).code == 404


async def test_the_system_keeps_its_namespaces(api: Api) -> None:
    refused = await api("DELETE", "/api/v1/namespaces/default")
    assert (refused.code, refused.message) == (
        403,
        'namespaces "default" is forbidden: this namespace may not be deleted',
    )
