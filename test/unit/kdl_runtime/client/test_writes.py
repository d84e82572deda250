"""create, update, patch and delete: bodies, paths, options, and who hears of them."""

from typing import Any

import pytest

from kdl_runtime.client.client import (
    Client,
    DeleteOptions,
    Patch,
    PatchType,
    Preconditions,
    WriteOptions,
)
from kdl_runtime.codec.json import decode
from kdl_runtime.errors import AlreadyExists, BadRequest, Conflict
from kdl_runtime.resources.registry import NAMESPACES, PODS
from kdl_runtime.types import ObjectKey

KEY = ObjectKey("n", "a")
POD = {"metadata": {"name": "a", "namespace": "n"}, "spec": {}}
STORED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "n", "uid": "u"},
    "spec": {},
}


@pytest.fixture
def heard(client: Client) -> Any:
    """What a listener was told: resource, verb and object."""
    found: list[tuple[str, str, Any]] = []
    client.on_write(lambda resource, verb, raw: found.append((resource.plural, verb, decode(raw))))
    return found


async def test_create(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    transport.answers = [answer(STORED, 201)]
    assert await client.create(PODS, POD) == STORED
    request = transport.only
    assert (request.method, request.path, request.query) == ("POST", "/api/v1/namespaces/n/pods", ())
    assert request.headers == {"Accept": "application/json", "Content-Type": "application/json"}
    assert transport.body() == {"apiVersion": "v1", "kind": "Pod"} | POD
    assert heard == [("pods", "create", STORED)]
    assert "kind" not in POD


async def test_create_of_what_has_no_namespace(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer({"kind": "Namespace"}, 201)]
    await client.create(NAMESPACES, {"metadata": {"name": "x"}})
    assert transport.only.path == "/api/v1/namespaces"


async def test_create_of_a_subresource(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a", "namespace": "n"}, "target": {}}
    transport.answers = [answer({"kind": "Status", "status": "Success"}, 201)]
    await client.create(PODS, binding, WriteOptions(subresource="binding"))
    assert transport.only.path == "/api/v1/namespaces/n/pods/a/binding"
    assert transport.body() == binding
    assert heard == []


async def test_update(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    transport.answers = [answer(STORED), answer(STORED)]
    await client.update(PODS, STORED)
    await client.update(PODS, STORED, WriteOptions(subresource="status"))
    assert [(request.method, request.path) for request in transport.requests] == [
        ("PUT", "/api/v1/namespaces/n/pods/a"),
        ("PUT", "/api/v1/namespaces/n/pods/a/status"),
    ]
    assert [verb for _, verb, _ in heard] == ["update", "update"]


@pytest.mark.parametrize(
    ("patch", "content_type"),
    [
        (Patch(PatchType.MERGE, {"a": None}), "application/merge-patch+json"),
        (Patch(PatchType.JSON, [{"op": "remove", "path": "/a"}]), "application/json-patch+json"),
        (Patch(PatchType.STRATEGIC, {"spec": {}}), "application/strategic-merge-patch+json"),
    ],
)
async def test_patches(client: Client, transport: Any, answer: Any, patch: Patch, content_type: str) -> None:
    transport.answers = [answer(STORED)]
    assert await client.patch(PODS, KEY, patch, WriteOptions(subresource="status")) == STORED
    assert (transport.only.method, transport.only.path) == ("PATCH", "/api/v1/namespaces/n/pods/a/status")
    assert transport.only.headers["Content-Type"] == content_type
    assert transport.body() == patch.body


async def test_server_side_apply(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(STORED)]
    options = WriteOptions(field_manager="me", force=True)
    await client.patch(PODS, KEY, Patch(PatchType.APPLY, STORED), options)
    assert transport.only.headers["Content-Type"] == "application/apply-patch+yaml"
    assert dict(transport.only.query) == {"fieldManager": "me", "force": "true"}


@pytest.mark.parametrize(
    ("type_", "options", "message"),
    [
        (PatchType.APPLY, WriteOptions(), "needs a field manager: set WriteOptions.field_manager"),
        (PatchType.MERGE, WriteOptions(force=True), "force is for server-side apply only"),
    ],
)
async def test_options_that_do_not_fit(
    client: Client, transport: Any, type_: PatchType, options: WriteOptions, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        await client.patch(PODS, KEY, Patch(type_, {}), options)
    assert transport.requests == []


async def test_write_options_become_query_parameters(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    transport.answers = [answer(STORED)]
    await client.create(PODS, POD, WriteOptions(dry_run=True, field_validation="Strict", field_manager="me"))
    assert dict(transport.only.query) == {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "me"}
    assert heard == []


async def test_the_clients_own_field_manager(transport: Any, manual_clock: Any, answer: Any) -> None:
    client = Client(transport, manual_clock, field_manager="kdl")
    transport.answers = [answer(STORED)] * 3
    await client.create(PODS, POD)
    await client.create(PODS, POD, WriteOptions(field_manager=""))
    await client.patch(PODS, KEY, Patch(PatchType.APPLY, {}))
    assert [dict(request.query) for request in transport.requests] == [
        {"fieldManager": "kdl"},
        {},
        {"fieldManager": "kdl"},
    ]


@pytest.mark.parametrize("error", [AlreadyExists("there is one"), Conflict("it has changed")])
async def test_a_refused_write_is_not_heard_of(
    client: Client, transport: Any, answer: Any, heard: Any, error: Exception
) -> None:
    transport.answers = [answer(error)]
    with pytest.raises(type(error), match=str(error)):
        await client.create(PODS, POD)
    assert heard == []


async def test_an_object_without_name_or_namespace_is_not_sent(client: Client, transport: Any) -> None:
    with pytest.raises(BadRequest, match="a namespace is needed"):
        await client.create(PODS, {"metadata": {"name": "a"}})
    with pytest.raises(BadRequest, match="a name is needed"):
        await client.update(PODS, {"metadata": {"namespace": "n"}})
    with pytest.raises(BadRequest, match="a name is needed"):
        await client.update(PODS, {"metadata": None})
    assert transport.requests == []


# ---- deletes


@pytest.mark.parametrize(
    ("options", "body"),
    [
        (DeleteOptions(), {}),
        (DeleteOptions(grace_period_seconds=0), {"gracePeriodSeconds": 0}),
        (DeleteOptions(propagation="Foreground", dry_run=True), {"propagationPolicy": "Foreground", "dryRun": ["All"]}),
        (DeleteOptions(preconditions=Preconditions(uid="u")), {"preconditions": {"uid": "u"}}),
        (
            DeleteOptions(preconditions=Preconditions("u", "7")),
            {"preconditions": {"uid": "u", "resourceVersion": "7"}},
        ),
    ],
)
async def test_delete_options(client: Client, transport: Any, answer: Any, options: DeleteOptions, body: Any) -> None:
    transport.answers = [answer(STORED)]
    await client.delete(PODS, KEY, options)
    assert (transport.only.method, transport.only.path) == ("DELETE", "/api/v1/namespaces/n/pods/a")
    assert transport.body() == {"apiVersion": "v1", "kind": "DeleteOptions"} | body


async def test_a_delete_that_finalizers_delay(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    terminating = STORED | {"metadata": STORED["metadata"] | {"deletionTimestamp": "2026-01-31T12:00:00Z"}}
    transport.answers = [answer(terminating)]
    assert await client.delete(PODS, KEY) == terminating
    assert heard == [("pods", "delete", terminating)]


async def test_a_delete_that_shows_the_last_state(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    transport.answers = [answer(STORED)]
    assert await client.delete(PODS, KEY) is None
    assert heard == [("pods", "delete", STORED)]


async def test_a_delete_that_is_only_acknowledged(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    status = {"kind": "Status", "status": "Success", "details": {"name": "a", "kind": "pods", "uid": "u"}}
    transport.answers = [answer(status)]
    assert await client.delete(PODS, KEY) is None
    remains = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n", "uid": "u"}}
    assert heard == [("pods", "delete", remains)]


async def test_a_rehearsed_delete_is_not_heard_of(client: Client, transport: Any, answer: Any, heard: Any) -> None:
    transport.answers = [answer(STORED)]
    await client.delete(PODS, KEY, DeleteOptions(dry_run=True))
    assert heard == []
