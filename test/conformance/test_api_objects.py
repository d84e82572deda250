"""Create, get, list, update: what the server writes into objects, and what it takes no notice of."""

import re
from typing import Any

import pytest

from conformance.api import MERGE, Api, config_map, pending_pod

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LEASES = "coordination.k8s.io/v1"


async def test_create_stamps_the_object(api: Api) -> None:
    answer = await api("POST", api.path("configmaps"), config_map("a", key="value"))
    assert answer.code == 201
    assert answer.headers["content-type"] == "application/json"
    made, meta = answer.object, answer.object["metadata"]
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"key": "value"})
    assert (meta["name"], meta["namespace"]) == ("a", api.namespace)
    assert UID.fullmatch(meta["uid"])
    assert TIME.fullmatch(meta["creationTimestamp"])
    assert int(meta["resourceVersion"]) > 0
    assert "generation" not in meta
    assert await api.ok("GET", api.path("configmaps", "a")) == made


async def test_create_takes_kind_and_version_from_the_path(api: Api) -> None:
    made = await api.create("configmaps", {"metadata": {"name": "bare"}})
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")


async def test_create_ignores_what_only_the_server_writes(api: Api) -> None:
    obj = config_map("a")
    obj["metadata"] |= {
        "uid": "00000000-0000-0000-0000-000000000000",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 5,
        "selfLink": "/nowhere",
    }
    meta = (await api.create("configmaps", obj))["metadata"]
    assert meta["uid"] != obj["metadata"]["uid"]
    assert meta["creationTimestamp"] > "2020"
    assert not {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"} & set(meta)


async def test_create_drops_the_status(api: Api) -> None:
    made = await api.create("pods", pending_pod("a") | {"status": {"phase": "Running", "podIP": "10.1.1.1"}})
    assert made["status"]["phase"] == "Pending"
    assert "podIP" not in made["status"]


async def test_create_with_a_resource_version_is_an_error(api: Api) -> None:
    obj = config_map("a")
    obj["metadata"]["resourceVersion"] = "1"
    answer = await api("POST", api.path("configmaps"), obj)
    assert answer.code >= 400
    assert answer.message == "resourceVersion should not be set on objects to be created"


async def test_generate_name_makes_up_names(api: Api) -> None:
    obj = {"metadata": {"generateName": "made-"}}
    first, second = [(await api.create("configmaps", obj))["metadata"] for _ in range(2)]
    assert re.fullmatch("made-[bcdfghjklmnpqrstvwxz2456789]{5}", first["name"])
    assert first["name"] != second["name"]
    assert first["generateName"] == "made-"


async def test_a_name_wins_over_generate_name(api: Api) -> None:
    made = await api.create("configmaps", {"metadata": {"name": "mine", "generateName": "made-"}})
    assert made["metadata"]["name"] == "mine"


async def test_a_long_generate_name_is_cut(api: Api) -> None:
    made = await api.create("configmaps", {"metadata": {"generateName": "x" * 80}})
    assert re.fullmatch("x{58}.{5}", made["metadata"]["name"])


async def test_generation_counts_what_is_wanted(api: Api) -> None:
    path = api.path("poddisruptionbudgets", group_version="policy/v1")
    budget: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"maxUnavailable": 1}}
    made = await api.ok("POST", path, budget)
    assert made["metadata"]["generation"] == 1
    labelled = await api.ok("PATCH", f"{path}/a", {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE)
    assert labelled["metadata"]["generation"] == 1
    assert labelled["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    changed = await api.ok("PATCH", f"{path}/a", {"spec": {"maxUnavailable": 2}}, content_type=MERGE)
    assert changed["metadata"]["generation"] == 2


async def test_generation_cannot_be_set(api: Api) -> None:
    path = api.path("poddisruptionbudgets", group_version="policy/v1")
    made = await api.ok("POST", path, {"metadata": {"name": "a", "generation": 7}, "spec": {"maxUnavailable": 1}})
    assert made["metadata"]["generation"] == 1
    patch = {"metadata": {"generation": 9}}
    assert (await api.ok("PATCH", f"{path}/a", patch, content_type=MERGE))["metadata"]["generation"] == 1


async def test_pods_count_generations(api: Api) -> None:
    made = await api.create("pods", pending_pod("a"))
    assert made["metadata"]["generation"] == 1
    patch = {"spec": {"activeDeadlineSeconds": 100}}
    changed = await api.ok("PATCH", api.path("pods", "a"), patch, content_type=MERGE)
    assert changed["metadata"]["generation"] == 2


async def test_list_has_an_envelope_and_bare_items(api: Api) -> None:
    for name in ("b", "a"):
        await api.create("leases", {"metadata": {"name": name}}, group_version=LEASES)
    found = await api.ok("GET", api.path("leases", group_version=LEASES))
    assert (found["kind"], found["apiVersion"]) == ("LeaseList", LEASES)
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b"]
    assert not any({"kind", "apiVersion"} & set(item) for item in found["items"])
    newest = max(int(item["metadata"]["resourceVersion"]) for item in found["items"])
    assert int(found["metadata"]["resourceVersion"]) >= newest
    assert not {"continue", "remainingItemCount"} & set(found["metadata"])


async def test_an_empty_list_has_items(api: Api) -> None:
    assert (await api.ok("GET", api.path("leases", group_version=LEASES)))["items"] == []


async def test_a_list_of_all_namespaces(api: Api) -> None:
    await api.create("configmaps", config_map("a", {"of": api.namespace}))
    found = await api.ok("GET", "/api/v1/configmaps", labelSelector=f"of={api.namespace}")
    assert [item["metadata"]["namespace"] for item in found["items"]] == [api.namespace]


async def test_replace(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", {"gone": "yes"}, old="1"))
    replacement = config_map("a", new="2")
    replacement["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    answer = await api("PUT", api.path("configmaps", "a"), replacement)
    assert answer.code == 200
    found = answer.object
    assert found["data"] == {"new": "2"}
    assert "labels" not in found["metadata"]
    for name in ("uid", "creationTimestamp", "namespace"):
        assert found["metadata"][name] == made["metadata"][name]
    assert int(found["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


async def test_replace_without_a_resource_version_is_unconditional(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    assert (await api.ok("PUT", api.path("configmaps", "a"), config_map("a", x="1")))["data"] == {"x": "1"}


async def test_replace_of_a_stale_object_is_a_conflict(api: Api) -> None:
    made = await api.create("configmaps", config_map("a"))
    await api.ok("PUT", api.path("configmaps", "a"), config_map("a", x="1"))
    answer = await api.refused(409, "Conflict", "PUT", api.path("configmaps", "a"), made)
    assert answer.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert answer.object["details"] == {"name": "a", "kind": "configmaps"}


async def test_replace_of_another_incarnation_is_a_conflict(api: Api) -> None:
    made = await api.create("configmaps", config_map("a"))
    replacement = config_map("a")
    replacement["metadata"]["uid"] = other = "00000000-0000-0000-0000-000000000000"
    answer = await api.refused(409, "Conflict", "PUT", api.path("configmaps", "a"), replacement)
    assert answer.message.startswith('Operation cannot be fulfilled on configmaps "a": ')
    text = f"Precondition failed: UID in precondition: {other}, UID in object meta: {made['metadata']['uid']}"
    assert answer.message.endswith(text)


async def test_replace_of_nothing(api: Api) -> None:
    await api.refused(404, "NotFound", "PUT", api.path("configmaps", "a"), config_map("a"))


async def test_replace_creates_where_the_kind_allows_it(api: Api) -> None:
    answer = await api("PUT", api.path("leases", "a", group_version=LEASES), {"metadata": {"name": "a"}})
    assert answer.code == 201
    assert UID.fullmatch(answer.object["metadata"]["uid"])


async def test_leases_are_not_replaced_unconditionally(api: Api) -> None:
    await api.create("leases", {"metadata": {"name": "a"}}, group_version=LEASES)
    path = api.path("leases", "a", group_version=LEASES)
    answer = await api.refused(422, "Invalid", "PUT", path, {"metadata": {"name": "a"}, "spec": {}})
    assert answer.causes == [("metadata.resourceVersion", "FieldValueInvalid")]
    assert answer.message == (
        'leases.coordination.k8s.io "a" is invalid: metadata.resourceVersion: Invalid value: 0: '
        "must be specified for an update"
    )


async def test_a_write_without_a_change_is_none(api: Api) -> None:
    made = await api.create("configmaps", config_map("a", x="1"))
    again = await api.ok("PUT", api.path("configmaps", "a"), made)
    patched = await api.ok("PATCH", api.path("configmaps", "a"), {"data": {"x": "1"}}, content_type=MERGE)
    versions = {item["metadata"]["resourceVersion"] for item in (made, again, patched)}
    assert len(versions) == 1


async def test_server_fields_survive_an_update_that_leaves_them_out(api: Api) -> None:
    made = await api.create("pods", pending_pod("a"))
    replacement = {**made, "metadata": {"name": "a", "labels": {"x": "y"}}}
    del replacement["status"]
    found = await api.ok("PUT", api.path("pods", "a"), replacement)
    for name in ("uid", "creationTimestamp", "generation", "namespace"):
        assert found["metadata"][name] == made["metadata"][name]
    assert found["status"] == made["status"]


async def test_resource_versions_are_ordered_across_kinds(api: Api) -> None:
    versions = []
    for plural in ("configmaps", "secrets", "configmaps"):
        made = await api.create(plural, {"metadata": {"generateName": "x-"}})
        versions.append(int(made["metadata"]["resourceVersion"]))
    assert versions == sorted(set(versions))


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        ("POST", config_map("b"), 201),
        ("PUT", config_map("a", x="1"), 200),
        ("PATCH", {"data": {"x": "1"}}, 200),
        ("DELETE", None, 200),
    ],
)
async def test_a_dry_run_answers_and_keeps_nothing(api: Api, method: str, body: Any, code: int) -> None:
    made = await api.create("configmaps", config_map("a"))
    path = api.path("configmaps", "" if method == "POST" else "a")
    content_type = MERGE if method == "PATCH" else "application/json"
    answer = await api(method, path, body, dryRun="All", content_type=content_type)
    assert answer.code == code
    if method == "POST":
        assert UID.fullmatch(answer.object["metadata"]["uid"])
        assert "resourceVersion" not in answer.object["metadata"]
    elif method != "DELETE":
        assert answer.object["data"] == {"x": "1"}
    found = await api.ok("GET", api.path("configmaps"), fieldSelector="metadata.name!=kube-root-ca.crt")
    assert [item["metadata"] for item in found["items"]] == [made["metadata"]]


async def test_a_dry_run_refuses_what_a_real_one_would(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    await api.refused(409, "AlreadyExists", "POST", api.path("configmaps"), config_map("a"), dryRun="All")
    await api.refused(422, "Invalid", "POST", api.path("configmaps"), config_map("A"), dryRun="All")


async def test_null_is_absent_in_built_in_kinds(api: Api) -> None:
    made = await api.create("configmaps", {"metadata": {"name": "a", "labels": None}, "data": None})
    assert "data" not in made
    assert "labels" not in made["metadata"]


async def test_secrets_take_plain_text(api: Api) -> None:
    made = await api.create("secrets", {"metadata": {"name": "a"}, "stringData": {"key": "value"}})
    assert (made["type"], made["data"]) == ("Opaque", {"key": "dmFsdWU="})
    assert "stringData" not in made


async def test_defaults_of_a_volume_claim(api: Api) -> None:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = await api.create("persistentvolumeclaims", {"metadata": {"name": "a"}, "spec": wanted})
    assert (made["spec"]["volumeMode"], made["status"]["phase"]) == ("Filesystem", "Pending")


async def test_defaults_of_an_autoscaler(api: Api) -> None:
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}, "maxReplicas": 3}
    made = await api.create(
        "horizontalpodautoscalers", {"metadata": {"name": "a"}, "spec": spec}, group_version="autoscaling/v2"
    )
    target = {"type": "Utilization", "averageUtilization": 80}
    assert made["spec"]["minReplicas"] == 1
    assert made["spec"]["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


async def test_a_finalizer_that_is_no_name(api: Api) -> None:
    obj = {"metadata": {"name": "a", "finalizers": ["a b", "plain"]}}
    answer = await api.refused(422, "Invalid", "POST", api.path("configmaps"), obj)
    found = [("metadata.finalizers", "FieldValueInvalid")]
    unqualified = [(f"metadata.finalizers[{index}]", "FieldValueInvalid") for index in (0, 1)]
    assert answer.causes == [*found, *unqualified]


async def test_the_prefix_of_a_name_can_be_changed(api: Api) -> None:
    await api.create("configmaps", config_map("a"))
    found = await api.ok("PATCH", api.path("configmaps", "a"), {"metadata": {"generateName": "b-"}}, content_type=MERGE)
    assert found["metadata"]["generateName"] == "b-"


async def test_immutable_config_stays(api: Api) -> None:
    await api.create("configmaps", config_map("a", x="1") | {"immutable": True})
    path = api.path("configmaps", "a")
    answer = await api.refused(422, "Invalid", "PUT", path, config_map("a", x="2") | {"immutable": True})
    assert answer.causes == [("data", "FieldValueForbidden")]
    assert "field is immutable when `immutable` is set" in answer.message


async def test_services_get_an_address_and_keep_it(api: Api) -> None:
    spec: dict[str, Any] = {"selector": {"app": "x"}, "ports": [{"port": 80}]}
    made = await api.create("services", {"metadata": {"name": "a"}, "spec": spec})
    assert made["spec"]["clusterIPs"] == [made["spec"]["clusterIP"]]
    assert made["spec"]["ports"] == [{"port": 80, "targetPort": 80, "protocol": "TCP"}]
    assert made["spec"]["type"] == "ClusterIP"
    assert made["status"] == {"loadBalancer": {}}
    replaced = await api.ok("PUT", api.path("services", "a"), {"metadata": {"name": "a"}, "spec": spec})
    assert replaced["spec"]["clusterIP"] == made["spec"]["clusterIP"]


async def test_headless_services_have_no_address(api: Api) -> None:
    spec = {"clusterIP": "None", "selector": {"app": "x"}, "ports": [{"port": 80}]}
    made = await api.create("services", {"metadata": {"name": "a"}, "spec": spec})
    assert (made["spec"]["clusterIP"], made["spec"]["clusterIPs"]) == ("None", ["None"])


async def test_what_selects_pods_has_the_families_of_the_cluster(api: Api) -> None:
    made = await api.create("services", {"metadata": {"name": "a"}, "spec": {"clusterIP": "None"}})
    assert (made["spec"]["ipFamilyPolicy"], made["spec"]["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])
    path = api.path("services", "a")
    change: dict[str, dict[str, object]] = {"spec": {"selector": {"app": "x"}}}
    answer = await api.refused(422, "Invalid", "PATCH", path, change, content_type=MERGE)
    assert [field for field, _ in answer.causes] == ["spec.ipFamilies[1]", "spec.ipFamilyPolicy"]
    change["spec"] |= {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}
    patched = await api.ok("PATCH", path, change, content_type=MERGE)
    assert patched["spec"]["ipFamilies"] == ["IPv4"]


async def test_a_service_becomes_external_and_its_address_goes(api: Api) -> None:
    await api.create("services", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    change = {"spec": {"type": "ExternalName", "externalName": "a.example.com"}}
    found = await api.ok("PATCH", api.path("services", "a"), change, content_type=MERGE)
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(found["spec"])


async def test_addresses_of_services_are_checked_first_and_alone(api: Api) -> None:
    spec = {"clusterIP": "1.2.3", "ports": [{"port": 0, "targetPort": "A B"}]}
    answer = await api.refused(422, "Invalid", "POST", api.path("services"), {"metadata": {"name": "a"}, "spec": spec})
    assert answer.causes == [("spec.clusterIPs[0]", "FieldValueInvalid")]
    del spec["clusterIP"]
    answer = await api.refused(422, "Invalid", "POST", api.path("services"), {"metadata": {"name": "a"}, "spec": spec})
    assert {field for field, _ in answer.causes} == {"spec.ports[0].port", "spec.ports[0].targetPort"}


async def test_an_empty_string_is_no_value(api: Api) -> None:
    assert (await api.create("secrets", {"metadata": {"name": "a"}, "type": ""}))["type"] == "Opaque"
    spec = {"type": "", "sessionAffinity": "", "ports": [{"port": 80, "protocol": ""}]}
    made = (await api.create("services", {"metadata": {"name": "a"}, "spec": spec}))["spec"]
    assert (made["type"], made["sessionAffinity"], made["ports"][0]["protocol"]) == ("ClusterIP", "None", "TCP")


async def test_null_for_a_string_in_a_map_or_list_is_an_empty_one(api: Api) -> None:
    made = await api.create("configmaps", {"metadata": {"name": "a", "labels": {"l": None}}, "data": {"x": None}})
    assert (made["metadata"]["labels"], made["data"]) == ({"l": ""}, {"x": ""})
    pod = pending_pod("a")
    pod["spec"]["containers"][0]["args"] = ["-c", None]
    assert (await api.create("pods", pod))["spec"]["containers"][0]["args"] == ["-c", ""]


async def test_a_replaced_disruption_budget_needs_a_resource_version(api: Api) -> None:
    budget = {"metadata": {"name": "a"}, "spec": {"minAvailable": 1}}
    await api.create("poddisruptionbudgets", budget, group_version="policy/v1")
    path = api.path("poddisruptionbudgets", "a", group_version="policy/v1")
    answer = await api.refused(422, "Invalid", "PUT", path, budget)
    assert answer.causes == [("metadata.resourceVersion", "FieldValueInvalid")]


async def test_pods_get_defaults(api: Api) -> None:
    pod = await api.create("pods", pending_pod("a"))
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert {name: spec[name] for name in ("restartPolicy", "dnsPolicy", "terminationGracePeriodSeconds")} == {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
    }
    assert container["imagePullPolicy"] == "Always"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"
    assert container["resources"] == {}
    assert spec["securityContext"] == {}
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
