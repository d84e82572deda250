"""From answers of the API server to objects and errors."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from kdl_runtime.codec.json import DecodeError, Raw, ValidationError, WatchEvent, decode, decoder
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import ApiError, TransportError, from_status
from kdl_runtime.transport.http import HttpResponse
from kdl_runtime.types import Resource

T = TypeVar("T")


def decode_as(data: bytes | Raw, type_: type[T]) -> T:
    """One object as a fresh dict, as a projection or as ``Raw``. TransportError for what is no such thing."""
    try:
        # mypy takes no type variable for hashable.
        return cast(T, decoder(cast(Any, type_))(data))
    except ValidationError as error:
        raise TransportError(f"the API server sent an object that does not fit {type_.__name__}: {error}") from error
    except DecodeError as error:
        raise TransportError(f"the API server sent no valid JSON: {error}") from error


def decode_item(data: Raw, type_: type[T], resource: Resource) -> T:
    """An item of a list, with apiVersion and kind, which lists of built-in kinds leave out."""
    item = decode_as(data, type_)
    if isinstance(item, dict):
        return cast(T, {"apiVersion": resource.api_version, "kind": resource.kind} | item)
    if isinstance(item, PartialObject) and not item.kind:
        return msgspec.structs.replace(item, api_version=resource.api_version, kind=resource.kind)
    return item


def error_of(response: HttpResponse) -> ApiError:
    """The error for an answer that is none of 2xx: by its Status object, or by the code if a proxy wrote the answer."""
    status = _mapping(response.body)
    if status.get("kind") != "Status":
        text = " ".join(response.body.decode(errors="replace").split())
        message = f"the server answered with code {response.status}" + (f": {text[:200]}" if text else "")
        status = {"message": message}
    return from_status(response.status, status, retry_after=_pause(response.headers, status))


def event_error(event: WatchEvent) -> ApiError:
    """The error that an event of type ERROR carries: Expired (410) means that the watch must start anew."""
    status = _mapping(event.object)
    code = status.get("code")
    return from_status(code if isinstance(code, int) else 500, status, retry_after=_pause({}, status))


def _pause(headers: Mapping[str, str], status: Mapping[str, Any]) -> float | None:
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value)
    details = status.get("details")
    seconds = details.get("retryAfterSeconds") if isinstance(details, Mapping) else None
    return float(seconds) if isinstance(seconds, int) else None


def _mapping(data: bytes | Raw) -> dict[str, Any]:
    try:
        value = decode(data)
    except DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
