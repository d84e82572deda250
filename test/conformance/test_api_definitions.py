"""CustomResourceDefinitions: which are accepted, what serving them means, and how they go."""

from typing import Any

import pytest

from conformance.api import MERGE, Api, Object
from conformance.conftest import unique
from conformance.widgets import CRDS, Widgets, condition, definition, install, schema


def group() -> str:
    return f"{unique('g')}.example.com"


async def test_names_are_filled_in(api: Api, widget_group: str) -> None:
    crd = await api.ok("GET", f"{CRDS}/widgets.{widget_group}")
    names = crd["spec"]["names"]
    assert (names["singular"], names["listKind"]) == ("widget", "WidgetList")
    assert crd["spec"]["conversion"] == {"strategy": "None"}
    assert crd["metadata"]["generation"] == 1
    assert crd["status"]["acceptedNames"] == names
    assert crd["status"]["storedVersions"] == ["v1"]
    reasons = {item["type"]: (item["status"], item["reason"], item["message"]) for item in crd["status"]["conditions"]}
    assert reasons["NamesAccepted"] == ("True", "NoConflicts", "no conflicts found")
    assert reasons["Established"] == ("True", "InitialNamesAccepted", "the initial names have been accepted")


def changed(**spec: Any) -> Object:
    crd = definition(group())
    crd["spec"] |= spec
    return crd


def with_schema(spec: Object) -> Object:
    crd = definition(group())
    crd["spec"]["versions"][0]["schema"] = schema(**spec)
    return crd


def versions(*storage: bool) -> list[Object]:
    return [
        {"name": f"v{index}", "served": True, "storage": stored, "schema": schema()}
        for index, stored in enumerate(storage, 1)
    ]


