"""The review that answers one, without a server."""

from typing import Any

import pytest

from kdl_runtime.errors import Conflict, Invalid, TransportError
from kdl_runtime.types import GroupVersionKind, ObjectKey
from kdl_runtime.webhook.admission import (
    ALLOWED,
    AdmissionRequest,
    AdmissionResponse,
    admission_request,
    review,
)
from kdl_runtime.webhook.functions import Validator, defaulting, validating
from unit.kdl_runtime.webhook.reviews import admission_review, patch_of

OBJECT = {"apiVersion": "example.com/v1", "kind": "Guestbook", "metadata": {"name": "one"}, "spec": {"rows": 3}}


class Faults:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


async def allow(_: AdmissionRequest) -> AdmissionResponse:
    return ALLOWED


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_an_answer_has_the_version_and_uid_of_its_request(version: str) -> None:
    answer = await review(admission_review(version=version), allow)
    assert answer == {
        "apiVersion": f"admission.k8s.io/{version}",
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": True, "status": {"code": 200}},
    }


async def test_what_a_handler_is_told() -> None:
    seen: list[AdmissionRequest] = []

    async def keep(request: AdmissionRequest) -> AdmissionResponse:
        assert admission_request() is request
        seen.append(request)
        return AdmissionResponse(True, audit_annotations={"why": "because"})

    body = admission_review("UPDATE", object=OBJECT, oldObject={"old": 1}, subResource="status", dryRun=True)
    answer = await review(body, keep)
    [request] = seen
    assert request.kind == GroupVersionKind("example.com", "v1", "Guestbook")
    assert request.key == ObjectKey("team", "one")
    assert (request.operation, request.subresource, request.dry_run) == ("UPDATE", "status", True)
    assert (request.object, request.old_object) == (OBJECT, {"old": 1})
    assert request.user["username"] == "alice"
    assert answer["response"]["auditAnnotations"] == {"why": "because"}
    with pytest.raises(RuntimeError, match="no admission request here"):
        admission_request()


@pytest.mark.parametrize(
    ("error", "code", "reason", "message", "faults"),
    [
        (ValueError("too many rows"), 403, "Forbidden", "too many rows", 0),
        (Invalid("bad rows"), 422, "Invalid", "bad rows", 0),
        (Conflict("taken"), 409, "Conflict", "taken", 0),
        (KeyError("rows"), 500, "InternalError", "the webhook has failed: KeyError: 'rows'", 1),
        (TransportError("down"), 500, "InternalError", "the webhook has failed: TransportError: down", 1),
    ],
)
async def test_what_functions_raise(error: Exception, code: int, reason: str, message: str, faults: int) -> None:
    def refuse(_: dict[str, Any]) -> None:
        admission_request().warn("look at the rows")
        raise error

    counted = Faults()
    answer = await review(admission_review(object=OBJECT), validating(Validator(create=refuse)), counted)
    response = answer["response"]
    assert (response["uid"], response["allowed"], counted.count) == ("u-1", False, faults)
    assert (response["status"]["code"], response["status"]["reason"], response["status"]["message"]) == (
        code,
        reason,
        message,
    )
    assert response["warnings"] == ["look at the rows"]
    assert "patch" not in response


@pytest.mark.parametrize(
    ("body", "uid", "message"),
    [
        (b"no json", "", "the body is no JSON"),
        (b"[]", "", "must be an AdmissionReview"),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v2"}', "", "is no version"),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}', "", "has no request"),
        (admission_review(kind="text"), "u-1", "kind and userInfo"),
        (admission_review(), "u-1", "the request to CREATE has no object"),
        (admission_review("UPDATE", object=OBJECT), "u-1", "the request to UPDATE has no oldObject"),
        (admission_review("DELETE"), "u-1", "the request to DELETE has no oldObject"),
        (admission_review("EAT", object=OBJECT), "u-1", "there is no operation 'EAT'"),
    ],
)
async def test_what_is_no_review_is_refused(body: bytes, uid: str, message: str) -> None:
    functions = Validator(create=lambda _: None, update=lambda _, __: None, delete=lambda _: None)
    counted = Faults()
    response = (await review(body, validating(functions), counted))["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == (uid, False, 400)
    assert message in response["status"]["message"]
    assert counted.count == 0


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("CREATE", [("create", 3)]), ("UPDATE", [("update", 3, 2)]), ("DELETE", [("delete", 2)]), ("CONNECT", [])],
)
async def test_validators_see_the_objects_of_their_operation(operation: str, expected: list[Any]) -> None:
    calls: list[Any] = []

    async def update(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
        calls.append(("update", new["spec"]["rows"], old["spec"]["rows"]))
        return ["one", "two"]

    def create(obj: dict[str, Any]) -> str:
        calls.append(("create", obj["spec"]["rows"]))
        return "one"

    functions = Validator(create, update, lambda old: calls.append(("delete", old["spec"]["rows"])))
    body = admission_review(operation, object=OBJECT, oldObject={"spec": {"rows": 2}})
    response = (await review(body, validating(functions)))["response"]
    assert response["allowed"]
    assert calls == expected
    assert response.get("warnings", []) == {"CREATE": ["one"], "UPDATE": ["one", "two"]}.get(operation, [])
    assert (await review(body, validating(Validator())))["response"]["allowed"]


async def test_a_default_becomes_a_small_patch() -> None:
    async def default(obj: dict[str, Any]) -> None:
        obj["spec"].setdefault("rows", 1)
        obj["spec"].setdefault("columns", 2)

    answer = await review(admission_review(object={**OBJECT, "unknown": {"kept": True}}), defaulting(default))
    assert answer["response"]["patchType"] == "JSONPatch"
    assert patch_of(answer) == [{"op": "add", "path": "/spec/columns", "value": 2}]


async def test_no_change_is_no_patch() -> None:
    answer = await review(admission_review(object=OBJECT), defaulting(lambda obj: {**obj}))
    assert answer["response"] == {"uid": "u-1", "allowed": True, "status": {"code": 200}}


async def test_a_deletion_gets_no_defaults() -> None:
    def fail(_: dict[str, Any]) -> None:
        raise AssertionError

    answer = await review(admission_review("DELETE", oldObject=OBJECT), defaulting(fail))
    assert answer["response"]["allowed"]


async def test_a_default_may_refuse() -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise Invalid("no rows")

    answer = await review(admission_review(object=OBJECT), defaulting(refuse))
    assert (answer["response"]["allowed"], answer["response"]["status"]["code"]) == (False, 422)
