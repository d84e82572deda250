from typing import Any

import pytest

from kdl_local.apiserver import discovery
from kdl_local.apiserver.types import ResourceType, ResourceTypes
from kdl_runtime.types import Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
POD = ResourceType(
    Resource("", "v1", "Pod", "pods"),
    short_names=("po",),
    categories=("all",),
    subresources=frozenset({"status", "log", "eviction"}),
)
NODE = ResourceType(Resource("", "v1", "Node", "nodes", namespaced=False), verbs=frozenset({"get", "list"}))
FOO_V1 = ResourceType(Resource("example.com", "v1", "Foo", "foos"), subresources=frozenset({"scale"}))
FOO_V2 = ResourceType(Resource("example.com", "v2", "Foo", "foos"), storage=FOO_V1.resource)
TYPES = ResourceTypes([POD, NODE, FOO_V1, FOO_V2])


def document(path: str, accept: str = "") -> dict[str, Any]:
    found = discovery.document(TYPES, path, accept)
    assert found is not None
    return found


def test_versions_of_the_core_group() -> None:
    assert document("/api")["versions"] == ["v1"]
    assert document("/api")["kind"] == "APIVersions"


def test_groups_have_a_preferred_version() -> None:
    (group,) = document("/apis")["groups"]
    assert group["name"] == "example.com"
    assert group["preferredVersion"] == {"groupVersion": "example.com/v2", "version": "v2"}
    assert document("/apis/example.com") == {"kind": "APIGroup", "apiVersion": "v1", **group}


def test_resources_of_a_version() -> None:
    found = document("/api/v1")
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", "v1")
    entries = {entry["name"]: entry for entry in found["resources"]}
    assert list(entries) == ["nodes", "pods", "pods/eviction", "pods/log", "pods/status"]
    assert entries["nodes"]["verbs"] == ["get", "list"]
    assert (entries["pods"]["shortNames"], entries["pods"]["categories"]) == (["po"], ["all"])
    assert entries["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "kind": "Eviction",
        "verbs": ["create"],
        "group": "policy",
        "version": "v1",
    }
    assert "group" not in entries["pods/status"]


def test_versions_of_one_type_have_one_storage_hash() -> None:
    hashes = {document(f"/apis/example.com/{v}")["resources"][0]["storageVersionHash"] for v in ("v1", "v2")}
    assert len(hashes) == 1


def test_aggregated_groups() -> None:
    found = document("/apis", f"{AGGREGATED},application/json")
    assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    (group,) = found["items"]
    assert group["metadata"]["name"] == "example.com"
    assert [entry["version"] for entry in group["versions"]] == ["v2", "v1"]
    (foo,) = group["versions"][1]["resources"]
    assert foo["responseKind"] == {"group": "example.com", "version": "v1", "kind": "Foo"}
    assert foo["subresources"] == [
        {
            "subresource": "scale",
            "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
            "verbs": ["get", "patch", "update"],
        }
    ]


def test_the_aggregated_core_group_has_no_name() -> None:
    (group,) = document("/api", AGGREGATED)["items"]
    assert "name" not in group["metadata"]
    scopes = {entry["resource"]: entry["scope"] for entry in group["versions"][0]["resources"]}
    assert scopes == {"nodes": "Cluster", "pods": "Namespaced"}


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (f"{AGGREGATED},application/json", "v2"),
        (AGGREGATED.replace("v=v2", "v=v2beta1"), None),
        (AGGREGATED.replace("v=v2", "v=v3"), None),
        (f"application/json,{AGGREGATED}", None),
        ("application/vnd.kubernetes.protobuf,*/*", None),
        ("", None),
    ],
)
def test_which_form_the_client_prefers(accept: str, version: str | None) -> None:
    assert discovery.aggregated_version(accept) == version
    expected = AGGREGATED.replace("v=v2", f"v={version}") if version else "application/json"
    assert discovery.content_type("/apis", accept) == expected
    assert discovery.content_type("/apis/example.com", accept) == "application/json"


@pytest.mark.parametrize("path", ["/", "/api/v2", "/apis/none", "/apis/example.com/v3", "/apis/a/b/c", "/version"])
def test_paths_without_a_document(path: str) -> None:
    assert discovery.document(TYPES, path) is None
