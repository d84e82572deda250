"""From Status objects to exceptions and back."""

from typing import Any

import pytest

from kdl_runtime import errors
from kdl_runtime.errors import ApiError, KdlError, NotFound, OtherApiError, TooManyRequests, from_status

CLASSES = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, ApiError)]
CANONICAL = [cls for cls in CLASSES if cls not in (ApiError, OtherApiError)]


@pytest.mark.parametrize("cls", CANONICAL, ids=lambda cls: cls.__name__)
def test_every_class_survives_the_round_trip(cls: type[ApiError]) -> None:
    error = cls("no", details={"name": "x", "kind": "pods"})
    status = error.to_status()
    assert (status["code"], status["reason"], status["status"], status["kind"]) == (
        cls.code,
        cls.reason,
        "Failure",
        "Status",
    )
    back = from_status(status["code"], status)
    assert type(back) is cls
    assert (back.message, back.details, str(back)) == ("no", {"name": "x", "kind": "pods"}, "no")


@pytest.mark.parametrize(
    ("code", "status", "cls"),
    [
        (409, {"reason": "AlreadyExists"}, errors.AlreadyExists),
        (409, {"reason": "Conflict"}, errors.Conflict),
        (410, {"reason": "Gone"}, errors.Expired),
        (410, {}, errors.Expired),
        (500, {"reason": "ServerTimeout"}, errors.Timeout),
        (404, {}, NotFound),
        (404, {"reason": "", "message": None}, NotFound),
        (403, {"reason": "SomethingNew"}, errors.Forbidden),
        (418, {"reason": "Teapot", "message": "short and stout"}, OtherApiError),
        (502, {"details": "no object"}, OtherApiError),
    ],
)
def test_the_reason_decides_then_the_code(code: int, status: dict[str, Any], cls: type[ApiError]) -> None:
    error = from_status(code, status)
    assert type(error) is cls
    assert isinstance(error, KdlError)
    assert error.message


def test_an_unknown_code_is_kept() -> None:
    error = from_status(418, {"message": "short and stout"})
    assert (error.status_code, error.message) == (418, "short and stout")
    assert error.to_status()["code"] == 418


def test_a_status_without_message_gets_one() -> None:
    assert from_status(404, {}).message == "the server answered with code 404"


def test_a_pause_is_told_in_whole_seconds() -> None:
    error = TooManyRequests("slow down", retry_after=1.0)
    assert error.to_status()["details"] == {"retryAfterSeconds": 1}
    assert from_status(429, error.to_status(), retry_after=3.0).retry_after == 3.0
    assert "details" not in TooManyRequests("slow down").to_status()
