from typing import Any

from unit.kdl_local.apiserver.core.rig import WIDGETS, Api, widget, widget_crd

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGET_CRD = f"{CRDS}/widgets.example.com"
MERGE = {"content_type": "application/merge-patch+json"}


def _conditions(obj: dict[str, Any]) -> dict[str, str]:
    return {item["type"]: item["status"] for item in obj["status"]["conditions"]}


async def test_a_crd_is_served_at_once(api: Api) -> None:
    await api.ok("POST", CRDS, widget_crd())
    stored = await api.ok("GET", WIDGET_CRD)
    assert _conditions(stored) == {"NamesAccepted": "True", "Established": "True"}
    assert stored["metadata"]["generation"] == 1
    group = await api.ok("GET", "/apis/example.com/v1")
    assert {item["name"] for item in group["resources"]} == {"widgets", "widgets/status", "widgets/scale"}
    created = await api.ok("POST", WIDGETS, widget("w"))
    assert created["spec"] == {"replicas": 1}


async def test_an_invalid_crd_is_refused(api: Api) -> None:
    body = widget_crd()
    body["metadata"]["name"] = "gadgets.example.com"
    answer = await api("POST", CRDS, body)
    assert (answer.code, answer.object["reason"]) == (422, "Invalid")
    assert 'CustomResourceDefinition.apiextensions.k8s.io "gadgets.example.com" is invalid' in answer.message


async def test_objects_are_validated_by_the_schema(widgets: Api) -> None:
    answer = await widgets("POST", WIDGETS, widget("w", replicas=-1))
    assert answer.code == 422
    assert answer.message.startswith('Widget.example.com "w" is invalid: [spec.replicas: Invalid value: -1')
    assert answer.object["details"]["causes"][0]["field"] == "spec.replicas"


async def test_a_changed_crd_changes_what_is_served(widgets: Api) -> None:
    stored = await widgets.ok("GET", WIDGET_CRD)
    stored["spec"]["versions"] = stored["spec"]["versions"][:1]
    await widgets.ok("PUT", WIDGET_CRD, stored)
    assert (await widgets("GET", WIDGETS.replace("v1", "v2"))).code == 404
    assert (await widgets("GET", WIDGETS)).code == 200


async def test_a_new_default_is_filled_in_by_the_next_write_of_any_kind(widgets: Api) -> None:
    created = await widgets.ok("POST", WIDGETS, widget("w"))
    stored = await widgets.ok("GET", WIDGET_CRD)
    for version in stored["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["color"]["default"] = "grey"
    await widgets.ok("PUT", WIDGET_CRD, stored)
    before = widgets.server.store.revision
    written = await widgets.ok("PATCH", f"{WIDGETS}/w/status", {}, **MERGE)
    assert created["spec"] == {"replicas": 1}
    assert written["spec"] == {"replicas": 1, "color": "grey"}
    assert widgets.server.store.revision == before + 1
    assert await widgets.ok("GET", f"{WIDGETS}/w") == written


async def test_a_label_on_the_crd_does_not_build_its_types_anew(widgets: Api) -> None:
    revision = widgets.server.types.revision
    await widgets.ok("PATCH", WIDGET_CRD, {"metadata": {"labels": {"a": "b"}}}, **MERGE)
    assert widgets.server.types.revision == revision


async def test_a_deleted_crd_takes_its_objects_along(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget("w"))
    await widgets.ok("DELETE", WIDGET_CRD)
    assert (await widgets("GET", WIDGET_CRD)).code == 404
    assert (await widgets("GET", WIDGETS)).message == "the server could not find the requested resource"
    await widgets.ok("POST", CRDS, widget_crd())
    assert (await widgets.ok("GET", WIDGETS))["items"] == []


async def test_a_deleted_crd_waits_for_the_finalizers_of_its_objects(widgets: Api) -> None:
    body = widget("w")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await widgets.ok("POST", WIDGETS, body)
    await widgets.ok("DELETE", WIDGET_CRD)
    going = await widgets.ok("GET", WIDGET_CRD)
    assert _conditions(going)["Terminating"] == "True"
    assert "deletionTimestamp" in (await widgets.ok("GET", f"{WIDGETS}/w"))["metadata"]
    assert (await widgets("POST", WIDGETS, widget("x"))).code == 403
    await widgets.ok("PATCH", f"{WIDGETS}/w", {"metadata": {"finalizers": None}}, **MERGE)
    assert (await widgets("GET", WIDGET_CRD)).code == 404


async def test_names_that_are_taken_are_not_accepted_until_they_are_free(widgets: Api) -> None:
    other = widget_crd()
    other["metadata"]["name"] = "gadgets.example.com"
    other["spec"]["names"] = {"kind": "Widget", "plural": "gadgets"}
    await widgets.ok("POST", CRDS, other)
    stored = await widgets.ok("GET", f"{CRDS}/gadgets.example.com")
    assert _conditions(stored) == {"NamesAccepted": "False", "Established": "False"}
    url = WIDGETS.replace("widgets", "gadgets")
    assert (await widgets("GET", url)).code == 404
    await widgets.ok("DELETE", WIDGET_CRD)
    assert (await widgets("GET", url)).code == 200
