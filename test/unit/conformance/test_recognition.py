"""What explains a difference, and what does not although it looks alike."""

from typing import Any

import pytest

from conformance.differential.accepted import explanation
from conformance.differential.compare import differences
from conformance.differential.exchange import Exchange
from conformance.differential.normal import Normal
from conformance.differential.steps import Step

POD = "/api/v1/namespaces/fz-a/pods/x"
WIDGET = "/apis/toys.example.com/v1/namespaces/fz-a/widgets/x"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/fz-a/roles"


def explained(path: str, real: Normal, local: Normal, **headers: str) -> list[str]:
    """The names of what explains each difference between two answers; empty strings for nothing."""
    exchange = Exchange(Step("GET", path, (), tuple(headers.items())), real, local)
    found = [explanation(exchange, difference) for difference in differences(real, local)]
    return [item.id if item else "" for item in found]


def answer(body: Any, code: int = 200, media: str = "") -> Normal:
    return Normal(code, {"content-type": media} if media else {}, [], body)


def refusal(*fields: str) -> Normal:
    causes = [{"field": field, "message": "Required value", "reason": "FieldValueRequired"} for field in fields]
    return answer({"reason": "Invalid", "message": ", ".join(fields), "details": {"causes": causes}}, 422)


def owned(fields: dict[str, Any], **spec: Any) -> Normal:
    return answer({"metadata": {"managedFields": [{"fieldsV1": {"f:spec": fields}}]}, "spec": spec})


CONDITION = {"conditions": [{"type": "Ready", "status": "True"}]}
READY = 'k:{"type":"Ready"}'


@pytest.mark.parametrize(
    ("path", "real", "local", "expected"),
    [
        (POD, answer({"a": ""}), answer({}), ["zero-fields"]),
        (POD, answer({"a": "x"}), answer({}), [""]),
        (WIDGET, answer({"spec": {"a": ""}}), answer({"spec": {}}), [""]),
        (POD, owned({"f:a": {}}), owned({}), ["zero-fields"]),
        (POD, owned({"f:a": {}}, a="x"), owned({}, a="x"), [""]),
        (POD, owned({"f:conditions": {READY: {"f:time": {}}}}, **CONDITION), owned({}, **CONDITION), [""]),
        (
            POD,
            owned({"f:conditions": {READY: {"f:status": {}, "f:time": {}}}}, **CONDITION),
            owned({"f:conditions": {READY: {"f:status": {}}}}, **CONDITION),
            ["zero-fields"],
        ),
        (
            POD,
            owned({"f:conditions": {READY: {"f:status": {}}}}, **CONDITION),
            owned({"f:conditions": {READY: {}}}, **CONDITION),
            [""],
        ),
        (ROLES, refusal("rules[0].verbs"), answer({}, 201), ["stored-kinds"]),
        (ROLES, refusal("metadata.labels"), answer({}, 201), [""]),
        (ROLES, answer({}, 201), refusal("rules[0].verbs"), [""]),
        (POD, refusal("spec.containers"), answer({}, 201), [""]),
        (
            POD,
            answer("k8s", media="application/vnd.kubernetes.protobuf"),
            answer({}, media="application/json"),
            ["no-protobuf", "no-protobuf"],
        ),
        (POD, answer("k8s", 404), answer({"a": "x"}), [""]),
    ],
)
def test_what_explains_a_difference(path: str, real: Normal, local: Normal, expected: list[str]) -> None:
    assert explained(path, real, local, Accept="application/vnd.kubernetes.protobuf, application/json") == expected


def test_owners_in_events_are_looked_up_in_their_object() -> None:
    def watch(*fields: str) -> Normal:
        obj = owned({name: {} for name in fields}, a="x").body
        return Normal(200, {}, [], None, [("ADDED", {}), ("ADDED", obj)])

    assert explained(POD, watch("f:a", "f:b"), watch("f:a")) == ["zero-fields"]
    assert explained(POD, watch("f:a", "f:b"), watch("f:b")) == [""]


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ([{"name": "pods", "verbs": ["get"], "storageVersionHash": "x"}], ["served-kinds"]),
        ([{"name": "pods", "verbs": ["get", "watch"]}], [""]),
        ([{"name": "toys", "verbs": ["get"]}], [""]),
    ],
)
def test_discovery_may_only_say_less(local: list[Any], expected: list[str]) -> None:
    real = [{"name": "pods", "verbs": ["get"], "storageVersionHash": "y"}, {"name": "jobs", "verbs": ["get"]}]
    assert explained("/api/v1", answer({"resources": real}), answer({"resources": local})) == expected