@pytest.mark.parametrize(
    ("crd", "field", "reason"),
    [
        (changed(group="other.example.com"), "metadata.name", "Invalid"),
        (changed(scope="Galaxy"), "spec.scope", "NotSupported"),
        (changed(versions=versions(True, True)), "spec.versions", "Invalid"),
        (changed(versions=versions(False, False)), "spec.versions", "Invalid"),
        (with_schema({"properties": {}}), "spec.validation.openAPIV3Schema.properties[spec].type", "Required"),
        (with_schema({"type": "thing"}), "spec.validation.openAPIV3Schema.properties[spec].type", "NotSupported"),
        (
            with_schema({"type": "object", "properties": {"x": {"type": "integer", "default": "a"}}}),
            "spec.validation.openAPIV3Schema.properties[spec].properties[x].default",
            "TypeInvalid",
        ),
        (
            with_schema({"type": "object", "x-kubernetes-validations": [{"rule": "self.none == 1"}]}),
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule",
            "Invalid",
        ),
        (
            with_schema({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-list-map-keys",
            "Required",
        ),
    ],
)
async def test_definitions_that_are_refused(api: Api, crd: Object, field: str, reason: str) -> None:
    answer = await api.refused(422, "Invalid", "POST", CRDS, crd)
    assert (field, f"FieldValue{reason}") in answer.causes
    name = crd["metadata"]["name"]
    assert answer.message.startswith(f'CustomResourceDefinition.apiextensions.k8s.io "{name}" is invalid: ')


async def test_a_definition_without_a_schema(api: Api) -> None:
    crd = definition(group())
    del crd["spec"]["versions"][0]["schema"]
    answer = await api.refused(422, "Invalid", "POST", CRDS, crd)
    assert ("spec.versions[0].schema.openAPIV3Schema", "FieldValueRequired") in answer.causes


async def test_two_versions_are_two_views(api: Api) -> None:
    crd = definition(group())
    first = crd["spec"]["versions"][0]
    crd["spec"]["versions"] = [
        first,
        {**first, "name": "v2", "storage": False},
        {**first, "name": "v3", "served": False, "storage": False},
    ]
    await install(api, crd)
    widgets = Widgets(api, crd["spec"]["group"])
    made = await widgets.create("a", size=4)
    other = api.path("widgets", "a", group_version=f"{widgets.group}/v2")
    assert await api.ok("GET", other) == made | {"apiVersion": f"{widgets.group}/v2"}
    await api.ok("PATCH", other, {"spec": {"size": 5}}, content_type=MERGE)
    assert (await api.ok("GET", widgets.path("a")))["spec"] == {"size": 5}
    assert (await api("GET", api.path("widgets", "a", group_version=f"{widgets.group}/v3"))).code == 404
    answer = await api.refused(400, "BadRequest", "POST", other.removesuffix("/a"), widgets.new("b"))
    assert "does not match the expected API version" in answer.message
    await api.ok("DELETE", f"{CRDS}/{crd['metadata']['name']}")


async def test_a_new_schema_is_served(api: Api) -> None:
    crd = await install(api, definition(group()))
    widgets, path = Widgets(api, crd["spec"]["group"]), f"{CRDS}/{crd['metadata']['name']}"
    await widgets.create("old", size=9)
    size = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum"
    operations = [{"op": "replace", "path": size, "value": 5}]
    found = await api.ok("PATCH", path, operations, content_type="application/json-patch+json")
    assert found["metadata"]["generation"] == crd["metadata"]["generation"] + 1
    probe = widgets.new("probe", size=7)
    for _ in range(200):
        answer = await api("POST", widgets.path(), probe, dryRun="All")
        if answer.code == 422:
            break
    assert answer.code == 422
    # What was stored under the old schema and is not touched is let pass.
    await api.ok("PATCH", widgets.path("old"), {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE)
    await api.refused(422, "Invalid", "PATCH", widgets.path("old"), {"spec": {"size": 8}}, content_type=MERGE)
    await api.ok("DELETE", path)


async def test_a_definition_takes_its_objects_along(api: Api) -> None:
    crd = await install(api, definition(group()))
    widgets, path = Widgets(api, crd["spec"]["group"]), f"{CRDS}/{crd['metadata']['name']}"
    obj = widgets.new("held")
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    await api.ok("POST", widgets.path(), obj)
    await widgets.create("free")
    found = await api.ok("DELETE", path)
    assert found["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    await api.until(widgets.path("held"), lambda answer: "deletionTimestamp" in answer.object["metadata"])
    await api.gone(widgets.path("free"))
    assert condition(await api.ok("GET", path), "Terminating") == "True"
    answer = await api.refused(403, "Forbidden", "POST", widgets.path(), widgets.new("late"))
    assert answer.message.endswith("create not allowed while custom resource definition is terminating")
    await api.ok("PATCH", widgets.path("held"), {"metadata": {"finalizers": None}}, content_type=MERGE)
    await api.gone(path)
    await api.gone(widgets.path())


async def test_a_definition_can_come_again(api: Api) -> None:
    crd = definition(group())
    path = f"{CRDS}/{crd['metadata']['name']}"
    first = await install(api, crd)
    widgets = Widgets(api, crd["spec"]["group"])
    await widgets.create("a")
    await api.ok("DELETE", path)
    await api.gone(path)
    again = await install(api, crd)
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    assert (await api.ok("GET", widgets.path()))["items"] == []
    await api.ok("DELETE", path)


@pytest.mark.parametrize(
    ("patch", "field"),
    [({"spec": {"scope": "Cluster"}}, "spec.scope"), ({"spec": {"names": {"kind": "Gadget"}}}, "spec.names.kind")],
)
async def test_what_a_definition_may_not_change(api: Api, widget_group: str, patch: Object, field: str) -> None:
    path = f"{CRDS}/widgets.{widget_group}"
    answer = await api.refused(422, "Invalid", "PATCH", path, patch, content_type=MERGE, dryRun="All")
    assert (field, "FieldValueInvalid") in answer.causes
