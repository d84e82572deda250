from datetime import timedelta
from typing import Any

import pytest

from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, PODS, WIDGETS, Api, StillClock, config_map, pod, widget


async def test_a_new_object_is_stamped(api: Api) -> None:
    created = await api("POST", CONFIG_MAPS, config_map("a", x="1"))
    assert created.code == 201
    meta = created.object["metadata"]
    assert meta["creationTimestamp"] == "2026-01-31T12:00:00Z"
    assert meta["namespace"] == "default"
    assert len(meta["uid"]) == 36
    assert "selfLink" not in meta and "generation" not in meta
    assert int(meta["resourceVersion"]) > 0
    assert await api.ok("GET", f"{CONFIG_MAPS}/a") == created.object


async def test_what_only_the_server_writes_is_not_taken_from_a_new_object(api: Api) -> None:
    body = config_map("a")
    body["metadata"] |= {
        "uid": "mine",
        "creationTimestamp": "1999-01-01T00:00:00Z",
        "deletionTimestamp": "1999-01-01T00:00:00Z",
        "generation": 7,
        "selfLink": "/x",
        "managedFields": [{"manager": "x"}],
        "labels": {},
    }
    meta = (await api.ok("POST", CONFIG_MAPS, body))["metadata"]
    assert meta["uid"] != "mine"
    assert set(meta) == {"name", "namespace", "uid", "creationTimestamp", "resourceVersion"}
    assert meta["creationTimestamp"] == "2026-01-31T12:00:00Z"


async def test_a_name_is_generated(api: Api) -> None:
    body = {"metadata": {"generateName": "job-"}}
    first = (await api.ok("POST", CONFIG_MAPS, body))["metadata"]
    second = (await api.ok("POST", CONFIG_MAPS, body))["metadata"]
    assert first["name"].startswith("job-") and len(first["name"]) == len("job-") + 5
    assert first["name"] != second["name"]


async def test_the_same_name_twice_already_exists(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    again = await api("POST", CONFIG_MAPS, config_map("a"))
    assert again.code == 409
    assert again.object["reason"] == "AlreadyExists"
    assert again.message == 'configmaps "a" already exists'
    assert again.object["details"] == {"name": "a", "kind": "configmaps"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"{CONFIG_MAPS}/x", 'configmaps "x" not found'),
        (f"{WIDGETS}/x", 'widgets.example.com "x" not found'),
        ("/api/v1/nothings", "the server could not find the requested resource"),
        ("/apis/nowhere/v1/things", "the server could not find the requested resource"),
        ("/api/v1/configmaps/x", "the server could not find the requested resource"),
        (f"{CONFIG_MAPS}/x/status", "the server could not find the requested resource"),
        ("/nowhere", "the server could not find the requested resource"),
    ],
)
async def test_what_is_not_there_is_not_found(widgets: Api, url: str, message: str) -> None:
    answer = await widgets("GET", url)
    assert (answer.code, answer.object["reason"], answer.message) == (404, "NotFound", message)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"kind": "Secret"}, 400, 'Secret in version "v1" cannot be handled as a ConfigMap'),
        ({"apiVersion": "v2"}, 400, "the API version in the data (v2) does not match the expected API version (v1)"),
        ({"metadata": {}}, 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is req'),
        ({"metadata": {"name": "A_b"}}, 422, 'ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a low'),
        ({"metadata": {"name": "a", "namespace": "other"}}, 400, "the namespace of the provided object does not match"),
        ({"metadata": {"name": "a", "labels": {"x": 1}}}, 400, "cannot be handled as a ConfigMap: metadata.labels"),
        ({"metadata": {"name": "a", "labels": {"x": "a b"}}}, 422, 'metadata.labels: Invalid value: "a b"'),
        (
            {"metadata": {"name": "a", "resourceVersion": "5"}},
            400,
            "resourceVersion should not be set on objects to be",
        ),
        ({"metadata": {"name": "a", "finalizers": ["x"]}}, 422, "neither a standard finalizer name nor is it fully"),
        ({"metadata": {"name": "a", "ownerReferences": [{"name": "o"}]}}, 422, "metadata.ownerReferences.uid"),
    ],
)
async def test_a_bad_object_is_refused(api: Api, change: dict[str, Any], code: int, message: str) -> None:
    answer = await api("POST", CONFIG_MAPS, {**config_map("a"), **change})
    assert answer.code == code
    assert message in answer.message


async def test_an_invalid_object_names_its_fields_as_causes(api: Api) -> None:
    answer = await api("POST", CONFIG_MAPS, config_map("A_b"))
    (cause,) = answer.object["details"]["causes"]
    assert answer.object["details"] | {"causes": []} == {"name": "A_b", "kind": "ConfigMap", "causes": []}
    assert (cause["reason"], cause["field"]) == ("FieldValueInvalid", "metadata.name")


