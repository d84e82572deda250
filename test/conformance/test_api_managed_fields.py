"""``managedFields``: who owns fields after writes that are no applies, and how clients change the record itself."""

import json

import pytest

from conformance.api import JSON_PATCH, MERGE, STRATEGIC, Api, Object, config_map, pending_pod
from conformance.applying import Applier, config_maps, conflicts, owners
from conformance.widgets import Widgets

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture
def apply(api: Api) -> Applier:
    return config_maps(api)


def with_meta(obj: Object, **metadata: object) -> Object:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


async def test_a_create_owns_what_it_says_and_the_defaults(api: Api) -> None:
    made = await api.create("pods", pending_pod("a"), fieldManager="p")
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("p", "Update", "v1")
    container: Object = {".": {}} | {
        f"f:{name}": {}
        for name in (
            "command",
            "image",
            "imagePullPolicy",
            "name",
            "resources",
            "terminationMessagePath",
            "terminationMessagePolicy",
        )
    }
    scalars = (
        "automountServiceAccountToken",
        "dnsPolicy",
        "enableServiceLinks",
        "restartPolicy",
        "schedulerName",
        "securityContext",
        "terminationGracePeriodSeconds",
    )
    fields: Object = {f"f:{name}": {} for name in scalars} | {"f:containers": {'k:{"name":"main"}': container}}
    assert entry["fieldsV1"] == {"f:spec": fields}


async def test_a_create_of_a_custom_resource(widgets: Widgets) -> None:
    made = await widgets.api.ok("POST", widgets.path(), widgets.new("a", tags=["x"]), fieldManager="p")
    (entry,) = made["metadata"]["managedFields"]
    tags: Object = {".": {}, 'v:"x"': {}}
    assert entry["fieldsV1"] == {"f:spec": {".": {}, "f:size": {}, "f:tags": tags}}


async def test_metadata_that_is_owned(api: Api) -> None:
    obj = with_meta(config_map("", {"l": "1"}), generateName="a-", annotations={"e.com/a": "1"})
    del obj["metadata"]["name"]
    made = await api.create("configmaps", obj, fieldManager="p")
    assert owners(made)["Update p"] == {
        "metadata/generateName",
        "metadata/labels",
        "metadata/labels/l",
        "metadata/annotations",
        "metadata/annotations/e.com/a",
    }


@pytest.mark.parametrize(
    ("agent", "manager"),
    [("agent/v1.2 (linux)", "agent"), ("plain", "plain"), ("m" * 200 + "/v1", "m" * 128), ("/x", "unknown")],
)
async def test_the_manager_of_whoever_names_none(api: Api, agent: str, manager: str) -> None:
    made = await api.ok("POST", api.path("configmaps"), config_map("a", x="1"), user_agent=agent)
    assert owners(made) == {f"Update {manager}": {"data", "data/x"}}


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        (MERGE, {"data": {"x": "2"}}),
        (STRATEGIC, {"data": {"x": "2"}}),
        (JSON_PATCH, [{"op": "replace", "path": "/data/x", "value": "2"}]),
    ],
)
async def test_a_patch_owns_what_it_changes(api: Api, media: str, patch: object) -> None:
    await api.create("configmaps", config_map("a", x="1", y="1"), fieldManager="p")
    found = await api.ok("PATCH", api.path("configmaps", "a"), patch, content_type=media, fieldManager="m")
    assert owners(found) == {"Update p": {"data", "data/y"}, "Update m": {"data/x"}}


