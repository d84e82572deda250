from collections.abc import Iterator
from typing import Any

import pytest

from kdl_local.apiserver.builtin import builtin
from kdl_local.apiserver.openapi import OpenApi, v2_document, v3_document, v3_index
from kdl_local.apiserver.schema import StructuralSchema
from kdl_local.apiserver.types import ResourceType, ResourceTypes
from kdl_runtime.codec.json import decode
from kdl_runtime.types import Resource

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer", "nullable": True}}}},
    "x-kubernetes-validations": [{"rule": "true"}],
}
FOO = ResourceType(
    Resource("foo.example.com", "v1", "Foo", "foos"),
    schema=StructuralSchema(SCHEMA),
    subresources=frozenset({"status", "scale"}),
    custom=True,
)
FOO_NAME = "com.example.foo.v1.Foo"
FOO_KIND = {"group": "foo.example.com", "version": "v1", "kind": "Foo"}
NAMESPACED = "/apis/foo.example.com/v1/namespaces/{namespace}/foos"


@pytest.fixture(scope="module")
def types() -> ResourceTypes:
    return ResourceTypes([*builtin(), FOO])


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            else:
                yield from references(item)


def document(types: ResourceTypes, group: str, version: str) -> dict[str, Any]:
    found = v3_document(types.in_version(group, version))
    assert found is not None
    return found


def test_the_index_has_every_group_version_once(types: ResourceTypes) -> None:
    paths = v3_index(types)["paths"]
    assert {"api/v1", "apis/foo.example.com/v1", "apis/apiextensions.k8s.io/v1"} <= set(paths)
    assert paths["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")


def test_the_hash_changes_with_the_schema_only(types: ResourceTypes) -> None:
    other = ResourceType(FOO.resource, schema=StructuralSchema({"type": "object"}), custom=True)
    before, after = v3_index(types)["paths"], v3_index(ResourceTypes([*builtin(), other]))["paths"]
    assert before["api/v1"] == after["api/v1"]
    assert before["apis/foo.example.com/v1"] != after["apis/foo.example.com/v1"]


@pytest.mark.parametrize(("group", "version"), [("", "v1"), ("foo.example.com", "v1"), ("apiextensions.k8s.io", "v1")])
def test_every_reference_leads_somewhere(types: ResourceTypes, group: str, version: str) -> None:
    found = document(types, group, version)
    names = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert set(references(found)) <= names


def test_every_reference_of_version_2_leads_somewhere(types: ResourceTypes) -> None:
    found = v2_document(types)
    assert set(references(found)) <= {f"#/definitions/{name}" for name in found["definitions"]}


def test_patch_says_its_kind_action_and_that_fields_are_validated(types: ResourceTypes) -> None:
    patch = document(types, "foo.example.com", "v1")["paths"][f"{NAMESPACED}/{{name}}"]["patch"]
    assert patch["x-kubernetes-action"] == "patch"
    assert patch["x-kubernetes-group-version-kind"] == FOO_KIND
    names = {parameter["name"] for parameter in patch["parameters"]}
    assert {"fieldValidation", "dryRun", "fieldManager", "force"} <= names


@pytest.mark.parametrize(
    ("group", "path", "strategic"),
    [("foo.example.com", f"{NAMESPACED}/{{name}}", False), ("", "/api/v1/namespaces/{namespace}/pods/{name}", True)],
)
def test_only_built_in_kinds_offer_strategic_merge_patches(
    types: ResourceTypes, group: str, path: str, strategic: bool
) -> None:
    content = document(types, group, "v1")["paths"][path]["patch"]["requestBody"]["content"]
    assert ("application/strategic-merge-patch+json" in content) is strategic


def test_paths_of_a_custom_resource(types: ResourceTypes) -> None:
    paths = document(types, "foo.example.com", "v1")["paths"]
    assert {path: sorted(set(entry) - {"parameters"}) for path, entry in paths.items()} == {
        "/apis/foo.example.com/v1/foos": ["get"],
        NAMESPACED: ["delete", "get", "post"],
        f"{NAMESPACED}/{{name}}": ["delete", "get", "patch", "put"],
        f"{NAMESPACED}/{{name}}/scale": ["get", "patch", "put"],
        f"{NAMESPACED}/{{name}}/status": ["get", "patch", "put"],
    }


def test_operation_ids_are_unique(types: ResourceTypes) -> None:
    ids = [
        operation["operationId"]
        for entry in v2_document(types)["paths"].values()
        for method, operation in entry.items()
        if method != "parameters"
    ]
    assert len(ids) == len(set(ids))


def test_the_schema_of_a_custom_resource_has_the_fields_of_every_object(types: ResourceTypes) -> None:
    schema = document(types, "foo.example.com", "v1")["components"]["schemas"][FOO_NAME]
    assert set(schema["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert schema["x-kubernetes-group-version-kind"] == [FOO_KIND]
    assert schema["properties"]["metadata"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    ]
    assert schema["properties"]["spec"]["properties"]["n"] == {"type": "integer", "nullable": True}


def test_version_2_has_no_keywords_of_version_3(types: ResourceTypes) -> None:
    schema = v2_document(types)["definitions"][FOO_NAME]
    assert "x-kubernetes-validations" not in schema
    assert schema["properties"]["spec"]["properties"]["n"] == {"type": "integer"}


def test_lists_of_built_in_kinds_carry_merge_keys(types: ResourceTypes) -> None:
    schemas = document(types, "", "v1")["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"


def test_documents_are_kept_until_the_types_change() -> None:
    types = ResourceTypes([FOO])
    api = OpenApi(types)
    path = "/openapi/v3/apis/foo.example.com/v1"
    first = api.document(path)
    assert first is not None
    assert api.document(path) is first
    assert decode(api.document("/openapi/v2") or b"{}")["swagger"] == "2.0"
    types.remove("foo.example.com", "foos")
    assert api.document(path) is None
    assert decode(api.document("/openapi/v3") or b"{}") == {"paths": {}}


@pytest.mark.parametrize("path", ["/openapi", "/openapi/v4", "/openapi/v3/apis/none/v1", "/openapi/v3/api/v2"])
def test_other_paths_have_no_document(path: str, types: ResourceTypes) -> None:
    assert OpenApi(types).document(path) is None
