from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.logs import LogOptions
from kdl_runtime.errors import BadRequest
from unit.kdl_local.apiserver.core.rig import PODS, WIDGETS, Api, pod, widget

MERGE = {"content_type": "application/merge-patch+json"}


async def test_scale_is_a_view_of_the_replica_count(widgets: Api) -> None:
    created = await widgets.ok("POST", WIDGETS, widget("w", replicas=2, selector="app=w"))
    await widgets.ok("PATCH", f"{WIDGETS}/w/status", {"status": {"replicas": 1}}, **MERGE)
    scale = await widgets.ok("GET", f"{WIDGETS}/w/scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["metadata"]["uid"] == created["metadata"]["uid"]
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "app=w"})
    scaled = await widgets.ok("PUT", f"{WIDGETS}/w/scale", {**scale, "spec": {"replicas": 5}})
    assert scaled["spec"] == {"replicas": 5}
    after = await widgets.ok("GET", f"{WIDGETS}/w")
    assert after["spec"] == {"replicas": 5, "selector": "app=w"}
    assert after["metadata"]["generation"] == 2
    stale = await widgets("PUT", f"{WIDGETS}/w/scale", {**scale, "spec": {"replicas": 6}})
    assert stale.code == 409
    patched = await widgets.ok("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 0}}, **MERGE)
    assert patched["spec"] == {}  # Nought is left out, as everywhere in built-in kinds.


@pytest.mark.parametrize("replicas", ["two", True])
async def test_a_scale_that_is_not_a_count(widgets: Api, replicas: Any) -> None:
    await widgets.ok("POST", WIDGETS, widget("w"))
    answer = await widgets("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": replicas}}, **MERGE)
    assert answer.code == 422
    assert answer.object["details"]["causes"][0]["field"] == "patch"
    assert "spec.replicas must be an integer" in answer.message


async def test_a_scale_below_zero_is_refused_as_the_object_itself(widgets: Api) -> None:
    await widgets.ok("POST", WIDGETS, widget("w"))
    answer = await widgets("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": -1}}, **MERGE)
    assert (answer.code, answer.object["details"]["kind"]) == (422, "Widget")
    assert [cause["field"] for cause in answer.object["details"]["causes"]] == ["spec.replicas", ".spec.replicas"]


