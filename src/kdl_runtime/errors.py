"""Errors of the Kubernetes API as exceptions, and the runtime's own.

The API server answers a failed request with a ``Status`` object whose ``reason`` is what clients compare
(https://kubernetes.io/docs/reference/using-api/api-concepts/). Each canonical reason is one subclass of
``ApiError`` here, so that callers write ``except NotFound`` and a server raises the very same classes.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class KdlError(Exception):
    """Base of every error that this project raises on purpose."""


class TerminalError(KdlError):
    """Raised by a reconciler when trying again cannot help: counted, reported, and not requeued."""


class TransportError(KdlError):
    """The API server could not be reached, or the connection broke before a whole answer had come."""


class NotDeclaredError(KdlError):
    """A read from the cache of something for which no watch was declared."""


class NotSyncedError(KdlError):
    """A read from the cache before its first list was complete."""


class ApiError(KdlError):
    """An answer of the API server with a status code of 400 or more.

    ``retry_after`` is in seconds, None when the server did not ask for a pause. ``details`` is the ``details``
    object of the Status (``causes`` names the fields that were refused).
    """

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self, message: str, *, details: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after = retry_after

    @property
    def status_code(self) -> int:
        return self.code

    def to_status(self) -> dict[str, Any]:
        """The ``Status`` object that a server sends for this error."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status_code,
        }
        details = dict(self.details)
        if self.retry_after is not None:
            details["retryAfterSeconds"] = int(self.retry_after)
        if details:
            status["details"] = details
        return status


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    """A create met an object of that name, or a generated name was taken."""

    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    """The object has changed since it was read, or a precondition (UID, resourceVersion) does not hold."""

    code, reason = 409, "Conflict"


class Expired(ApiError):
    """The resourceVersion or continue token is too old (410): list again."""

    code, reason = 410, "Expired"


class RequestEntityTooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """The object was understood and refused; ``details['causes']`` names the fields."""

    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    """The server gave up (504). A resourceVersion "too large" is reported this way as well."""

    code, reason = 504, "Timeout"


class OtherApiError(ApiError):
    """A status code or reason that has no class of its own."""

    def __init__(self, message: str, *, code: int, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, details=details)
        self._code = code

    @property
    def status_code(self) -> int:
        return self._code


_CLASSES: tuple[type[ApiError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Expired,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServiceUnavailable,
    Timeout,
)
_BY_REASON = {cls.reason: cls for cls in _CLASSES} | {"Gone": Expired, "ServerTimeout": Timeout}
_BY_CODE: dict[int, type[ApiError]] = {cls.code: cls for cls in _CLASSES}


def from_status(code: int, status: Mapping[str, Any], *, retry_after: float | None = None) -> ApiError:
    """The exception for an answer with this HTTP code and decoded ``Status`` body.

    The reason decides; a body without one (a proxy's error page) is classified by its code.
    """
    message = str(status.get("message") or f"the server answered with code {code}")
    details = status.get("details")
    details = details if isinstance(details, Mapping) else None
    cls = _BY_REASON.get(str(status.get("reason") or "")) or _BY_CODE.get(code)
    if cls is None:
        return OtherApiError(message, code=code, details=details)
    return cls(message, details=details, retry_after=retry_after)