async def test_the_namespace_must_exist_and_must_not_be_going(api: Api) -> None:
    missing = await api("POST", "/api/v1/namespaces/nope/configmaps", config_map("a"))
    assert (missing.code, missing.message) == (404, 'namespaces "nope" not found')
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "going"}})
    await api.ok("DELETE", "/api/v1/namespaces/going")
    going = await api("POST", "/api/v1/namespaces/going/configmaps", config_map("a"))
    assert (going.code, going.object["reason"]) == (403, "Forbidden")
    assert going.message == (
        'configmaps "a" is forbidden: unable to create new content in namespace going because it is being terminated'
    )
    assert going.object["details"]["causes"][0]["reason"] == "NamespaceTerminating"


async def test_an_update_needs_the_latest_version(api: Api) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
    second = await api.ok("PUT", f"{CONFIG_MAPS}/a", {**first, "data": {"x": "2"}})
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    stale = await api("PUT", f"{CONFIG_MAPS}/a", {**first, "data": {"x": "3"}})
    assert (stale.code, stale.object["reason"]) == (409, "Conflict")
    assert stale.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (await api.ok("GET", f"{CONFIG_MAPS}/a"))["data"] == {"x": "2"}


async def test_an_update_without_a_version_is_taken_from_built_in_types_only(widgets: Api) -> None:
    await widgets.ok("POST", CONFIG_MAPS, config_map("a"))
    await widgets.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a", x="2"))
    await widgets.ok("POST", WIDGETS, widget("w"))
    refused = await widgets("PUT", f"{WIDGETS}/w", widget("w", color="red"))
    assert refused.code == 422
    assert "metadata.resourceVersion: Invalid value: 0" in refused.message
    assert refused.message.endswith("must be specified for an update")


async def test_the_same_object_again_is_no_new_version(api: Api) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
    assert await api.ok("PUT", f"{CONFIG_MAPS}/a", first) == first
    patch = {"data": {"x": "1"}}
    assert await api.ok("PATCH", f"{CONFIG_MAPS}/a", patch, content_type="application/merge-patch+json") == first


@pytest.mark.parametrize(
    ("meta", "code", "message"),
    [
        ({"name": "b"}, 400, "the name of the object (b) does not match the name on the URL (a)"),
        ({"namespace": "kube-system"}, 400, "the namespace of the provided object does not match the namespace sent"),
        ({"uid": "another"}, 409, "UID in precondition: another, UID in object meta:"),
    ],
)
async def test_the_identity_of_an_object_stays(api: Api, meta: dict[str, str], code: int, message: str) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    answer = await api("PUT", f"{CONFIG_MAPS}/a", {**first, "metadata": {**first["metadata"], **meta}})
    assert answer.code == code
    assert message in answer.message


