"""Server-side apply to lists, maps and free-form parts, and to subresources and several versions."""

from collections.abc import AsyncIterator

import pytest

from conformance.api import MERGE, Api, Object, pending_pod
from conformance.applying import Applier, conflicts, owners
from conformance.conftest import unique
from conformance.widgets import CRDS, Widgets, definition, install


def spec(**fields: object) -> Object:
    return {"spec": fields}


@pytest.fixture
def apply(widgets: Widgets) -> Applier:
    """Applies to the widget ``a``."""
    made = widgets.new("a")
    base = {name: made[name] for name in ("apiVersion", "kind", "metadata")}
    return Applier(widgets.api, widgets.path("a"), base)


def built_in(api: Api, kind: str, plural: str) -> Applier:
    """Applies to the object ``a`` of a kind of the core group."""
    return Applier(api, api.path(plural, "a"), {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}})


# ---- custom resources


async def test_defaults_are_nobodys(apply: Applier) -> None:
    found = await apply.ok("a", spec(mode="fast"))
    assert found["spec"] == {"mode": "fast", "size": 3}
    assert owners(found) == {"Apply a": {"spec/mode"}}


async def test_a_default_comes_back(apply: Applier) -> None:
    assert (await apply.ok("a", spec(size=5)))["spec"] == {"size": 5}
    assert (await apply.ok("a", spec(mode="fast")))["spec"] == {"mode": "fast", "size": 3}


async def test_a_null_is_applied_as_a_value(apply: Applier) -> None:
    found = await apply.ok("a", spec(size=None, note=None))
    assert found["spec"] == {"size": 3, "note": None}
    answer = await apply("a", spec(mode=None))
    assert (answer.code, ("spec.mode", "FieldValueTypeInvalid") in answer.causes) == (422, True)


async def test_a_list_of_which_nothing_is_left_is_null(apply: Applier) -> None:
    await apply.ok("a", spec(parts=[{"key": "x"}]))
    await apply.api.ok("PATCH", apply.path, spec(parts=[{"key": "x", "weight": 2}]), content_type=MERGE)
    answer = await apply("a", spec(size=2))
    assert (answer.code, ("spec.parts", "FieldValueTypeInvalid") in answer.causes) == (422, True)


async def test_an_element_of_a_keyed_list_is_merged(apply: Applier) -> None:
    await apply.ok("a", spec(parts=[{"key": "x", "weight": 2}, {"key": "y"}]))
    found = await apply.ok("b", spec(parts=[{"key": "y", "weight": 1}, {"key": "z"}]))
    assert [part["key"] for part in found["spec"]["parts"]] == ["x", "y", "z"]
    assert owners(found)["Apply b"] == {
        f'spec/parts/{{"key":"{key}"}}{field}' for key, field in (("y", ""), ("y", "/key"), ("z", ""), ("z", "/key"))
    } | {'spec/parts/{"key":"y"}/weight'}


async def test_an_element_goes_when_nobody_applies_it(apply: Applier) -> None:
    await apply.ok("a", spec(parts=[{"key": "x"}, {"key": "y"}]))
    await apply.ok("b", spec(parts=[{"key": "y"}]))
    found = await apply.ok("a", spec(parts=[]))
    assert [part["key"] for part in found["spec"]["parts"]] == ["y"]
    assert "parts" not in (await apply.ok("b")).get("spec", {})


async def test_a_conflict_inside_an_element(apply: Applier) -> None:
    await apply.ok("a", spec(parts=[{"key": "x", "weight": 2}]))
    answer = await apply("b", spec(parts=[{"key": "x", "weight": 3}]))
    assert conflicts(answer) == {('.spec.parts[key="x"].weight', 'conflict with "a"')}


async def test_the_order_is_that_of_the_last_apply(apply: Applier) -> None:
    await apply.ok("a", spec(parts=[{"key": "x"}, {"key": "y"}]))
    found = await apply.ok("b", spec(parts=[{"key": "y"}, {"key": "n"}, {"key": "x"}]))
    assert [part["key"] for part in found["spec"]["parts"]] == ["y", "n", "x"]


async def test_sets_are_merged_by_value(apply: Applier) -> None:
    await apply.ok("a", spec(tags=["x", "y"]))
    found = await apply.ok("b", spec(tags=["y", "z"]))
    assert found["spec"]["tags"] == ["x", "y", "z"]
    assert owners(found) == {
        "Apply a": {'spec/tags/"x"', 'spec/tags/"y"'},
        "Apply b": {'spec/tags/"y"', 'spec/tags/"z"'},
    }
    assert (await apply.ok("a"))["spec"]["tags"] == ["y", "z"]


async def test_entries_of_maps_are_merged(apply: Applier) -> None:
    await apply.ok("a", spec(quotas={"x": {"limit": 1}}))
    found = await apply.ok("b", spec(quotas={"y": {"limit": 2}}))
    assert set(found["spec"]["quotas"]) == {"x", "y"}
    assert owners(found)["Apply b"] == {"spec/quotas/y", "spec/quotas/y/limit"}
    answer = await apply("b", spec(quotas={"x": {"limit": 3}}))
    assert conflicts(answer) == {(".spec.quotas.x.limit", 'conflict with "a"')}


