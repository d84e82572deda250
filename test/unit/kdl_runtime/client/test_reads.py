"""get, list and other paths: what is asked, what comes back, and in which shape."""

from typing import Any

import pytest

from kdl_runtime.client.client import Client, ListOptions
from kdl_runtime.codec.json import Raw
from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.errors import BadRequest, Expired, NotFound, TransportError
from kdl_runtime.resources.registry import NODES, PODS
from kdl_runtime.types import ObjectKey

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": {"x": [1]}}
KEY = ObjectKey("n", "a")


def page(*names: str, token: str = "", version: str = "7") -> dict[str, Any]:
    metadata = {"resourceVersion": version} | ({"continue": token} if token else {})
    return {"kind": "PodList", "metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]}


async def test_get_gives_a_dict(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(POD)]
    assert await client.get(PODS, KEY) == POD
    request = transport.only
    assert (request.method, request.path, request.query) == ("GET", "/api/v1/namespaces/n/pods/a", ())
    assert request.headers["Accept"] == "application/json"


async def test_get_gives_a_projection_or_raw_bytes(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(POD), answer(POD)]
    assert await client.get(PODS, KEY, as_=PartialObject) == PartialObject(
        "v1", "Pod", ObjectMeta(name="a", namespace="n", uid="u")
    )
    assert bytes(await client.get(PODS, KEY, as_=Raw)) == answer(POD).body


@pytest.mark.parametrize(
    ("resource", "key", "path"),
    [(NODES, ObjectKey("", "a"), "/api/v1/nodes/a"), (NODES, ObjectKey("ignored", "a"), "/api/v1/nodes/a")],
)
async def test_paths_without_namespace(client: Client, transport: Any, resource: Any, key: Any, path: str) -> None:
    transport.answers = [TransportError("the path is enough")] * 3
    with pytest.raises(TransportError):
        await client.get(resource, key)
    assert transport.requests[0].path == path


async def test_get_of_a_subresource(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(POD)]
    await client.get(PODS, KEY, subresource="status")
    assert transport.only.path == "/api/v1/namespaces/n/pods/a/status"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (ObjectKey("n", ""), "a name is needed for a request on one of pods"),
        (ObjectKey("", "a"), "a namespace is needed for a request on one of pods"),
        (ObjectKey("n", "a/b"), "the name 'a/b' is invalid"),
        (ObjectKey("n", ".."), "the name '..' is invalid"),
        (ObjectKey("n", "a%2f"), "may not be"),
        (ObjectKey("../kube-system", "a"), "the namespace '../kube-system' is invalid"),
    ],
)
async def test_names_that_lead_elsewhere_are_not_sent(
    client: Client, transport: Any, key: ObjectKey, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        await client.get(PODS, key)
    assert transport.requests == []


async def test_get_of_what_is_not_there(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(NotFound('pods "a" not found', details={"name": "a"}))]
    with pytest.raises(NotFound, match='pods "a" not found') as caught:
        await client.get(PODS, KEY)
    assert caught.value.details == {"name": "a"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "the API server sent no valid JSON"),
        (b"[]", "an object that does not fit dict"),
        (b'{"metadata": {"name": 7}}', r"does not fit PartialObject: .*metadata\.name"),
    ],
)
async def test_answers_that_make_no_sense(
    client: Client, transport: Any, answer: Any, body: bytes, message: str
) -> None:
    transport.answers = [answer(body)]
    with pytest.raises(TransportError, match=message):
        await client.get(PODS, KEY, as_=PartialObject if b"name" in body else dict)


async def test_list_pages_through_and_completes_the_items(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(page("a", "b", token="t1")), answer(page("c", token="t2")), answer(page("d"))]
    options = ListOptions(label_selector="x=y", resource_version="5", resource_version_match="NotOlderThan")
    pods = await client.list(PODS, "n", options)
    assert [pod["metadata"]["name"] for pod in pods] == ["a", "b", "c", "d"]
    assert {(pod["apiVersion"], pod["kind"]) for pod in pods} == {("v1", "Pod")}
    assert [dict(request.query) for request in transport.requests] == [
        {"labelSelector": "x=y", "limit": "500", "resourceVersion": "5", "resourceVersionMatch": "NotOlderThan"},
        {"labelSelector": "x=y", "limit": "500", "continue": "t1"},
        {"labelSelector": "x=y", "limit": "500", "continue": "t2"},
    ]
    assert {request.path for request in transport.requests} == {"/api/v1/namespaces/n/pods"}


async def test_list_of_projections(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(page("a"))]
    assert await client.list(PODS, as_=PartialObject) == [PartialObject("v1", "Pod", ObjectMeta(name="a"))]
    assert transport.only.path == "/api/v1/pods"


async def test_items_keep_a_kind_of_their_own(client: Client, transport: Any, answer: Any) -> None:
    item = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}
    transport.answers = [answer({"metadata": {}, "items": [item]})] * 2
    options = ListOptions(metadata_only=True)
    assert await client.list(PODS, "n", options) == [item]
    assert (await client.list(PODS, "n", options, as_=PartialObject))[0].kind == "PartialObjectMetadata"
    assert (
        transport.requests[0]
        .headers["Accept"]
        .startswith("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    )


@pytest.mark.parametrize("body", [{"metadata": {}, "items": None}, {"metadata": {}, "items": []}, {"metadata": {}}])
async def test_an_empty_list(client: Client, transport: Any, answer: Any, body: Any) -> None:
    transport.answers = [answer(body)]
    assert await client.list(PODS) == []


async def test_a_list_whose_snapshot_expires_is_done_again_in_one(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(page("old", token="t")), answer(Expired("too old")), answer(page("new"))]
    assert [pod["metadata"]["name"] for pod in await client.list(PODS)] == ["new"]
    assert dict(transport.requests[2].query) == {}


async def test_a_list_from_a_version_that_is_gone(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(Expired("too old"))]
    with pytest.raises(Expired):
        await client.list(PODS, "n", ListOptions(resource_version="1", resource_version_match="Exact"))


async def test_a_page_is_left_undecoded(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(page("a", token="t"))]
    found = await client.list_page(PODS, "n", ListOptions(limit=1, continue_="s", field_selector="spec.nodeName=x"))
    assert (found.metadata.continue_, found.metadata.resource_version) == ("t", "7")
    assert [bytes(item) for item in found.items or ()] == [b'{"metadata":{"name":"a"}}']
    assert dict(transport.only.query) == {"fieldSelector": "spec.nodeName=x", "limit": "1", "continue": "s"}


@pytest.mark.parametrize("query", [{"a": "b"}, (("a", "b"),)])
async def test_other_paths(client: Client, transport: Any, answer: Any, query: Any) -> None:
    transport.answers = [answer(b"ok")]
    assert await client.get_path("/readyz", query) == b"ok"
    assert (transport.only.path, transport.only.query) == ("/readyz", (("a", "b"),))


async def test_streams_of_other_paths(client: Client, transport: Any, stream: Any) -> None:
    transport.answers = [stream(b"one\n", b"two")]
    async with client.stream_path("/api/v1/namespaces/n/pods/a/log", {"follow": "true"}) as chunks:
        assert [chunk async for chunk in chunks] == [b"one\n", b"two"]
    assert transport.only.query == (("follow", "true"),)
    assert transport.only.timeout is None
    assert transport.closed_streams == 1


async def test_a_stream_that_is_refused(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(NotFound("no such pod"))]
    with pytest.raises(NotFound, match="no such pod"):
        async with client.stream_path("/log"):
            pass
    assert transport.closed_streams == 1
