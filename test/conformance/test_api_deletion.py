"""Deletes: their answers, what holds an object back, what they depend on, and what goes with an object."""

from typing import Any

import pytest

from conformance.api import MERGE, Api, Object, config_map, pending_pod

HOLD = "example.com/hold"


def held(name: str, **meta: Any) -> Object:
    obj = config_map(name)
    obj["metadata"] |= {"finalizers": [HOLD], **meta}
    return obj


async def release(api: Api, name: str) -> Object:
    path = api.path("configmaps", name)
    return await api.ok("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)


async def test_a_delete_is_confirmed(api: Api) -> None:
    made = await api.create("configmaps", config_map("a"))
    answer = await api("DELETE", api.path("configmaps", "a"))
    assert answer.code == 200
    assert answer.object == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]},
    }
    await api.refused(404, "NotFound", "GET", api.path("configmaps", "a"))


async def test_a_delete_in_a_group_is_confirmed(api: Api) -> None:
    await api.create("leases", {"metadata": {"name": "a"}}, group_version="coordination.k8s.io/v1")
    found = await api.ok("DELETE", api.path("leases", "a", group_version="coordination.k8s.io/v1"))
    assert (found["kind"], found["details"]["group"]) == ("Status", "coordination.k8s.io")


@pytest.mark.parametrize("plural", ["pods", "services", "serviceaccounts"])
async def test_some_deletes_answer_with_the_object(api: Api, plural: str) -> None:
    obj: Object = pending_pod("a") if plural == "pods" else {"metadata": {"name": "a"}}
    if plural == "services":
        obj["spec"] = {"clusterIP": "None", "ports": [{"port": 80}]}
    made = await api.create(plural, obj)
    found = await api.ok("DELETE", api.path(plural, "a"))
    assert (found["kind"], found["metadata"]["uid"]) == (made["kind"], made["metadata"]["uid"])
    await api.refused(404, "NotFound", "GET", api.path(plural, "a"))


async def test_endpoints_go_with_their_service(api: Api) -> None:
    await api.create("services", {"metadata": {"name": "a"}, "spec": {"clusterIP": "None"}})
    for name in ("a", "b"):
        await api.create("endpoints", {"metadata": {"name": name}})
    await api.ok("DELETE", api.path("services", "a"))
    await api.refused(404, "NotFound", "GET", api.path("endpoints", "a"))
    await api.ok("GET", api.path("endpoints", "b"))


async def test_a_finalizer_holds_an_object(api: Api) -> None:
    made = await api.create("configmaps", held("a"))
    answer = await api("DELETE", api.path("configmaps", "a"))
    assert answer.code == 200
    meta = answer.object["metadata"]
    assert (answer.object["kind"], meta["uid"], meta["finalizers"]) == ("ConfigMap", made["metadata"]["uid"], [HOLD])
    assert meta["deletionTimestamp"] >= meta["creationTimestamp"]
    assert meta["deletionGracePeriodSeconds"] == 0
    assert (await api.ok("GET", api.path("configmaps", "a")))["metadata"] == meta
    # The answer that lets it go still shows the object.
    assert (await release(api, "a"))["metadata"]["uid"] == made["metadata"]["uid"]
    await api.refused(404, "NotFound", "GET", api.path("configmaps", "a"))


async def test_a_second_delete_changes_nothing(api: Api) -> None:
    await api.create("configmaps", held("a"))
    first = await api.ok("DELETE", api.path("configmaps", "a"))
    assert await api.ok("DELETE", api.path("configmaps", "a")) == first
    await release(api, "a")


async def test_one_of_two_finalizers_is_not_enough(api: Api) -> None:
    obj = held("a")
    obj["metadata"]["finalizers"].append("example.com/other")
    await api.create("configmaps", obj)
    await api.ok("DELETE", api.path("configmaps", "a"))
    patch = {"metadata": {"finalizers": ["example.com/other"]}}
    await api.ok("PATCH", api.path("configmaps", "a"), patch, content_type=MERGE)
    assert (await api.ok("GET", api.path("configmaps", "a")))["metadata"]["finalizers"] == ["example.com/other"]
    await release(api, "a")


