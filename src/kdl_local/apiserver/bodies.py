"""Decoding of request bodies: JSON, YAML, and protobuf for built-in kinds."""

from typing import Any

from kdl_local.apiserver import protobuf
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.types import Object
from kdl_runtime.codec import yaml
from kdl_runtime.codec.json import DecodeError, decode
from kdl_runtime.errors import BadRequest, UnsupportedMediaType

_JSON = frozenset({"", "application/json"})
_YAML = frozenset({"application/yaml", "text/yaml", "application/x-yaml"})

_UNKNOWN = (
    "the body of the request was in an unknown format - accepted media types include: "
    f"application/json, application/yaml, {protobuf.CONTENT_TYPE}"
)


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in lower case."""
    return request.header("content-type").partition(";")[0].strip().lower()


def check_media_type(request: Request) -> None:
    """UnsupportedMediaType for a body that could not be read, whatever is in it."""
    if media_type(request) not in (*_JSON, *_YAML, protobuf.CONTENT_TYPE):
        raise UnsupportedMediaType(_UNKNOWN)


def decode_body(request: Request) -> Any:
    """The decoded body. UnsupportedMediaType names what is understood; BadRequest says where the text is broken."""
    media = media_type(request)
    if media in _JSON:
        return decode_json(request.body)
    if media in _YAML:
        return decode_yaml(request.body)
    if media == protobuf.CONTENT_TYPE:
        return protobuf.decode_protobuf(request.body)
    raise UnsupportedMediaType(_UNKNOWN)


def decode_object(request: Request) -> Object:
    """As ``decode_body``, for a body that must be an object."""
    body = decode_body(request)
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise BadRequest("the body of the request must be a JSON or YAML object")
    return body


def decode_json(data: bytes) -> Any:
    try:
        return decode(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None


def decode_yaml(data: bytes) -> Any:
    try:
        return yaml.decode(data)
    except (yaml.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"yaml parse error: {error}") from None
