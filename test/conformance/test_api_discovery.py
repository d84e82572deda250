"""Discovery and OpenAPI: what clients learn of a server before they use it."""

from typing import Any

import pytest

from conformance.api import Api
from conformance.widgets import Widgets

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def by_name(resources: list[dict[str, Any]], key: str = "name") -> dict[str, dict[str, Any]]:
    return {item[key]: item for item in resources}


async def test_version(api: Api) -> None:
    found = await api.ok("GET", "/version")
    assert found["major"] == "1"
    assert int(found["minor"].rstrip("+")) >= 32
    assert found["gitVersion"].startswith(f"v1.{found['minor'].rstrip('+')}.")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_health(api: Api, path: str) -> None:
    answer = await api("GET", path)
    assert (answer.code, answer.body) == (200, b"ok")


async def test_core_versions(api: Api) -> None:
    found = await api.ok("GET", "/api")
    assert (found["kind"], found["versions"]) == ("APIVersions", ["v1"])


async def test_groups(api: Api, widget_group: str) -> None:
    found = await api.ok("GET", "/apis")
    assert (found["kind"], found["apiVersion"]) == ("APIGroupList", "v1")
    groups = by_name(found["groups"])
    assert {"coordination.k8s.io", "apiextensions.k8s.io", "events.k8s.io", "policy", widget_group} <= set(groups)
    version = {"groupVersion": f"{widget_group}/v1", "version": "v1"}
    assert groups[widget_group] == {"name": widget_group, "versions": [version], "preferredVersion": version}


async def test_a_group(api: Api) -> None:
    found = await api.ok("GET", "/apis/coordination.k8s.io")
    assert (found["kind"], found["apiVersion"], found["name"]) == ("APIGroup", "v1", "coordination.k8s.io")
    assert found["preferredVersion"] == {"groupVersion": "coordination.k8s.io/v1", "version": "v1"}


async def test_core_resources(api: Api) -> None:
    found = await api.ok("GET", "/api/v1")
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", "v1")
    resources = by_name(found["resources"])
    pods = resources["pods"]
    assert (pods["kind"], pods["namespaced"], pods["singularName"]) == ("Pod", True, "pod")
    assert (pods["shortNames"], pods["categories"]) == (["po"], ["all"])
    every = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    assert pods["verbs"] == every
    assert pods["storageVersionHash"]
    assert resources["namespaces"]["namespaced"] is False
    assert "deletecollection" not in resources["namespaces"]["verbs"]
    assert resources["pods/status"]["verbs"] == ["get", "patch", "update"]
    assert resources["pods/log"]["verbs"] == ["get"]
    for name, kind in (
        ("exec", "PodExecOptions"),
        ("attach", "PodAttachOptions"),
        ("portforward", "PodPortForwardOptions"),
    ):
        stream = resources[f"pods/{name}"]
        assert (stream["kind"], stream["verbs"], stream["namespaced"]) == (kind, ["create", "get"], True)
        assert "group" not in stream
    binding, eviction = resources["pods/binding"], resources["pods/eviction"]
    assert (binding["kind"], binding["verbs"]) == ("Binding", ["create"])
    assert (eviction["kind"], eviction["group"], eviction["version"]) == ("Eviction", "policy", "v1")


async def test_custom_resources(api: Api, widget_group: str) -> None:
    resources = by_name((await api.ok("GET", f"/apis/{widget_group}/v1"))["resources"])
    widget = resources["widgets"]
    assert (widget["kind"], widget["singularName"], widget["namespaced"]) == ("Widget", "widget", True)
    assert (widget["shortNames"], widget["categories"]) == (["wdg"], ["toys"])
    assert resources["widgets/status"]["verbs"] == ["get", "patch", "update"]
    scale = resources["widgets/scale"]
    assert (scale["kind"], scale["group"], scale["version"]) == ("Scale", "autoscaling", "v1")


@pytest.mark.parametrize("path", ["/apis/none.example.com", "/apis/none.example.com/v1", "/apis/policy/v9", "/api/v9"])
async def test_groups_that_are_not_there(api: Api, path: str) -> None:
    assert (await api("GET", path)).code == 404


async def test_aggregated_discovery(api: Api, widget_group: str) -> None:
    accept = f"{AGGREGATED},application/json"
    answer = await api("GET", "/apis", accept=accept)
    parts = {part.strip() for part in answer.headers["content-type"].split(";")}
    assert parts == {"application/json", "g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"}
    found = answer.object
    assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    groups = {item["metadata"]["name"]: item for item in found["items"]}
    [version] = groups[widget_group]["versions"]
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    [widget] = version["resources"]
    assert widget["resource"] == "widgets"
    assert widget["responseKind"] == {"group": widget_group, "version": "v1", "kind": "Widget"}
    assert (widget["scope"], widget["singularResource"], widget["shortNames"]) == ("Namespaced", "widget", ["wdg"])
    assert sorted(item["subresource"] for item in widget["subresources"]) == ["scale", "status"]


async def test_aggregated_core(api: Api) -> None:
    found = await api.ok("GET", "/api", accept=f"{AGGREGATED},application/json")
    [core] = found["items"]
    [version] = core["versions"]
    pods = by_name(version["resources"], "resource")["pods"]
    assert (pods["responseKind"]["group"], pods["responseKind"]["kind"]) == ("", "Pod")
    assert pods["verbs"] == ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


async def test_openapi_v3(api: Api, widgets: Widgets) -> None:
    group = widgets.group
    index = await api.until("/openapi/v3", lambda answer: f"apis/{group}/v1" in answer.object["paths"])
    paths = index.object["paths"]
    assert {"api/v1", "apis/coordination.k8s.io/v1"} <= set(paths)
    url, _, query = paths[f"apis/{group}/v1"]["serverRelativeURL"].partition("?")
    name, _, value = query.partition("=")
    document = await api.ok("GET", url, **{name: value})
    assert document["openapi"].startswith("3.")
    kind = {"group": group, "version": "v1", "kind": "Widget"}
    schemas = document["components"]["schemas"].values()
    [schema] = [item for item in schemas if kind in item.get("x-kubernetes-group-version-kind", ())]
    assert schema["properties"]["spec"]["properties"]["mode"]["enum"] == ["fast", "slow"]
    operation = document["paths"][f"/apis/{group}/v1/namespaces/{{namespace}}/widgets"]["post"]
    assert operation["x-kubernetes-group-version-kind"] == kind
    assert operation["x-kubernetes-action"] == "post"


async def test_openapi_v2(api: Api) -> None:
    found = await api.ok("GET", "/openapi/v2")
    assert found["swagger"] == "2.0"
    pod = found["definitions"]["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
    assert "/api/v1/namespaces/{namespace}/pods" in found["paths"]
