"""Pods as the API sees them: binding, eviction, graceful deletion, and logs that are not there."""

from collections.abc import AsyncIterator

import pytest

from conformance.api import MERGE, Api, Object, pending_pod
from conformance.conftest import unique


def binding(node: str, **meta: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "a", **meta},
        "target": {"kind": "Node", "name": node},
    }


@pytest.fixture
async def node(api: Api) -> AsyncIterator[str]:
    """A node behind which there is no kubelet, so that nothing happens to its pods."""
    name = unique("node")
    await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": name}, "spec": {"unschedulable": True}})
    yield name
    await api.ok("DELETE", f"/api/v1/nodes/{name}")


async def remove(api: Api) -> None:
    """A pod on a node that is not there would wait for its kubelet for ever."""
    await api("DELETE", api.path("pods", "a"), gracePeriodSeconds="0")


async def test_binding(api: Api, node: str) -> None:
    made = await api.create("pods", pending_pod("a"))
    answer = await api("POST", api.path("pods", "a/binding"), binding(node))
    assert answer.code == 201
    expected = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    assert answer.object == expected
    pod = await api.ok("GET", api.path("pods", "a"))
    assert pod["spec"]["nodeName"] == node
    assert pod["metadata"]["generation"] == made["metadata"]["generation"]
    [condition] = pod["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    await remove(api)


async def test_a_pod_is_bound_once(api: Api, node: str) -> None:
    await api.create("pods", pending_pod("a"))
    await api.ok("POST", api.path("pods", "a/binding"), binding(node))
    answer = await api.refused(409, "Conflict", "POST", api.path("pods", "a/binding"), binding("other"))
    assert answer.message == (
        f'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "{node}"'
    )
    await remove(api)


async def test_a_binding_carries_annotations(api: Api, node: str) -> None:
    await api.create("pods", pending_pod("a"))
    body = binding(node)
    body["metadata"]["annotations"] = {"x": "y"}
    await api.ok("POST", api.path("pods", "a/binding"), body)
    assert (await api.ok("GET", api.path("pods", "a")))["metadata"]["annotations"] == {"x": "y"}
    await remove(api)


async def test_a_binding_names_a_node(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    answer = await api("POST", api.path("pods", "a/binding"), binding(""))
    assert answer.code >= 400
    assert answer.message.endswith("target.name: Required value")


async def test_a_binding_of_nothing(api: Api) -> None:
    await api.refused(404, "NotFound", "POST", api.path("pods", "a/binding"), binding("node"))


async def test_a_binding_of_another_incarnation(api: Api, node: str) -> None:
    await api.create("pods", pending_pod("a"))
    body = binding(node, uid="00000000-0000-0000-0000-000000000000")
    await api.refused(409, "Conflict", "POST", api.path("pods", "a/binding"), body)
    assert "nodeName" not in (await api.ok("GET", api.path("pods", "a")))["spec"]


async def test_a_pending_pod_goes_at_once(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    found = await api.ok("DELETE", api.path("pods", "a"))
    assert found["kind"] == "Pod"
    await api.refused(404, "NotFound", "GET", api.path("pods", "a"))


async def test_a_pod_on_a_node_has_time(api: Api, node: str) -> None:
    made = await api.create("pods", pending_pod("a", terminationGracePeriodSeconds=40))
    await api.ok("POST", api.path("pods", "a/binding"), binding(node))
    first = (await api.ok("DELETE", api.path("pods", "a")))["metadata"]
    assert first["deletionGracePeriodSeconds"] == 40
    assert first["generation"] == made["metadata"]["generation"] + 1
    # The time may become shorter, never longer.
    second = (await api.ok("DELETE", api.path("pods", "a"), {"gracePeriodSeconds": 5}))["metadata"]
    assert second["deletionGracePeriodSeconds"] == 5
    assert second["deletionTimestamp"] < first["deletionTimestamp"]
    third = (await api.ok("DELETE", api.path("pods", "a"), {"gracePeriodSeconds": 60}))["metadata"]
    assert third["deletionGracePeriodSeconds"] == 5
    assert third["deletionTimestamp"] == second["deletionTimestamp"]
    await remove(api)
    await api.refused(404, "NotFound", "GET", api.path("pods", "a"))


async def test_a_finished_pod_needs_no_time(api: Api, node: str) -> None:
    await api.create("pods", pending_pod("a"))
    await api.ok("POST", api.path("pods", "a/binding"), binding(node))
    await api.ok("PATCH", api.path("pods", "a/status"), {"status": {"phase": "Succeeded"}}, content_type=MERGE)
    await api.ok("DELETE", api.path("pods", "a"))
    await api.refused(404, "NotFound", "GET", api.path("pods", "a"))


async def test_a_finalizer_outlives_the_grace_period(api: Api, node: str) -> None:
    obj = pending_pod("a")
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    await api.create("pods", obj)
    await api.ok("POST", api.path("pods", "a/binding"), binding(node))
    found = await api.ok("DELETE", api.path("pods", "a"), gracePeriodSeconds="0")
    assert found["metadata"]["deletionGracePeriodSeconds"] == 0
    await api.ok("GET", api.path("pods", "a"))
    await api.ok("PATCH", api.path("pods", "a"), {"metadata": {"finalizers": None}}, content_type=MERGE)
    await api.refused(404, "NotFound", "GET", api.path("pods", "a"))


async def test_eviction(api: Api, node: str) -> None:
    await api.create("pods", pending_pod("a"))
    await api.ok("POST", api.path("pods", "a/binding"), binding(node))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    answer = await api("POST", api.path("pods", "a/eviction"), body)
    assert (answer.code, answer.object["status"]) == (201, "Success")
    pod = await api.ok("GET", api.path("pods", "a"))
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    [why] = [item for item in pod["status"]["conditions"] if item["type"] == "DisruptionTarget"]
    assert (why["status"], why["reason"], why["message"]) == ("True", "EvictionByEvictionAPI", "Eviction API: evicting")
    await remove(api)


async def test_eviction_in_a_dry_run(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    await api.ok("POST", api.path("pods", "a/eviction"), body | {"deleteOptions": {"dryRun": ["All"]}})
    assert "deletionTimestamp" not in (await api.ok("GET", api.path("pods", "a")))["metadata"]


async def test_eviction_of_nothing(api: Api) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    await api.refused(404, "NotFound", "POST", api.path("pods", "a/eviction"), body)


async def test_the_log_of_a_pod_without_a_node_is_empty(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    answer = await api("GET", api.path("pods", "a/log"))
    assert (answer.code, answer.body) == (204, b"")


async def test_the_log_of_nothing(api: Api) -> None:
    answer = await api.refused(404, "NotFound", "GET", api.path("pods", "a/log"))
    assert answer.message == 'pods "a" not found'


async def test_the_log_of_another_container(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    answer = await api.refused(400, "BadRequest", "GET", api.path("pods", "a/log"), container="none")
    assert answer.message == "container none is not valid for pod a"


async def test_the_log_of_one_of_two(api: Api) -> None:
    containers = [{"name": name, "image": "kdl/python"} for name in ("one", "two")]
    await api.create("pods", pending_pod("a", containers=containers))
    answer = await api.refused(400, "BadRequest", "GET", api.path("pods", "a/log"))
    assert answer.message == "a container name must be specified for pod a, choose one of: [one two]"


async def test_a_pod_gets_its_priority_from_its_class(api: Api) -> None:
    name = unique("class")
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    made = await api.ok("POST", path, {"metadata": {"name": name}, "value": 1000})
    assert made["preemptionPolicy"] == "PreemptLowerPriority"
    pod = await api.create("pods", pending_pod("a", priorityClassName=name))
    assert pod["spec"]["priority"] == 1000
    await api.ok("DELETE", f"{path}/{name}")


async def test_a_priority_class_that_is_not_there(api: Api) -> None:
    answer = await api.refused(403, "Forbidden", "POST", api.path("pods"), pending_pod("a", priorityClassName="none"))
    assert answer.message == 'pods "a" is forbidden: no PriorityClass with name none was found'


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"spec": {"activeDeadlineSeconds": 10}}, 200),
        ({"spec": {"terminationGracePeriodSeconds": 5}}, 422),
        ({"spec": {"schedulerName": "other"}}, 422),
        ({"spec": {"hostname": "other"}}, 422),
        ({"spec": {"containers": [{"name": "main", "image": "kdl/python", "livenessProbe": {}}]}}, 422),
    ],
)
async def test_what_may_change(api: Api, change: Object, code: int) -> None:
    await api.create("pods", pending_pod("a"))
    answer = await api("PATCH", api.path("pods", "a"), change, content_type=MERGE)
    assert answer.code == code, answer.object


async def test_a_toleration_may_last_longer(api: Api) -> None:
    pod = pending_pod("a")
    pod["spec"]["tolerations"] = [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]
    made = await api.create("pods", pod)
    made["spec"]["tolerations"][0]["tolerationSeconds"] = 50
    await api.ok("PUT", api.path("pods", "a"), made)
    made["spec"]["tolerations"][0]["key"] = "l"
    made["metadata"].pop("resourceVersion")
    answer = await api.refused(422, "Invalid", "PUT", api.path("pods", "a"), made)
    assert answer.causes == [("spec.tolerations", "FieldValueForbidden")]


async def test_gates_are_not_added(api: Api) -> None:
    await api.create("pods", pending_pod("a"))
    change = {"spec": {"schedulingGates": [{"name": "example.com/gate"}]}}
    answer = await api.refused(422, "Invalid", "PATCH", api.path("pods", "a"), change, content_type=MERGE)
    assert answer.causes == [("spec.schedulingGates[0].name", "FieldValueForbidden")]


@pytest.mark.parametrize(
    ("container", "causes"),
    [
        ({"livenessProbe": {}}, [("livenessProbe", "FieldValueRequired")]),
        ({"lifecycle": {"preStop": {"exec": {}}}}, [("lifecycle.preStop.exec.command", "FieldValueRequired")]),
        (
            {"startupProbe": {"httpGet": {"port": 0}, "failureThreshold": -1}},
            [
                ("startupProbe.failureThreshold", "FieldValueInvalid"),
                ("startupProbe.httpGet.port", "FieldValueInvalid"),
            ],
        ),
        (
            {"readinessProbe": {"tcpSocket": {"port": "8080"}, "grpc": {"port": 1}}},
            [("readinessProbe.grpc", "FieldValueForbidden"), ("readinessProbe.tcpSocket.port", "FieldValueInvalid")],
        ),
    ],
)
async def test_probes_and_hooks_are_checked(api: Api, container: Object, causes: list[tuple[str, str]]) -> None:
    pod = pending_pod("a")
    pod["spec"]["containers"][0] |= container
    answer = await api.refused(422, "Invalid", "POST", api.path("pods"), pod)
    assert answer.causes == [(f"spec.containers[0].{field}", reason) for field, reason in causes]


def wanting(**resources: Object) -> Object:
    return {"resources": resources}


@pytest.mark.parametrize(
    ("container", "causes"),
    [
        (wanting(requests={"gpu": 1}), ["requests[gpu]"]),
        (wanting(limits={"gpu": 1}), ["limits[gpu]", "requests[gpu]"]),
        (wanting(requests={"nvidia.com/gpu": 1}), ["limits"]),
        (wanting(requests={"nvidia.com/gpu": 1}, limits={"nvidia.com/gpu": 2}), ["requests"]),
        (wanting(limits={"nvidia.com/gpu": "500m"}), ["limits[nvidia.com/gpu]", "requests[nvidia.com/gpu]"]),
        (wanting(limits={"hugepages-2Mi": "4Mi"}), [""]),
        (wanting(limits={"nvidia.com/gpu": 2, "cpu": "1", "ephemeral-storage": "1Gi"}), []),
    ],
)
async def test_what_a_container_may_ask_for(api: Api, container: Object, causes: list[str]) -> None:
    pod = pending_pod("a")
    pod["spec"]["containers"][0] |= container
    answer = await api("POST", api.path("pods"), pod, dryRun="All")
    path = "spec.containers[0].resources"
    assert answer.code == (422 if causes else 201)
    assert sorted({field for field, _ in answer.causes}) == [f"{path}.{name}".rstrip(".") for name in causes]


@pytest.mark.parametrize(
    ("container", "field"),
    [
        ({"restartPolicy": "Sometimes"}, "restartPolicy"),
        ({"readinessProbe": {"exec": {"command": ["true"]}}}, "readinessProbe"),
        ({"lifecycle": {"preStop": {"exec": {"command": ["true"]}}}}, "lifecycle"),
        ({"restartPolicy": "Always", "readinessProbe": {"exec": {"command": ["true"]}}}, ""),
    ],
)
async def test_only_sidecars_have_probes_before_the_containers(api: Api, container: Object, field: str) -> None:
    pod = pending_pod("a", initContainers=[{"name": "init", "image": "kdl/python", **container}])
    answer = await api("POST", api.path("pods"), pod, dryRun="All")
    found = [name for name, _ in answer.causes]
    assert (answer.code, found) == ((422, [f"spec.initContainers[0].{field}"]) if field else (201, []))


async def test_a_volume_is_of_one_type(api: Api) -> None:
    pod = pending_pod("a")
    pod["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "x"}, "emptyDir": {}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    answer = await api.refused(422, "Invalid", "POST", api.path("pods"), pod)
    assert answer.causes == [
        ("spec.containers[0].volumeMounts[0].name", "FieldValueNotFound"),
        ("spec.volumes[0].configMap", "FieldValueForbidden"),
    ]


async def test_a_negative_grace_period_is_one_second(api: Api) -> None:
    pod = pending_pod("a")
    pod["spec"]["terminationGracePeriodSeconds"] = -5
    assert (await api.create("pods", pod))["spec"]["terminationGracePeriodSeconds"] == 1


async def test_an_image_may_change(api: Api) -> None:
    pod = await api.create("pods", pending_pod("a"))
    pod["spec"]["containers"][0]["image"] = "kdl/other"
    found = await api.ok("PUT", api.path("pods", "a"), pod)
    assert found["spec"]["containers"][0]["image"] == "kdl/other"
    assert found["metadata"]["generation"] == 2


async def test_quality_of_service(api: Api) -> None:
    amounts = {"cpu": "1", "memory": "1Gi"}
    for name, resources in {
        "guaranteed": {"requests": amounts, "limits": amounts},
        "burstable": {"requests": amounts},
    }.items():
        container = {"name": "main", "image": "kdl/python", "resources": resources}
        pod = await api.create("pods", pending_pod(name, containers=[container]))
        assert pod["status"]["qosClass"].lower() == name