async def test_an_update_without_a_change_owns_nothing(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", x="1"), fieldManager="p")
    assert await api.ok("PUT", api.path("configmaps", "a"), config_map("a", x="1"), fieldManager="u") == made


async def test_the_time_of_a_change_alone_is_no_change(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", x="1"))
    (owner,) = made["metadata"]["managedFields"]
    sent = with_meta(made, managedFields=[owner | {"time": "2020-01-01T00:00:00Z"}])
    assert await api.ok("PUT", api.path("configmaps", "a"), sent) == made


async def test_nobody_owns_what_a_replaced_service_keeps(api: Api) -> None:
    headless = {"spec": {"clusterIP": "None", "selector": {"app": "x"}}}
    made = await api.create("services", {"metadata": {"name": "a"}, **headless}, fieldManager="p")
    assert "spec/clusterIP" in owners(made)["Update p"]
    replaced = {"metadata": {"name": "a"}, "spec": {"selector": {"app": "x"}}}
    found = await api.ok("PUT", api.path("services", "a"), replaced, fieldManager="u")
    assert found["spec"]["clusterIP"] == "None"
    assert not any("spec/clusterIP" in fields for fields in owners(found).values())


async def test_updates_of_one_manager_are_one_entry(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1"), fieldManager="p")
    path = api.path("configmaps", "a")
    for name in ("y", "z"):
        found = await api.ok("PATCH", path, {"data": {name: "1"}}, content_type=MERGE, fieldManager="m")
    assert owners(found) == {"Update p": {"data", "data/x"}, "Update m": {"data/y", "data/z"}}


async def test_a_replacement_moves_fields(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1", y="1"), fieldManager="p")
    found = await api.ok("PUT", api.path("configmaps", "a"), config_map("a", x="2", z="1"), fieldManager="u")
    assert owners(found) == {"Update p": {"data"}, "Update u": {"data/x", "data/z"}}


async def test_whoever_owns_nothing_any_more_is_forgotten(api: Api) -> None:
    await api.create("configmaps", config_map("a", {"l": "1"}, x="1"), fieldManager="p")
    path = api.path("configmaps", "a")
    await api.ok("PATCH", path, {"data": {"y": "1"}}, content_type=MERGE, fieldManager="m")
    found = await api.ok("PATCH", path, {"data": {"y": None}}, content_type=MERGE, fieldManager="n")
    assert set(owners(found)) == {"Update p"}


async def test_the_status_is_owned_through_its_subresource(api: Api) -> None:
    await api.create("pods", pending_pod("a"), fieldManager="p")
    patch = {"status": {"message": "hello"}, "metadata": {"labels": {"x": "1"}}}
    path = api.path("pods", "a/status")
    found = await api.ok("PATCH", path, patch, content_type=MERGE, fieldManager="kubelet")
    assert owners(found)["Update kubelet status"] == {"metadata/labels", "metadata/labels/x", "status/message"}


async def test_more_than_ten_updaters_are_folded(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1"), fieldManager="m00")
    path = api.path("configmaps", "a")
    for number in range(1, 12):
        patch = {"data": {f"k{number:02}": "1"}}
        found = await api.ok("PATCH", path, patch, content_type=MERGE, fieldManager=f"m{number:02}")
    assert set(owners(found)) == {"Update ancient-changes", *(f"Update m{number:02}" for number in range(3, 12))}
    assert owners(found)["Update ancient-changes"] == {"data", "data/x", "data/k01", "data/k02"}


# ---- the record itself


@pytest.mark.parametrize("nobody", [[], [{}]])
async def test_the_record_can_be_reset(api: Api, nobody: list[Object]) -> None:
    made = await api.create("configmaps", config_map("a", x="1"))
    body = with_meta(config_map("a", x="1"), managedFields=nobody)
    found = await api.ok("PUT", api.path("configmaps", "a"), body)
    assert "managedFields" not in found["metadata"]
    assert found["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_after_a_reset_updates_are_not_recorded(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1"))
    path = api.path("configmaps", "a")
    await api.ok("PATCH", path, {"metadata": {"managedFields": [{}]}}, content_type=MERGE)
    assert owners(await api.ok("PATCH", path, {"data": {"x": "2"}}, content_type=MERGE)) == {}


@pytest.mark.parametrize("sent", [None, "nothing"])
async def test_a_replacement_without_the_record_keeps_it(api: Api, sent: object) -> None:
    made = await api.create("configmaps", config_map("a", x="1"), fieldManager="p")
    body = config_map("a", x="1") if sent else with_meta(config_map("a", x="1"), managedFields=None)
    assert await api.ok("PUT", api.path("configmaps", "a"), body, fieldManager="u") == made


async def test_the_record_can_be_written(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1"), fieldManager="p")
    path = api.path("configmaps", "a")
    renamed = [{"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "q"}]
    found = await api.ok("PATCH", path, renamed, content_type=JSON_PATCH)
    assert owners(found) == {"Update q": {"data", "data/x"}}
    entry = {"manager": "r", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    patch = {"metadata": {"managedFields": [{**entry, "fieldsV1": {"f:data": {"f:x": {}}}}]}}
    found = await api.ok("PATCH", path, patch, content_type=MERGE)
    assert owners(found) == {"Apply r": {"data/x"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "Nope"},
        {"apiVersion": ""},
        {"fieldsType": "FieldsV2"},
        {"fieldsV1": {"nothing": {}}},
        {"fieldsV1": {"k:nothing": {}}},
    ],
)
async def test_a_record_that_cannot_be_read_is_passed_over(api: Api, wrong: Object) -> None:
    made = await api.create("configmaps", config_map("a", x="1"), fieldManager="p")
    entry = {"manager": "q", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
    patch = {"metadata": {"managedFields": [{**entry, **wrong}]}}
    assert await api.ok("PATCH", api.path("configmaps", "a"), patch, content_type=MERGE) == made


async def test_a_record_in_a_new_object(api: Api) -> None:
    fields = {"f:data": {"f:x": {}}, "f:metadata": {"f:labels": {"f:l": {}}}}
    entry = {"manager": "q", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    made = await api.create("configmaps", with_meta(config_map("a", x="1"), managedFields=[entry]), fieldManager="p")
    assert owners(made) == {"Apply q": {"metadata/labels/l"}, "Update p": {"data", "data/x"}}


async def test_the_record_of_a_status_update_is_not_taken(api: Api) -> None:
    made = await api.create("pods", pending_pod("a"), fieldManager="p")
    patch: Object = {"metadata": {"managedFields": [{}]}}
    found = await api.ok("PATCH", api.path("pods", "a/status"), patch, content_type=MERGE, fieldManager="m")
    assert owners(found) == owners(made)


async def test_a_deletion_is_nobodys(api: Api) -> None:
    made = await api.create("configmaps", with_meta(config_map("a"), finalizers=["e.com/x"]), fieldManager="p")
    path = api.path("configmaps", "a")
    await api.ok("DELETE", path)
    found = await api.ok("GET", path)
    assert "deletionTimestamp" in found["metadata"]
    assert owners(found) == owners(made) == {"Update p": {"metadata/finalizers", 'metadata/finalizers/"e.com/x"'}}
    await api.ok("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)


# ---- the way from client-side apply


async def test_kubectl_may_change_what_it_applied_before(apply: Applier) -> None:
    stated = config_map("a", x="1", y="1")
    text = {LAST_APPLIED: json.dumps(stated)}
    await apply.api.create("configmaps", with_meta(stated, annotations=text), fieldManager="kubectl-client-side-apply")
    found = await apply.ok("kubectl", {"data": {"x": "2"}})
    assert found["data"] == {"x": "2", "y": "1"}
    assert json.loads(found["metadata"]["annotations"][LAST_APPLIED])["data"] == {"x": "2"}


async def test_others_may_not(apply: Applier) -> None:
    stated = config_map("a", x="1")
    text = {LAST_APPLIED: json.dumps(stated)}
    await apply.api.create("configmaps", with_meta(stated, annotations=text), fieldManager="p")
    assert conflicts(await apply("a", {"data": {"x": "2"}})) == {(".data.x", 'conflict with "p" using v1')}


async def test_what_has_changed_since_is_a_conflict_for_kubectl_too(apply: Applier) -> None:
    stated = config_map("a", x="1")
    text = {LAST_APPLIED: json.dumps(stated)}
    await apply.api.create("configmaps", with_meta(stated, annotations=text), fieldManager="p")
    await apply.api.ok("PATCH", apply.path, {"data": {"x": "7"}}, content_type=MERGE, fieldManager="m")
    assert conflicts(await apply("kubectl", {"data": {"x": "2"}})) == {(".data.x", 'conflict with "m" using v1')}
