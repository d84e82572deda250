import pytest

from kdl_local.apiserver.statuses import no_such_path
from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, PODS, WIDGETS, Api, config_map, pod, widget


async def _names(api: Api, url: str) -> list[str]:
    found = await api.ok("GET", url)
    return [item["metadata"]["name"] for item in found["items"]]


async def _fill(api: Api, *names: str) -> None:
    for name in names:
        await api.ok("POST", CONFIG_MAPS, config_map(name))


async def test_a_list_has_its_kind_and_a_revision(widgets: Api) -> None:
    empty = await widgets.ok("GET", WIDGETS)
    assert (empty["kind"], empty["apiVersion"], empty["items"]) == ("WidgetList", "example.com/v1", [])
    await widgets.ok("POST", WIDGETS, widget("b"))
    created = await widgets.ok("POST", WIDGETS, widget("a"))
    full = await widgets.ok("GET", WIDGETS)
    assert full["metadata"] == {"continue": "", "resourceVersion": created["metadata"]["resourceVersion"]}
    assert [item["metadata"]["name"] for item in full["items"]] == ["a", "b"]


async def test_only_items_of_custom_types_carry_their_type(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget("a"))
    await _fill(widgets, "a")
    (custom,) = (await widgets.ok("GET", WIDGETS))["items"]
    (builtin,) = (await widgets.ok("GET", CONFIG_MAPS))["items"]
    assert (custom["kind"], custom["apiVersion"]) == ("Widget", "example.com/v1")
    assert "kind" not in builtin and "apiVersion" not in builtin


async def test_namespaces_divide_a_list(api: Api) -> None:
    await _fill(api, "a")
    await api.ok("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("b"))
    assert await _names(api, CONFIG_MAPS) == ["a"]
    assert await _names(api, "/api/v1/configmaps") == ["a", "b"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("labelSelector=color%3Dred", ["a", "c"]),
        ("labelSelector=color!%3Dred", ["b", "d"]),
        ("labelSelector=color%20in%20(red,blue),!old", ["a", "b"]),
        ("labelSelector=!color", ["d"]),
        ("fieldSelector=metadata.name%3Db", ["b"]),
        ("fieldSelector=metadata.name!%3Db", ["a", "c", "d"]),
        ("fieldSelector=metadata.namespace%3Ddefault,metadata.name%3Dd", ["d"]),
        ("fieldSelector=metadata.name%3Da&labelSelector=color%3Dblue", []),
    ],
)
async def test_selectors(api: Api, selector: str, names: list[str]) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a", {"color": "red"}))
    await api.ok("POST", CONFIG_MAPS, config_map("b", {"color": "blue"}))
    await api.ok("POST", CONFIG_MAPS, config_map("c", {"color": "red", "old": ""}))
    await api.ok("POST", CONFIG_MAPS, config_map("d"))
    assert await _names(api, f"{CONFIG_MAPS}?{selector}") == names


async def test_pods_are_found_by_node_and_phase(api: Api) -> None:
    await api.ok("POST", PODS, pod("a", nodeName="n1"))
    await api.ok("POST", PODS, pod("b"))
    assert await _names(api, "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1") == ["a"]
    assert await _names(api, "/api/v1/pods?fieldSelector=spec.nodeName%3D") == ["b"]
    assert await _names(api, "/api/v1/pods?fieldSelector=status.phase%3DPending") == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("fieldSelector=spec.color%3Dred", '"spec.color" is not a known field selector'),
        ("fieldSelector=nonsense", "invalid field selector"),
        ("labelSelector=a%3D%3D%3Db", "unable to parse"),
        ("limit=few", 'parsing "few": invalid syntax'),
        ("continue=xyz", "continue key is not valid"),
        ("resourceVersion=abc", 'resourceVersion: Invalid value: "abc"'),
        ("watch=perhaps", "watch"),
    ],
)
async def test_a_query_that_cannot_be_read(api: Api, query: str, message: str) -> None:
    answer = await api("GET", f"{CONFIG_MAPS}?{query}")
    assert (answer.code, answer.object["reason"]) == (400, "BadRequest")
    assert message in answer.message