async def test_times_of_the_server_are_kept_silently(api: Api, clock: StillClock) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    clock.moment += timedelta(hours=1)
    meta = {**first["metadata"], "creationTimestamp": None}
    second = await api.ok("PUT", f"{CONFIG_MAPS}/a", {**first, "metadata": meta, "data": {"x": "1"}})
    assert second["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]
    meta["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    answer = await api("PUT", f"{CONFIG_MAPS}/a", {**first, "metadata": {**meta, "resourceVersion": ""}})
    assert (answer.code, answer.object["details"]["causes"][0]["field"]) == (422, "metadata.deletionTimestamp")


async def test_the_generation_follows_the_spec_only(widgets: Api) -> None:
    merge = {"content_type": "application/merge-patch+json"}
    created = await widgets.ok("POST", WIDGETS, widget("w", color="red"))
    generations = [created["metadata"]["generation"]]
    for url, patch in (
        (f"{WIDGETS}/w", {"metadata": {"labels": {"a": "b"}}}),
        (f"{WIDGETS}/w/status", {"status": {"phase": "Busy"}}),
        (f"{WIDGETS}/w", {"status": {"phase": "Ignored"}}),
        (f"{WIDGETS}/w", {"spec": {"color": "blue"}}),
        (f"{WIDGETS}/w", {"spec": {"color": "blue"}}),
    ):
        generations.append((await widgets.ok("PATCH", url, patch, **merge))["metadata"]["generation"])
    assert generations == [1, 1, 1, 1, 2, 2]


async def test_the_status_of_a_custom_resource_is_isolated(widgets: Api) -> None:
    created = await widgets.ok("POST", WIDGETS, {**widget("w", color="red"), "status": {"phase": "Dropped"}})
    assert "status" not in created
    both = {**created, "spec": {"color": "blue"}, "status": {"phase": "Busy"}}
    main = await widgets.ok("PUT", f"{WIDGETS}/w", both)
    assert main["spec"]["color"] == "blue" and "status" not in main
    labelled = {**main["metadata"], "labels": {"a": "b"}}
    changed = {**main, "metadata": labelled, "spec": {"color": "green"}, "status": {"phase": "Busy"}}
    status = await widgets.ok("PUT", f"{WIDGETS}/w/status", changed)
    assert status["status"] == {"phase": "Busy"}
    assert status["spec"]["color"] == "blue"
    assert "labels" not in status["metadata"]
    assert await widgets.ok("GET", f"{WIDGETS}/w/status") == status


async def test_the_status_of_a_pod_may_change_its_labels_but_not_its_spec(api: Api) -> None:
    created = await api.ok("POST", PODS, pod("p"))
    meta = {**created["metadata"], "labels": {"a": "b"}}
    spec = {**created["spec"], "nodeName": "elsewhere"}
    changed = {**created, "metadata": meta, "spec": spec, "status": {"phase": "Running"}}
    status = await api.ok("PUT", f"{PODS}/p/status", changed)
    assert status["status"]["phase"] == "Running"
    assert status["metadata"]["labels"] == {"a": "b"}
    assert "nodeName" not in status["spec"]


async def test_a_dry_run_changes_nothing(api: Api) -> None:
    answer = await api("POST", f"{CONFIG_MAPS}?dryRun=All", config_map("a"))
    assert answer.code == 201 and answer.object["metadata"]["uid"]
    assert (await api("GET", f"{CONFIG_MAPS}/a")).code == 404
    first = await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
    would = await api.ok("PUT", f"{CONFIG_MAPS}/a?dryRun=All", {**first, "data": {"x": "2"}})
    assert would["data"] == {"x": "2"}
    await api.ok("DELETE", f"{CONFIG_MAPS}/a?dryRun=All")
    assert await api.ok("GET", f"{CONFIG_MAPS}/a") == first
    assert (await api("POST", f"{CONFIG_MAPS}?dryRun=Some", config_map("b"))).code == 422


@pytest.mark.parametrize(
    ("validation", "code", "warnings"),
    [
        ("", 201, ('unknown field "spec.colour"',)),
        ("Warn", 201, ('unknown field "spec.colour"',)),
        ("Ignore", 201, ()),
        ("Strict", 400, ()),
    ],
)
async def test_unknown_fields(widgets: Api, validation: str, code: int, warnings: tuple[str, ...]) -> None:
    answer = await widgets("POST", f"{WIDGETS}?fieldValidation={validation}", widget("w", colour="red"))
    assert answer.code == code
    assert answer.response.warnings == warnings
    if code == 201:
        assert answer.object["spec"] == {"replicas": 1}
    else:
        assert answer.message == (
            'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.colour"'
        )


async def test_bodies_may_be_yaml(api: Api) -> None:
    body = b"metadata:\n  name: a\n  annotations: {when: '2026-01-01'}\ndata: {day: 2026-01-01T00:00:00Z}\n"
    created = await api.ok("POST", CONFIG_MAPS, body, content_type="application/yaml")
    assert created["data"] == {"day": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"{}", "application/cbor", 415),
        (b"{}", "application/vnd.kubernetes.protobuf", 400),
    ],
)
async def test_a_body_that_cannot_be_read(api: Api, body: bytes, content_type: str, code: int) -> None:
    answer = await api("POST", CONFIG_MAPS, body, content_type=content_type)
    assert answer.code == code
    assert answer.message


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/configmaps"),
        ("POST", f"{CONFIG_MAPS}/a"),
        ("PUT", CONFIG_MAPS),
        ("DELETE", "/api/v1/namespaces"),
        ("POST", f"{PODS}/a/status"),
        ("POST", "/version"),
    ],
)
async def test_what_cannot_be_done(api: Api, method: str, url: str) -> None:
    answer = await api(method, url, {})
    assert (answer.code, answer.object["reason"]) == (405, "MethodNotAllowed")


async def test_a_lease_is_created_by_its_first_update(api: Api) -> None:
    url = "/apis/coordination.k8s.io/v1/namespaces/default/leases/leader"
    answer = await api("PUT", url, {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}})
    assert answer.code == 201
    assert (await api.ok("GET", url))["spec"]["holderIdentity"] == "a"


async def test_the_priority_of_a_pod_comes_from_its_class(api: Api) -> None:
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    await api.ok("POST", classes, {"metadata": {"name": "high"}, "value": 100, "preemptionPolicy": "Never"})
    created = await api.ok("POST", PODS, pod("a", priorityClassName="high"))
    assert (created["spec"]["priority"], created["spec"]["preemptionPolicy"]) == (100, "Never")
    assert (await api.ok("POST", PODS, pod("b")))["spec"]["priority"] == 0
    missing = await api("POST", PODS, pod("c", priorityClassName="none"))
    assert (missing.code, missing.message) == (403, 'pods "c" is forbidden: no PriorityClass with name none was found')


async def test_services_get_addresses_and_keep_them(api: Api) -> None:
    url = "/api/v1/namespaces/default/services"
    body: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    first = await api.ok("POST", url, body)
    second = await api.ok("POST", url, {**body, "metadata": {"name": "b"}})
    addresses = {item["spec"]["clusterIP"] for item in (first, second)}
    assert len(addresses) == 2
    replaced = await api.ok("PUT", f"{url}/a", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}]}})
    assert replaced["spec"]["clusterIP"] == first["spec"]["clusterIP"]
    taken = {**body, "metadata": {"name": "c"}, "spec": {**body["spec"], "clusterIP": first["spec"]["clusterIP"]}}
    assert "provided IP is already allocated" in (await api("POST", url, taken)).message
