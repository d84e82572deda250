"""Errors of single fields, worded as ``k8s.io/apimachinery/pkg/util/validation/field`` words them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from kdl_runtime.codec.json import encode
from kdl_runtime.errors import Invalid
from kdl_runtime.types import GroupVersionKind


class ErrorType(StrEnum):
    """What is wrong with a field; the value is the ``reason`` of a cause in ``Status.details``."""

    NOT_FOUND = "FieldValueNotFound"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"


_WORDS = {
    ErrorType.NOT_FOUND: "Not found",
    ErrorType.REQUIRED: "Required value",
    ErrorType.DUPLICATE: "Duplicate value",
    ErrorType.INVALID: "Invalid value",
    ErrorType.NOT_SUPPORTED: "Unsupported value",
    ErrorType.FORBIDDEN: "Forbidden",
    ErrorType.TOO_LONG: "Too long",
    ErrorType.TOO_MANY: "Too many",
    ErrorType.TYPE_INVALID: "Invalid value",
}
OMITTED = object()
"""As the value of an error: the message does not quote any."""

_WITHOUT_VALUE = frozenset({ErrorType.REQUIRED, ErrorType.FORBIDDEN, ErrorType.TOO_LONG})


def json_text(value: Any) -> str:
    """The value as compact JSON, which is how messages quote it: strings in double quotes, null as ``null``."""
    return encode(value).decode()


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was refused. ``path`` is ``spec.containers[0].name``; empty stands for the whole object."""

    type: ErrorType
    path: str
    value: Any = None
    detail: str = ""

    @property
    def body(self) -> str:
        """The text without the path, as it appears in a cause."""
        text = _WORDS[self.type]
        if self.type not in _WITHOUT_VALUE and self.value is not OMITTED:
            text += f": {json_text(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.path or '<nil>'}: {self.body}"

    def cause(self) -> dict[str, str]:
        """The entry in ``Status.details.causes``."""
        return {"reason": self.type.value, "message": self.body, "field": self.path or "<nil>"}

    @classmethod
    def required(cls, path: str, detail: str = "") -> Self:
        return cls(ErrorType.REQUIRED, path, detail=detail)

    @classmethod
    def invalid(cls, path: str, value: Any, detail: str) -> Self:
        return cls(ErrorType.INVALID, path, value, detail)

    @classmethod
    def forbidden(cls, path: str, detail: str) -> Self:
        return cls(ErrorType.FORBIDDEN, path, detail=detail)

    @classmethod
    def duplicate(cls, path: str, value: Any) -> Self:
        return cls(ErrorType.DUPLICATE, path, value)

    @classmethod
    def not_found(cls, path: str, value: Any) -> Self:
        return cls(ErrorType.NOT_FOUND, path, value)

    @classmethod
    def not_supported(cls, path: str, value: Any, supported: Iterable[Any]) -> Self:
        names = ", ".join(json_text(item) for item in supported)
        return cls(ErrorType.NOT_SUPPORTED, path, value, f"supported values: {names}" if names else "")

    @classmethod
    def too_long(cls, path: str, limit: int) -> Self:
        return cls(ErrorType.TOO_LONG, path, detail=f"may not be more than {limit} bytes")

    @classmethod
    def too_many(cls, path: str, count: int, limit: int) -> Self:
        items = "item" if limit == 1 else "items"
        return cls(ErrorType.TOO_MANY, path, count, f"must have at most {limit} {items}")

    @classmethod
    def type_invalid(cls, path: str, value: Any, detail: str) -> Self:
        return cls(ErrorType.TYPE_INVALID, path, value, detail)


def child(path: str, name: str) -> str:
    """``spec`` and ``replicas`` are ``spec.replicas``; a field of the root has no dot."""
    return f"{path}.{name}" if path else name


def invalid_object(gvk: GroupVersionKind, name: str, errors: Sequence[FieldError]) -> Invalid:
    """The 422 answer for an object with these errors (not empty), with one cause per field.

    The same message twice is given once, as ``field.ErrorList.ToAggregate`` does.
    """
    kind = f"{gvk.kind}.{gvk.group}" if gvk.group else gvk.kind
    messages = list(dict.fromkeys(str(error) for error in errors))
    text = messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"
    details: dict[str, Any] = {"causes": [error.cause() for error in errors]}
    if gvk.kind:
        details["kind"] = gvk.kind
    if name:
        details["name"] = name
    if gvk.group:
        details["group"] = gvk.group
    return Invalid(f'{kind} "{name}" is invalid: {text}', details=details)
