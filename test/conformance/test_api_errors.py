"""Refusals: HTTP code, reason, message and details of the Status."""

from typing import Any

import pytest

from conformance.api import Api, config_map, pending_pod

LEASES = "coordination.k8s.io/v1"


async def test_not_found(api: Api) -> None:
    answer = await api("GET", api.path("configmaps", "none"))
    assert answer.code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.object == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "none" not found',
        "reason": "NotFound",
        "details": {"name": "none", "kind": "configmaps"},
        "code": 404,
    }


async def test_not_found_in_a_group(api: Api) -> None:
    answer = await api.refused(404, "NotFound", "GET", api.path("leases", "none", group_version=LEASES))
    assert answer.message == 'leases.coordination.k8s.io "none" not found'
    assert answer.object["details"] == {"name": "none", "group": "coordination.k8s.io", "kind": "leases"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_writes_to_nothing(api: Api, method: str) -> None:
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = None if method == "DELETE" else config_map("none")
    path = api.path("configmaps", "none")
    await api.refused(404, "NotFound", method, path, body, content_type=content_type)


@pytest.mark.parametrize("path", ["/api/v1/nosuchthings", "/apis/apps.example.com/v1/things", "/nowhere", "/api/v9"])
async def test_a_path_that_is_not_served(api: Api, path: str) -> None:
    assert (await api("GET", path)).code == 404


async def test_already_exists(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    answer = await api.refused(409, "AlreadyExists", "POST", api.path("configmaps"), config_map("a"))
    assert answer.message == 'configmaps "a" already exists'
    assert answer.object["details"] == {"name": "a", "kind": "configmaps"}


async def test_already_exists_in_a_group(api: Api) -> None:
    await api.create("leases", {"metadata": {"name": "a"}}, group_version=LEASES)
    path = api.path("leases", group_version=LEASES)
    answer = await api.refused(409, "AlreadyExists", "POST", path, {"metadata": {"name": "a"}})
    assert answer.message == 'leases.coordination.k8s.io "a" already exists'


async def test_no_such_namespace(api: Api) -> None:
    answer = await api.refused(404, "NotFound", "POST", "/api/v1/namespaces/none/configmaps", config_map("a"))
    assert answer.message == 'namespaces "none" not found'
    assert answer.object["details"] == {"name": "none", "kind": "namespaces"}


async def test_a_list_of_no_such_namespace_is_empty(api: Api) -> None:
    assert (await api.ok("GET", "/api/v1/namespaces/none/configmaps"))["items"] == []


async def test_another_namespace_in_the_object(api: Api) -> None:
    obj = config_map("a")
    obj["metadata"]["namespace"] = "default"
    answer = await api.refused(400, "BadRequest", "POST", api.path("configmaps"), obj)
    assert answer.message == "the namespace of the provided object does not match the namespace sent on the request"


async def test_another_name_in_the_object(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    answer = await api.refused(400, "BadRequest", "PUT", api.path("configmaps", "a"), config_map("b"))
    assert answer.message == "the name of the object (b) does not match the name on the URL (a)"


async def test_no_name(api: Api) -> None:
    answer = await api.refused(422, "Invalid", "POST", api.path("configmaps"), {"metadata": {}})
    assert answer.message == 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    assert answer.causes == [("metadata.name", "FieldValueRequired")]


async def test_a_bad_name(api: Api) -> None:
    answer = await api.refused(422, "Invalid", "POST", api.path("configmaps"), config_map("Upper_Case"))
    assert answer.message == (
        'ConfigMap "Upper_Case" is invalid: metadata.name: Invalid value: "Upper_Case": '
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )
    details = answer.object["details"]
    assert (details["name"], details["kind"]) == ("Upper_Case", "ConfigMap")
    assert details["causes"][0]["message"].startswith('Invalid value: "Upper_Case": a lowercase RFC 1123')


@pytest.mark.parametrize(
    ("meta", "field", "reason"),
    [
        ({"labels": {"a b": "x"}}, "metadata.labels", "FieldValueInvalid"),
        ({"labels": {"a": "x y"}}, "metadata.labels", "FieldValueInvalid"),
        ({"annotations": {"a b": "x"}}, "metadata.annotations", "FieldValueInvalid"),
        ({"annotations": {"a": "x" * 262145}}, "metadata.annotations", "FieldValueTooLong"),
        ({"finalizers": ["bare"]}, "metadata.finalizers[0]", "FieldValueInvalid"),
        (
            {"ownerReferences": [{"kind": "Pod", "apiVersion": "v1", "name": "x"}]},
            "metadata.ownerReferences.uid",
            "FieldValueInvalid",
        ),
    ],
)
async def test_bad_metadata(api: Api, meta: dict[str, Any], field: str, reason: str) -> None:
    obj = config_map("a")
    obj["metadata"] |= meta
    answer = await api.refused(422, "Invalid", "POST", api.path("configmaps"), obj)
    assert answer.causes[0] == (field, reason)


async def test_two_controllers(api: Api) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "controller": True}
    obj = config_map("a")
    obj["metadata"]["ownerReferences"] = [owner | {"name": name, "uid": name} for name in ("x", "y")]
    answer = await api.refused(422, "Invalid", "POST", api.path("configmaps"), obj)
    assert answer.causes == [("metadata.ownerReferences", "FieldValueInvalid")]
    text = 'Only one reference can have Controller set to true. Found "true" in references for Pod/x and Pod/y'
    assert text in answer.message


async def test_many_problems_are_one_answer(api: Api) -> None:
    container = {"name": "Main", "image": "", "ports": [{"containerPort": 0}]}
    pod = pending_pod("a", containers=[container], restartPolicy="Sometimes")
    answer = await api.refused(422, "Invalid", "POST", api.path("pods"), pod)
    assert {
        ("spec.containers[0].name", "FieldValueInvalid"),
        ("spec.containers[0].image", "FieldValueRequired"),
        ("spec.containers[0].ports[0].containerPort", "FieldValueRequired"),
        ("spec.restartPolicy", "FieldValueNotSupported"),
    } <= set(answer.causes)
    assert answer.message.startswith('Pod "a" is invalid: [')


async def test_a_pod_without_containers(api: Api) -> None:
    answer = await api.refused(422, "Invalid", "POST", api.path("pods"), pending_pod("a", containers=[]))
    assert answer.causes == [("spec.containers", "FieldValueRequired")]
    assert answer.message == 'Pod "a" is invalid: spec.containers: Required value'


async def test_the_spec_of_a_pod_is_fixed(api: Api) -> None:
    pod = await api.create("pods", pending_pod("a"))
    pod["spec"]["restartPolicy"] = "Never"
    answer = await api.refused(422, "Invalid", "PUT", api.path("pods", "a"), pod)
    assert answer.causes == [("spec", "FieldValueForbidden")]
    assert "pod updates may not change fields other than `spec.containers[*].image`" in answer.message


async def test_another_kind(api: Api) -> None:
    answer = await api.refused(400, "BadRequest", "POST", api.path("configmaps"), pending_pod("a"))
    assert answer.message.startswith('Pod in version "v1" cannot be handled as a ConfigMap')


async def test_another_version(api: Api) -> None:
    obj = {"apiVersion": "coordination.k8s.io/v9", "kind": "Lease", "metadata": {"name": "a"}}
    await api.refused(400, "BadRequest", "POST", api.path("leases", group_version=LEASES), obj)


@pytest.mark.parametrize("body", ["{", "[]", '"text"', ""])
async def test_a_body_that_is_no_object(api: Api, body: str) -> None:
    await api.refused(400, "BadRequest", "POST", api.path("configmaps"), body, content_type="application/json")


@pytest.mark.parametrize(
    "obj",
    [
        {"metadata": {"name": "a"}, "data": {"x": 1}},
        {"metadata": {"name": "a"}, "data": ["x"]},
        {"metadata": {"name": "a", "labels": {"x": 1}}},
        {"metadata": {"name": 1}},
        {"metadata": "a"},
    ],
)
async def test_a_wrong_type_in_a_built_in_kind(api: Api, obj: Any) -> None:
    answer = await api.refused(400, "BadRequest", "POST", api.path("configmaps"), obj)
    assert answer.message.startswith('ConfigMap in version "v1" cannot be handled as a ConfigMap: ')


async def test_a_method_that_is_not_offered(api: Api) -> None:
    answer = await api.refused(405, "MethodNotAllowed", "POST", api.path("configmaps", "a"), config_map("a"))
    assert answer.message == "the server does not allow this method on the requested resource"


async def test_create_needs_a_namespace(api: Api) -> None:
    await api.refused(405, "MethodNotAllowed", "POST", "/api/v1/configmaps", config_map("a"))


@pytest.mark.parametrize(
    ("method", "query", "kind", "field"),
    [
        ("POST", {"dryRun": "Some"}, "CreateOptions", "dryRun"),
        ("POST", {"fieldValidation": "Loose"}, "CreateOptions", "fieldValidation"),
        ("PUT", {"dryRun": "Some"}, "UpdateOptions", "dryRun"),
        ("PATCH", {"dryRun": "Some"}, "PatchOptions", "dryRun"),
        ("PATCH", {"force": "true"}, "PatchOptions", "force"),
        ("DELETE", {"dryRun": "Some"}, "DeleteOptions", "dryRun"),
        ("DELETE", {"propagationPolicy": "Sideways"}, "DeleteOptions", "propagationPolicy"),
        ("GET", {"resourceVersionMatch": "Exact"}, "ListOptions", "resourceVersionMatch"),
        ("GET", {"resourceVersionMatch": "About", "resourceVersion": "1"}, "ListOptions", "resourceVersionMatch"),
        ("GET", {"resourceVersionMatch": "Exact", "resourceVersion": "0"}, "ListOptions", "resourceVersionMatch"),
        ("GET", {"sendInitialEvents": "true"}, "ListOptions", "sendInitialEvents"),
    ],
)
async def test_bad_options(api: Api, method: str, query: dict[str, str], kind: str, field: str) -> None:
    await api.create("configmaps", config_map("a"))
    path = api.path("configmaps", "a" if method in ("PUT", "PATCH", "DELETE") else "")
    body = config_map("a") if method in ("PUT", "PATCH", "POST") else None
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = await api.refused(422, "Invalid", method, path, body, content_type=content_type, **query)
    assert answer.message.startswith(f'{kind}.meta.k8s.io "" is invalid: {field}: ')
    assert answer.object["details"]["kind"] == kind
    assert answer.object["details"]["group"] == "meta.k8s.io"