async def test_free_form_objects_are_merged_and_lists_in_them_replaced(apply: Applier) -> None:
    await apply.ok("a", spec(free={"x": {"y": 1, "list": [1, 2]}}))
    found = await apply.ok("b", spec(free={"x": {"z": True}}))
    assert found["spec"]["free"] == {"x": {"y": 1, "list": [1, 2], "z": True}}
    assert owners(found)["Apply b"] == {"spec/free/x", "spec/free/x/z"}
    answer = await apply("b", spec(free={"x": {"list": [1, 2, 3]}}))
    assert conflicts(answer) == {(".spec.free.x.list", 'conflict with "a"')}


async def test_a_free_form_object_becomes_a_number(apply: Applier) -> None:
    await apply.ok("a", spec(free={"x": {"y": 1}}))
    answer = await apply("b", spec(free={"x": 5}))
    assert conflicts(answer) == {(".spec.free.x", 'conflict with "a"')}
    found = await apply.ok("b", spec(free={"x": 5}), force="true")
    assert found["spec"]["free"] == {"x": 5}
    assert owners(found) == {"Apply b": {"spec/free/x"}}


async def test_an_empty_object_is_a_value(apply: Applier) -> None:
    found = await apply.ok("a", spec(free={}))
    assert found["spec"]["free"] == {}
    assert owners(found) == {"Apply a": {"spec/free"}}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"nope": 1}, ".spec.nope: field not declared in schema"),
        ({"size": "x"}, ".spec.size: expected numeric (int or float), got string"),
        ({"tags": ["x", "x"]}, '.spec.tags: duplicate entries for key [="x"]'),
        ({"parts": [{"key": "x"}, {"key": "x"}]}, '.spec.parts: duplicate entries for key [key="x"]'),
        ({"parts": [{"weight": 1}]}, ".spec.parts: element 0: associative list with keys has an element that omits"),
    ],
)
async def test_fields_that_the_schema_does_not_allow(apply: Applier, fields: Object, text: str) -> None:
    answer = await apply("a", {"spec": fields})
    assert answer.code == 500
    assert text in answer.message


# ---- subresources


async def test_the_status_has_owners_of_its_own(apply: Applier) -> None:
    await apply.ok("a", spec(mode="fast") | {"status": {"phase": "Early"}})
    found = await apply.ok("a", spec(mode="slow") | {"status": {"phase": "Late"}}, subresource="status")
    assert (found["spec"]["mode"], found["status"]) == ("fast", {"phase": "Late"})
    assert owners(found) == {"Apply a": {"spec/mode"}, "Apply a status": {"status/phase"}}


async def test_a_conflict_in_the_status_names_the_subresource(apply: Applier) -> None:
    await apply.ok("a")
    await apply.ok("a", {"status": {"phase": "One"}}, subresource="status")
    answer = await apply("b", {"status": {"phase": "Two"}}, subresource="status")
    assert conflicts(answer) == {(".status.phase", 'conflict with "a" with subresource "status"')}
    patch = {"status": {"phase": "Three"}}
    path = f"{apply.path}/status"
    found = await apply.api.ok("PATCH", path, patch, content_type=MERGE, fieldManager="m")
    assert owners(found) == {"Update m status": {"status/phase"}}


async def test_a_status_is_not_created(apply: Applier) -> None:
    answer = await apply("a", {"status": {"phase": "One"}}, subresource="status")
    assert (answer.code, answer.object["reason"]) == (404, "NotFound")


async def test_a_changed_scale_owns_the_replicas(apply: Applier) -> None:
    await apply.ok("a", spec(replicas=1, mode="fast"))
    scale = f"{apply.path}/scale"
    await apply.api.ok("PATCH", scale, {"spec": {"replicas": 5}}, content_type=MERGE, fieldManager="m")
    found = await apply.api.ok("GET", apply.path)
    assert owners(found) == {"Apply a": {"spec/mode"}, "Update m scale": {"spec/replicas"}}
    answer = await apply("a", spec(replicas=1, mode="fast"))
    group = found["apiVersion"]
    assert conflicts(answer) == {(".spec.replicas", f'conflict with "m" with subresource "scale" using {group}')}


async def test_the_same_scale_owns_nothing(apply: Applier) -> None:
    await apply.ok("a", spec(replicas=2))
    scale = f"{apply.path}/scale"
    await apply.api.ok("PATCH", scale, {"spec": {"replicas": 2}}, content_type=MERGE, fieldManager="m")
    assert owners(await apply.api.ok("GET", apply.path)) == {"Apply a": {"spec/replicas"}}


async def test_nobody_owns_a_scale_of_none(apply: Applier) -> None:
    await apply.ok("a", spec(replicas=2, mode="fast"))
    scale = f"{apply.path}/scale"
    await apply.api.ok("PATCH", scale, {"spec": {"replicas": 0}}, content_type=MERGE, fieldManager="m")
    assert owners(await apply.api.ok("GET", apply.path)) == {"Apply a": {"spec/mode"}}


