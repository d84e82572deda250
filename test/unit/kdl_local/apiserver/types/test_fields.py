from typing import Any

import pytest

from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_runtime.types import GroupVersionKind

JOB = GroupVersionKind("training.kubedl.io", "v1alpha1", "XGBoostJob")
POD = GroupVersionKind("", "v1", "Pod")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FieldError.required("spec.y"), "spec.y: Required value"),
        (FieldError.required("spec.y", "because"), "spec.y: Required value: because"),
        (FieldError.invalid("a.b", 0, "must be positive"), "a.b: Invalid value: 0: must be positive"),
        (FieldError.invalid("a", "x", "bad"), 'a: Invalid value: "x": bad'),
        (FieldError.invalid("a", None, "bad"), "a: Invalid value: null: bad"),
        (FieldError.invalid("", "object", "bad"), '<nil>: Invalid value: "object": bad'),
        (FieldError.forbidden("spec", "may not change"), "spec: Forbidden: may not change"),
        (FieldError.duplicate("a[1]", {"name": "x"}), 'a[1]: Duplicate value: {"name":"x"}'),
        (FieldError.not_found("a", "v"), 'a: Not found: "v"'),
        (FieldError.not_supported("x", "a", ["b", "c"]), 'x: Unsupported value: "a": supported values: "b", "c"'),
        (FieldError.too_long("x", 5), "x: Too long: may not be more than 5 bytes"),
        (FieldError.too_many("x", 3, 2), "x: Too many: 3: must have at most 2 items"),
        (FieldError.too_many("x", 3, 1), "x: Too many: 3: must have at most 1 item"),
    ],
)
def test_wording(error: FieldError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(
    ("gvk", "errors", "message"),
    [
        (POD, [FieldError.required("spec")], 'Pod "x" is invalid: spec: Required value'),
        (JOB, [FieldError.required("a")], 'XGBoostJob.training.kubedl.io "x" is invalid: a: Required value'),
        (
            JOB,
            [FieldError.required("a"), FieldError.required("b"), FieldError.required("a")],
            'XGBoostJob.training.kubedl.io "x" is invalid: [a: Required value, b: Required value]',
        ),
    ],
)
def test_message_of_an_object(gvk: GroupVersionKind, errors: list[FieldError], message: str) -> None:
    assert invalid_object(gvk, "x", errors).message == message


def test_details_name_kind_group_and_every_cause() -> None:
    status = invalid_object(JOB, "x", [FieldError.required("a"), FieldError.invalid("", 1, "bad")]).to_status()
    expected: dict[str, Any] = {
        "name": "x",
        "group": "training.kubedl.io",
        "kind": "XGBoostJob",
        "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "a"},
            {"reason": "FieldValueInvalid", "message": "Invalid value: 1: bad", "field": "<nil>"},
        ],
    }
    assert (status["code"], status["reason"], status["details"]) == (422, "Invalid", expected)
