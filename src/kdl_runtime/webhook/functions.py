"""Webhooks from plain functions on objects: one that fills in defaults, and those that look at changes."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from kdl_runtime.codec.patch import copy_json
from kdl_runtime.errors import BadRequest
from kdl_runtime.webhook.admission import (
    ALLOWED,
    CONNECT,
    CREATE,
    DELETE,
    UPDATE,
    AdmissionHandler,
    AdmissionRequest,
    AdmissionResponse,
    Object,
    called,
    texts,
)
from kdl_runtime.webhook.jsonpatch import json_diff

Warnings = str | Iterable[str] | None
"""What a validating function returns: nothing, or what the user is to be told."""

Default = Callable[[Object], Object | Awaitable[Object | None] | None]
"""Changes the object, or returns another. It gets all fields of the object, known or not, and runs again for objects
that have the defaults already: it must then change nothing."""


@dataclass(frozen=True, slots=True)
class Validator:
    """Functions that allow a change by returning and refuse it by raising; they may be coroutine functions.

    What they raise decides the code: ApiErrors such as Invalid have their own, ValueError means 403, and anything else
    is a fault of the webhook and 500. What is None allows everything. ``update`` gets the new object and
    the old one. The rest of the request is ``admission_request()``.
    """

    create: Callable[[Object], Warnings | Awaitable[Warnings]] | None = None
    update: Callable[[Object, Object], Warnings | Awaitable[Warnings]] | None = None
    delete: Callable[[Object], Warnings | Awaitable[Warnings]] | None = None


def validating(validator: Validator) -> AdmissionHandler:
    """The handler of a validating webhook."""

    async def handle(request: AdmissionRequest) -> AdmissionResponse:
        outcome: Warnings | Awaitable[Warnings] = None
        operation = request.operation
        if operation not in (CREATE, UPDATE, DELETE, CONNECT):
            raise BadRequest(f"there is no operation {operation!r}")
        if operation == CREATE and validator.create:
            outcome = validator.create(_object(request))
        elif operation == UPDATE and validator.update:
            outcome = validator.update(_object(request), _old_object(request))
        elif operation == DELETE and validator.delete:
            outcome = validator.delete(_old_object(request))
        return AdmissionResponse(True, warnings=texts(await called(outcome)))

    return handle


def defaulting(default: Default) -> AdmissionHandler:
    """The handler of a mutating webhook. It leaves deletions alone, and answers without a patch for no change."""

    async def handle(request: AdmissionRequest) -> AdmissionResponse:
        if request.operation == DELETE:
            return ALLOWED
        original = _object(request)
        changed = copy_json(original)
        returned = await called(default(changed))
        return AdmissionResponse(True, patch=tuple(json_diff(original, changed if returned is None else returned)))

    return handle


def _object(request: AdmissionRequest) -> Object:
    if not isinstance(request.object, dict):
        raise BadRequest(f"the request to {request.operation} has no object")
    return request.object


def _old_object(request: AdmissionRequest) -> Object:
    if not isinstance(request.old_object, dict):
        raise BadRequest(f"the request to {request.operation} has no oldObject")
    return request.old_object