# ---- several versions


@pytest.fixture
async def versions(api: Api) -> AsyncIterator[tuple[Applier, Applier]]:
    """Applies to the widget ``a`` as v1 and as v2."""
    group = f"{unique('versions')}.example.com"
    crd = definition(group)
    crd["spec"]["versions"].append({**crd["spec"]["versions"][0], "name": "v2", "storage": False})
    made = await install(api, crd)
    both = []
    for version in ("v1", "v2"):
        base: Object = {"apiVersion": f"{group}/{version}", "kind": "Widget", "metadata": {"name": "a"}}
        both.append(Applier(api, api.path("widgets", "a", group_version=base["apiVersion"]), base))
    yield both[0], both[1]
    await api("DELETE", f"{CRDS}/{made['metadata']['name']}")


async def test_an_applier_is_the_same_in_every_version(versions: tuple[Applier, Applier]) -> None:
    first, second = versions
    await first.ok("a", spec(size=2, mode="fast"))
    found = await second.ok("a", spec(size=2))
    assert found["spec"] == {"size": 2}
    assert owners(found) == {"Apply a": {"spec/size"}}
    (entry,) = found["metadata"]["managedFields"]
    assert entry["apiVersion"] == second.base["apiVersion"]


async def test_fields_of_another_version_conflict(versions: tuple[Applier, Applier]) -> None:
    first, second = versions
    await first.ok("a", spec(size=2))
    assert conflicts(await second("b", spec(size=4))) == {(".spec.size", 'conflict with "a"')}
    found = await second.ok("b", spec(size=4), force="true")
    assert owners(found) == {"Apply b": {"spec/size"}}


# ---- built-in kinds


async def test_containers_are_merged_by_name(api: Api) -> None:
    apply = built_in(api, "Pod", "pods")
    made = pending_pod("a")
    await apply.ok("a", {"spec": made["spec"]})
    image = {"name": "main", "image": "other:2"}
    answer = await apply("b", spec(containers=[image]))
    assert conflicts(answer) == {('.spec.containers[name="main"].image', 'conflict with "a"')}
    found = await apply.ok("b", spec(containers=[image]), force="true")
    (container,) = found["spec"]["containers"]
    assert (container["image"], container["command"]) == ("other:2", ["true"])
    where = 'spec/containers/{"name":"main"}'
    assert owners(found)["Apply b"] == {where, f"{where}/name", f"{where}/image"}


async def test_ports_have_a_default_in_their_key(api: Api) -> None:
    apply = built_in(api, "Service", "services")
    await apply.ok("a", spec(clusterIP="None", ports=[{"port": 80, "name": "x"}]))
    found = await apply.ok("b", spec(ports=[{"port": 81, "name": "y", "protocol": "TCP"}]))
    assert [port["port"] for port in found["spec"]["ports"]] == [80, 81]
    answer = await apply("b", spec(ports=[{"port": 80, "name": "z"}]))
    field = '.spec.ports[port=80,protocol="TCP"].name'
    assert conflicts(answer) == {(field, 'conflict with "a"')}
    found = await apply.ok("a", spec(clusterIP="None"))
    assert [port["port"] for port in found["spec"]["ports"]] == [81]


async def test_a_selector_is_one_value(api: Api) -> None:
    apply = built_in(api, "Service", "services")
    found = await apply.ok("a", spec(clusterIP="None", selector={"x": "1"}, ports=[{"port": 80}]))
    assert "spec/selector" in owners(found)["Apply a"]
    assert conflicts(await apply("b", spec(selector={"y": "1"}))) == {(".spec.selector", 'conflict with "a"')}


async def test_conditions_are_merged_by_type(api: Api) -> None:
    apply = built_in(api, "Pod", "pods")
    await apply.ok("a", {"spec": pending_pod("a")["spec"]})
    now = {"lastTransitionTime": "2026-01-01T00:00:00Z", "lastProbeTime": "2026-01-01T00:00:00Z"}
    for name in ("One", "Two"):
        condition = {"type": f"e.com/{name}", "status": "True", **now}
        found = await apply.ok(name, {"status": {"conditions": [condition]}}, subresource="status")
    types = [item["type"] for item in found["status"]["conditions"]]
    assert [name for name in types if name.startswith("e.com/")] == ["e.com/One", "e.com/Two"]
    assert 'status/conditions/{"type":"e.com/One"}/status' in owners(found)["Apply One status"]


async def test_plain_text_of_secrets_is_owned_as_it_was_applied(api: Api) -> None:
    apply = built_in(api, "Secret", "secrets")
    found = await apply.ok("a", {"stringData": {"x": "1"}})
    assert found["data"] == {"x": "MQ=="}
    assert owners(found) == {"Apply a": {"stringData/x"}}
    assert await apply.ok("a", {"stringData": {"x": "1"}}) == found