async def test_pods_have_no_scale(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    assert (await api("GET", f"{PODS}/p/scale")).code == 404


async def test_binding_gives_a_pod_its_node(api: Api) -> None:
    created = await api.ok("POST", PODS, pod("p"))
    binding = {"target": {"kind": "Node", "name": "n1"}, "metadata": {"name": "p", "annotations": {"a": "b"}}}
    answer = await api("POST", f"{PODS}/p/binding", binding)
    assert (answer.code, answer.object["status"]) == (201, "Success")
    bound = await api.ok("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["metadata"]["annotations"] == {"a": "b"}
    assert bound["metadata"]["generation"] == created["metadata"]["generation"]
    (condition,) = bound["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    again = await api("POST", f"{PODS}/p/binding", binding)
    assert (again.code, again.object["reason"]) == (409, "Conflict")
    assert again.message.endswith('pod p is already assigned to node "n1"')


@pytest.mark.parametrize(
    ("binding", "code"),
    [
        ({"target": {}}, 422),
        ({"target": {"kind": "Rack", "name": "n"}}, 422),
        ({"target": {"name": "n"}, "metadata": {"uid": "another"}}, 409),
    ],
)
async def test_bindings_that_are_refused(api: Api, binding: dict[str, Any], code: int) -> None:
    await api.ok("POST", PODS, pod("p"))
    assert (await api("POST", f"{PODS}/p/binding", binding)).code == code
    assert "nodeName" not in (await api.ok("GET", f"{PODS}/p"))["spec"]


async def test_a_pod_that_is_being_deleted_is_not_bound(api: Api) -> None:
    body = pod("p")
    body["metadata"]["finalizers"] = ["kdl.io/outcome"]
    await api.ok("POST", PODS, body)
    await api.ok("DELETE", f"{PODS}/p")
    refused = await api("POST", f"{PODS}/p/binding", {"target": {"name": "n"}})
    assert refused.code == 409
    assert "is being deleted" in refused.message


async def test_eviction_deletes_a_pod(api: Api) -> None:
    await api.ok("POST", PODS, pod("p", nodeName="n"))
    body = {"metadata": {"name": "p"}, "deleteOptions": {"gracePeriodSeconds": 7}}
    assert (await api("POST", f"{PODS}/p/eviction?dryRun=All", body)).code == 201
    assert "deletionTimestamp" not in (await api.ok("GET", f"{PODS}/p"))["metadata"]
    assert (await api("POST", f"{PODS}/p/eviction", body)).code == 201
    assert (await api.ok("GET", f"{PODS}/p"))["metadata"]["deletionGracePeriodSeconds"] == 7
    other = await api("POST", f"{PODS}/p/eviction", {"metadata": {"name": "q"}})
    assert other.code == 400


class Logs:
    """A log provider that remembers what it was asked for."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.asked: list[LogOptions] = []
        self.closed = False

    async def __call__(self, pod: Mapping[str, Any], options: LogOptions) -> AsyncGenerator[bytes, None]:
        self.asked.append(options)
        if options.previous:
            raise BadRequest(f'previous terminated container "{options.container}" not found')
        return self._stream()

    async def _stream(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self.pieces:
                yield piece
        finally:
            self.closed = True


@pytest.fixture
def logs(api: Api) -> Logs:
    provider = Logs(b"one\n", b"two\n")
    api.server.log_provider = provider
    return provider


async def test_logs_are_streamed_from_the_node(api: Api, logs: Logs) -> None:
    await api.ok("POST", PODS, pod("p", nodeName="n"))
    query = "follow=true&tailLines=5&sinceSeconds=9&timestamps=1&limitBytes=100&sinceTime=2026-01-31T12:00:00Z"
    response = await api.response("GET", f"{PODS}/p/log?{query}")
    assert (response.status, response.content_type) == (200, "text/plain")
    assert not isinstance(response.body, bytes)
    async with aclosing(response.body) as body:
        assert b"".join([piece async for piece in body]) == b"one\ntwo\n"
    assert logs.asked == [
        LogOptions("main", True, False, True, 5, 9, datetime(2026, 1, 31, 12, tzinfo=UTC), 100),
    ]


async def test_a_reader_who_leaves_ends_the_stream(api: Api, logs: Logs) -> None:
    await api.ok("POST", PODS, pod("p", nodeName="n"))
    response = await api.response("GET", f"{PODS}/p/log")
    assert not isinstance(response.body, bytes)
    async with aclosing(response.body) as body:
        assert await anext(body) == b"one\n"
    assert logs.closed


TWO = [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]


@pytest.mark.parametrize(
    ("spec", "query", "message"),
    [
        ({"nodeName": "n"}, "container=x", "container x is not valid for pod p"),
        (
            {"nodeName": "n", "containers": TWO},
            "",
            "a container name must be specified for pod p, choose one of: [a b]",
        ),
        ({"nodeName": "n"}, "previous=true", 'previous terminated container "main" not found'),
        ({"nodeName": "n"}, "tailLines=-1", "tailLines"),
        ({"nodeName": "n"}, "sinceTime=yesterday", "sinceTime"),
    ],
)
async def test_logs_that_cannot_be_had(api: Api, logs: Logs, spec: dict[str, Any], query: str, message: str) -> None:
    await api.ok("POST", PODS, pod("p", **spec))
    answer = await api("GET", f"{PODS}/p/log?{query}")
    assert answer.code == 400
    assert message in answer.message


async def test_a_pod_without_a_node_has_an_empty_log(api: Api, logs: Logs) -> None:
    await api.ok("POST", PODS, pod("p"))
    response = await api.response("GET", f"{PODS}/p/log")
    assert (response.status, response.complete) == (204, b"")


async def test_init_containers_are_offered_and_found(api: Api, logs: Logs) -> None:
    await api.ok("POST", PODS, pod("p", nodeName="n", initContainers=[{"name": "i", "image": "x"}]))
    unclear = await api("GET", f"{PODS}/p/log")
    assert unclear.message.endswith("choose one of: [main] or one of the init containers: [i]")
    assert (await api.response("GET", f"{PODS}/p/log?container=i")).status == 200


async def test_without_a_node_there_are_no_logs(api: Api) -> None:
    await api.ok("POST", PODS, pod("p", nodeName="n"))
    assert (await api("GET", f"{PODS}/p/log")).code == 400