async def test_no_finalizer_is_added_to_what_is_being_deleted(api: Api) -> None:
    await api.create("configmaps", held("a"))
    await api.ok("DELETE", api.path("configmaps", "a"))
    path, patch = api.path("configmaps", "a"), {"metadata": {"finalizers": [HOLD, "example.com/late"]}}
    answer = await api.refused(422, "Invalid", "PATCH", path, patch, content_type=MERGE)
    assert answer.causes == [("metadata.finalizers", "FieldValueForbidden")]
    assert 'found new finalizers []string{"example.com/late"}' in answer.message
    await release(api, "a")


async def test_what_is_being_deleted_can_be_changed_but_not_saved(api: Api) -> None:
    await api.create("configmaps", held("a"))
    deleted = await api.ok("DELETE", api.path("configmaps", "a"))
    patch = {"metadata": {"deletionTimestamp": None, "labels": {"x": "y"}}}
    found = await api.ok("PATCH", api.path("configmaps", "a"), patch, content_type=MERGE)
    assert found["metadata"]["deletionTimestamp"] == deleted["metadata"]["deletionTimestamp"]
    assert found["metadata"]["labels"] == {"x": "y"}
    await release(api, "a")


async def test_the_name_is_taken_until_the_object_is_gone(api: Api) -> None:
    await api.create("configmaps", held("a"))
    await api.ok("DELETE", api.path("configmaps", "a"))
    await api.refused(409, "AlreadyExists", "POST", api.path("configmaps"), config_map("a"))
    await release(api, "a")
    await api.create("configmaps", config_map("a"))


async def test_a_held_delete_counts_as_a_change_of_what_is_wanted(api: Api) -> None:
    path = api.path("poddisruptionbudgets", group_version="policy/v1")
    await api.ok("POST", path, {"metadata": {"name": "a", "finalizers": [HOLD]}, "spec": {"maxUnavailable": 1}})
    assert (await api.ok("DELETE", f"{path}/a"))["metadata"]["generation"] == 2
    await api.ok("PATCH", f"{path}/a", {"metadata": {"finalizers": None}}, content_type=MERGE)


@pytest.mark.parametrize("name", ["uid", "resourceVersion"])
async def test_preconditions(api: Api, name: str) -> None:
    made = await api.create("configmaps", config_map("a"))
    path, right = api.path("configmaps", "a"), made["metadata"][name]
    wrong = "00000000-0000-0000-0000-000000000000" if name == "uid" else "1"
    answer = await api.refused(409, "Conflict", "DELETE", path, {"preconditions": {name: wrong}})
    word, hint = {
        "uid": ("UID", "The object might have been deleted and then recreated"),
        "resourceVersion": ("ResourceVersion", "The object might have been modified"),
    }[name]
    assert answer.message == (
        f'Operation cannot be fulfilled on ConfigMap "a": the {word} in the precondition ({wrong}) '
        f"does not match the {word} in record ({right}). {hint}"
    )
    await api.ok("DELETE", path, {"preconditions": {name: right}})