async def test_pages_show_one_state(api: Api) -> None:
    await _fill(api, "a", "b", "c", "d", "e")
    first = await api.ok("GET", f"{CONFIG_MAPS}?limit=2")
    revision, token = first["metadata"]["resourceVersion"], first["metadata"]["continue"]
    assert first["metadata"]["remainingItemCount"] == 3
    await api.ok("DELETE", f"{CONFIG_MAPS}/d")
    await api.ok("PUT", f"{CONFIG_MAPS}/c", config_map("c", x="changed"))
    await _fill(api, "bb")
    second = await api.ok("GET", f"{CONFIG_MAPS}?limit=2&continue={token}")
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d"]
    assert "data" not in second["items"][0] or second["items"][0]["data"] == {}
    assert second["metadata"]["resourceVersion"] == revision
    last = await api.ok("GET", f"{CONFIG_MAPS}?limit=2&continue={second['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in last["items"]] == ["e"]
    assert "continue" not in last["metadata"] and "remainingItemCount" not in last["metadata"]
    assert await _names(api, CONFIG_MAPS) == ["a", "b", "bb", "c", "e"]


async def test_the_rest_of_a_selected_list_is_not_counted(api: Api) -> None:
    await _fill(api, "a", "b")
    meta = (await api.ok("GET", f"{CONFIG_MAPS}?limit=1&labelSelector=!x"))["metadata"]
    assert meta["continue"] and "remainingItemCount" not in meta


async def test_a_continue_token_expires(forgetful: Api) -> None:
    await _fill(forgetful, "a", "b")
    token = (await forgetful.ok("GET", f"{CONFIG_MAPS}?limit=1"))["metadata"]["continue"]
    await _fill(forgetful, "c")
    answer = await forgetful("GET", f"{CONFIG_MAPS}?limit=1&continue={token}")
    assert (answer.code, answer.object["reason"]) == (410, "Expired")
    assert answer.message.startswith("The provided continue parameter is too old to display a consistent list result.")


async def test_resource_versions_of_a_list(api: Api) -> None:
    await _fill(api, "a")
    revision = int((await api.ok("GET", CONFIG_MAPS))["metadata"]["resourceVersion"])
    await _fill(api, "b")
    assert await _names(api, f"{CONFIG_MAPS}?resourceVersion=0") == ["a", "b"]
    assert await _names(api, f"{CONFIG_MAPS}?resourceVersion={revision}") == ["a", "b"]
    exact = f"{CONFIG_MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact"
    assert await _names(api, exact) == ["a"]
    assert (await api.ok("GET", exact))["metadata"]["resourceVersion"] == str(revision)
    future = await api("GET", f"{CONFIG_MAPS}?resourceVersion={revision + 100}")
    assert (future.code, future.object["reason"]) == (504, "Timeout")
    assert future.object["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert future.response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "query",
    [
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=Sometimes&resourceVersion=1",
        "resourceVersionMatch=Exact&resourceVersion=0",
        "resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x",
    ],
)
async def test_combinations_that_are_excluded(api: Api, query: str) -> None:
    answer = await api("GET", f"{CONFIG_MAPS}?{query}")
    assert (answer.code, answer.object["reason"]) == (422, "Invalid")
    assert answer.message.startswith("ListOptions.meta.k8s.io")


async def test_an_object_can_be_read_in_every_version(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget("a", color="red"))
    other = await widgets.ok("GET", WIDGETS.replace("v1", "v2") + "/a")
    assert (other["apiVersion"], other["spec"]["color"]) == ("example.com/v2", "red")
    (item,) = (await widgets.ok("GET", WIDGETS.replace("v1", "v2")))["items"]
    assert item == other
    body = {**widget("b"), "apiVersion": "example.com/v2"}
    assert (await widgets.ok("POST", WIDGETS.replace("v1", "v2"), body))["apiVersion"] == "example.com/v2"
    assert (await widgets.ok("GET", f"{WIDGETS}/b"))["apiVersion"] == "example.com/v1"


async def test_both_apis_of_events_show_the_same_events(api: Api) -> None:
    body = {
        "metadata": {"name": "e"},
        "eventTime": "2026-01-31T12:00:00.000000Z",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
        "reason": "Started",
        "note": "it runs",
        "type": "Normal",
        "action": "Start",
        "reportingController": "example.com/x",
        "reportingInstance": "x-1",
    }
    await api.ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events", body)
    url = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp"
    (event,) = (await api.ok("GET", url))["items"]
    assert (event["involvedObject"]["name"], event["message"]) == ("p", "it runs")


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


async def test_a_list_as_a_table(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget("a", color="red"))
    table = await widgets.ok("GET", WIDGETS, accept=TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Color"]
    assert [row["cells"] for row in table["rows"]] == [["a", "red"]]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["metadata"]["resourceVersion"]
    one = await widgets.ok("GET", f"{WIDGETS}/a?includeObject=Object", accept=TABLE)
    assert one["rows"][0]["object"]["spec"]["color"] == "red"


async def test_a_list_of_metadata(widgets: Api) -> None:
    created = await widgets.ok("POST", WIDGETS, widget("a", color="red"))
    found = await widgets.ok("GET", WIDGETS, accept=METADATA)
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": created["metadata"]}
    assert found["items"] == [partial]


async def test_an_object_as_yaml(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a", x="yes"))
    answer = await api("GET", f"{CONFIG_MAPS}/a", accept="application/yaml")
    assert answer.response.content_type == "application/yaml"
    assert b"x: 'yes'" in answer.object


async def test_a_form_that_cannot_be_given(api: Api) -> None:
    answer = await api("GET", CONFIG_MAPS, accept="application/vnd.kubernetes.protobuf")
    assert (answer.code, answer.object["reason"]) == (406, "NotAcceptable")
    assert "application/json" in answer.message


async def test_documents(api: Api) -> None:
    assert (await api.ok("GET", "/version"))["minor"] == "37"
    assert (await api.ok("GET", "/api"))["versions"] == ["v1"]
    assert (await api.ok("GET", "/api/v1"))["groupVersion"] == "v1"
    for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
        assert (await api("GET", path)).object == b"ok"
    assert "/api/v1/pods" in (await api.ok("GET", "/openapi/v2"))["paths"]
    assert (await api("GET", "/openapi/v9")).message == no_such_path().message


async def test_reviews_are_answered_and_not_stored(api: Api) -> None:
    url = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    spec = {"resourceAttributes": {"verb": "create", "resource": "pods"}}
    answer = await api("POST", url, {"spec": spec})
    assert answer.code == 201
    assert (answer.object["kind"], answer.object["spec"]) == ("SelfSubjectAccessReview", spec)
    assert answer.object["status"]["allowed"] is True
    who = await api.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert who["status"]["userInfo"]["username"] == "system:admin"
    assert (await api("GET", url)).code == 405
