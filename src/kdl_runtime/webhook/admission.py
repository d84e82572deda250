"""Admission reviews: what an API server asks a webhook, and what it is answered. Knows nothing of HTTP.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/, versions v1 and v1beta1.
"""

import contextvars
import inspect
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog

from kdl_runtime.codec.json import DecodeError, decode, encode
from kdl_runtime.errors import ApiError, BadRequest, Forbidden, InternalError
from kdl_runtime.types import GroupVersionKind, ObjectKey

log = structlog.get_logger(__name__)

T = TypeVar("T")
Object = dict[str, Any]

VERSIONS = ("v1", "v1beta1")
KIND = "AdmissionReview"
GROUP = "admission.k8s.io"

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What is to be done to one object, and who asks for it.

    ``object`` is None on DELETE, ``old_object`` on CREATE and CONNECT. ``name`` is empty while it is to be generated.
    ``kind`` is the one in which the objects are, which with ``matchPolicy: Equivalent`` may not be the one that was
    asked for. ``user`` has username, uid, groups and extra. ``data`` is the whole request. ``warnings`` are told to
    the user whether the request is allowed or not.
    """

    uid: str
    kind: GroupVersionKind
    operation: str
    key: ObjectKey
    subresource: str = ""
    object: Object | None = None
    old_object: Object | None = None
    user: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Tell the user something (kubectl prints it), at most some 120 characters."""
        self.warnings.append(text)


@dataclass(frozen=True, slots=True)
class AdmissionResponse:
    """``status`` says why not; of an allowed request it may be empty. ``patch`` is a JSON patch, empty for no
    change."""

    allowed: bool
    status: Mapping[str, Any] = field(default_factory=dict)
    patch: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    audit_annotations: Mapping[str, str] = field(default_factory=dict)


ALLOWED = AdmissionResponse(True)

AdmissionHandler = Callable[[AdmissionRequest], Awaitable[AdmissionResponse]]
"""Answers, or raises as a validator does: see ``refused``."""

_current: contextvars.ContextVar[AdmissionRequest] = contextvars.ContextVar("admission request")


def admission_request() -> AdmissionRequest:
    """The request that is being answered, for functions that get its object only. RuntimeError anywhere else."""
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError("there is no admission request here: it is there while a webhook function runs") from None


def refused(error: BaseException) -> AdmissionResponse:
    """The answer that an exception stands for.

    ApiError: its own status, so that a client can tell Invalid from Forbidden. ValueError: Forbidden (403) with its
    text. Anything else, such as a TransportError, is a fault of the webhook (500).
    """
    if isinstance(error, ApiError):
        return AdmissionResponse(False, error.to_status())
    if isinstance(error, ValueError):
        return AdmissionResponse(False, Forbidden(str(error)).to_status())
    return refused(InternalError(f"the webhook has failed: {type(error).__name__}: {error}"))


def is_fault(error: BaseException) -> bool:
    """Whether the webhook is to blame, and not the object."""
    return not isinstance(error, ApiError | ValueError)


async def review(body: bytes, handler: AdmissionHandler, on_fault: Callable[[], None] = lambda: None) -> Object:
    """The AdmissionReview that answers one; ``on_fault`` is called when the handler fails and not the object.

    Whatever happens, it is an answer: in the version of the request, and with its UID if that can be read.
    """
    version, uid = VERSIONS[0], ""
    try:
        version, data = _request_of(body)
        uid = str(data.get("uid") or "")
        request = _decoded(data)
        return envelope(await _answer(request, handler, on_fault), version, uid)
    except ApiError as error:
        return envelope(refused(error), version, uid)


async def _answer(
    request: AdmissionRequest, handler: AdmissionHandler, on_fault: Callable[[], None]
) -> AdmissionResponse:
    token = _current.set(request)
    try:
        response = await handler(request)
    except Exception as error:
        if is_fault(error):
            on_fault()
            log.exception("webhook function failed", kind=request.kind.kind, object=str(request.key))
        response = refused(error)
    finally:
        _current.reset(token)
    return replace(response, warnings=(*response.warnings, *request.warnings))


def envelope(response: AdmissionResponse, version: str = VERSIONS[0], uid: str = "") -> Object:
    """The response as an AdmissionReview. An allowed one has the code 200 if it has none."""
    status = dict(response.status) or {"code": 200}
    answer: Object = {"uid": uid, "allowed": response.allowed, "status": status}
    if response.patch and response.allowed:
        answer |= {"patchType": "JSONPatch", "patch": b64encode(encode(response.patch)).decode()}
    if response.warnings:
        answer["warnings"] = list(response.warnings)
    if response.audit_annotations:
        answer["auditAnnotations"] = dict(response.audit_annotations)
    return {"apiVersion": f"{GROUP}/{version}", "kind": KIND, "response": answer}


async def called(outcome: T | Awaitable[T]) -> T:
    """What a function has returned that may or may not be a coroutine function."""
    return await outcome if inspect.isawaitable(outcome) else outcome


def texts(warnings: str | Iterable[str] | None) -> tuple[str, ...]:
    """One warning, several or none."""
    if warnings is None:
        return ()
    return (warnings,) if isinstance(warnings, str) else tuple(warnings)


def _request_of(body: bytes) -> tuple[str, Mapping[str, Any]]:
    """Version and request of a review. BadRequest if it is none."""
    try:
        document = decode(body)
    except DecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise BadRequest(f"the body must be an {KIND} of {GROUP}")
    group, _, version = str(document.get("apiVersion")).partition("/")
    if group != GROUP or version not in VERSIONS:
        raise BadRequest(f"{document.get('apiVersion')} is no version of {GROUP} that is known here: {VERSIONS}")
    request = document.get("request")
    if not isinstance(request, dict):
        raise BadRequest(f"the {KIND} has no request")
    return version, request


def _decoded(request: Mapping[str, Any]) -> AdmissionRequest:
    kind, user = request.get("kind") or {}, request.get("userInfo") or {}
    if not isinstance(kind, dict) or not isinstance(user, dict):
        raise BadRequest("kind and userInfo of the request must be objects")
    return AdmissionRequest(
        uid=str(request.get("uid") or ""),
        kind=GroupVersionKind(*(str(kind.get(name) or "") for name in ("group", "version", "kind"))),
        operation=str(request.get("operation") or ""),
        key=ObjectKey(str(request.get("namespace") or ""), str(request.get("name") or "")),
        subresource=str(request.get("subResource") or ""),
        object=request.get("object"),
        old_object=request.get("oldObject"),
        user=user,
        dry_run=bool(request.get("dryRun")),
        data=request,
    )