async def test_options_in_the_query(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    await api.ok("DELETE", api.path("configmaps", "a"), dryRun="All")
    await api.ok("GET", api.path("configmaps", "a"))


async def test_options_in_the_body(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}
    await api.ok("DELETE", api.path("configmaps", "a"), body)
    await api.ok("GET", api.path("configmaps", "a"))


async def test_two_ways_of_saying_the_same_exclude_each_other(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    body = {"propagationPolicy": "Background", "orphanDependents": True}
    answer = await api.refused(422, "Invalid", "DELETE", api.path("configmaps", "a"), body)
    assert answer.causes == [("propagationPolicy", "FieldValueInvalid")]


async def test_a_collection(api: Api) -> None:
    for name, label in {"a": "x", "b": "x", "c": "y"}.items():
        await api.create("configmaps", config_map(name, {"l": label}))
    found = await api.ok("DELETE", api.path("configmaps"), labelSelector="l=x")
    assert found["kind"] == "ConfigMapList"
    assert sorted(item["metadata"]["name"] for item in found["items"]) == ["a", "b"]
    left = await api.ok("GET", api.path("configmaps"), labelSelector="l")
    assert [item["metadata"]["name"] for item in left["items"]] == ["c"]


async def test_a_collection_by_field(api: Api) -> None:
    for name in ("a", "b"):
        await api.create("configmaps", config_map(name, {"l": "x"}))
    await api.ok("DELETE", api.path("configmaps"), fieldSelector="metadata.name=a")
    left = await api.ok("GET", api.path("configmaps"), labelSelector="l")
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


async def test_an_empty_collection(api: Api) -> None:
    found = await api.ok("DELETE", api.path("configmaps"), labelSelector="l=none")
    assert (found["kind"], found["items"]) == ("ConfigMapList", [])


async def test_a_collection_in_a_dry_run(api: Api) -> None:
    await api.create("configmaps", config_map("a", {"l": "x"}))
    await api.ok("DELETE", api.path("configmaps"), labelSelector="l=x", dryRun="All")
    await api.ok("GET", api.path("configmaps", "a"))


async def test_a_collection_needs_a_namespace(api: Api) -> None:
    await api.refused(405, "MethodNotAllowed", "DELETE", "/api/v1/configmaps", labelSelector="l=none")


def owned(name: str, owner: Object, *, blocking: bool = False) -> Object:
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **({"blockOwnerDeletion": True} if blocking else {}),
    }
    obj = config_map(name)
    obj["metadata"]["ownerReferences"] = [reference]
    return obj


async def test_foreground_deletion_waits_for_dependents(api: Api) -> None:
    owner = await api.create("configmaps", held("owner"))
    body = {"propagationPolicy": "Foreground"}
    found = await api.ok("DELETE", api.path("configmaps", "owner"), body)
    assert sorted(found["metadata"]["finalizers"]) == [HOLD, "foregroundDeletion"]
    assert found["metadata"]["uid"] == owner["metadata"]["uid"]
    await release(api, "owner")


async def test_orphaning_is_a_finalizer(api: Api) -> None:
    await api.create("configmaps", held("owner"))
    found = await api.ok("DELETE", api.path("configmaps", "owner"), {"propagationPolicy": "Orphan"})
    assert sorted(found["metadata"]["finalizers"]) == [HOLD, "orphan"]
    await release(api, "owner")


@pytest.mark.controllers
@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_dependents_go_with_their_owner(api: Api, policy: str) -> None:
    owner = await api.create("configmaps", config_map("owner"))
    await api.create("configmaps", owned("child", owner, blocking=True))
    await api.ok("DELETE", api.path("configmaps", "owner"), {"propagationPolicy": policy})
    await api.gone(api.path("configmaps", "child"))
    await api.gone(api.path("configmaps", "owner"))


@pytest.mark.controllers
async def test_a_dependent_that_is_held_holds_its_owner(api: Api) -> None:
    owner = await api.create("configmaps", config_map("owner"))
    child = owned("child", owner, blocking=True)
    child["metadata"]["finalizers"] = [HOLD]
    await api.create("configmaps", child)
    await api.ok("DELETE", api.path("configmaps", "owner"), {"propagationPolicy": "Foreground"})
    path = api.path("configmaps", "child")
    await api.until(path, lambda answer: "deletionTimestamp" in answer.object["metadata"])
    await api.ok("GET", api.path("configmaps", "owner"))
    await release(api, "child")
    await api.gone(api.path("configmaps", "owner"))


@pytest.mark.controllers
async def test_orphans_stay(api: Api) -> None:
    owner = await api.create("configmaps", config_map("owner"))
    await api.create("configmaps", owned("child", owner))
    await api.ok("DELETE", api.path("configmaps", "owner"), {"propagationPolicy": "Orphan"})
    await api.gone(api.path("configmaps", "owner"))
    child = await api.ok("GET", api.path("configmaps", "child"))
    assert "ownerReferences" not in child["metadata"]


@pytest.mark.controllers
async def test_a_dependent_of_nothing_goes(api: Api) -> None:
    owner = await api.create("configmaps", config_map("owner"))
    await api.ok("DELETE", api.path("configmaps", "owner"))
    await api.create("configmaps", owned("late", owner))
    await api.gone(api.path("configmaps", "late"))
