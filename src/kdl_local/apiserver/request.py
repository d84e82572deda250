"""Requests and responses without HTTP, so that the server can be called in its own process."""

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from kdl_local.apiserver.streams.socket import Upgrade
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import ApiError, BadRequest

JSON = "application/json"
TEXT = "text/plain"

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"", "0", "f", "F", "FALSE", "false", "False"})


@dataclass(slots=True)
class Request:
    """``path`` is decoded and without the query; the keys of ``headers`` are in lower case.

    ``user`` and ``groups`` are whoever the front door authenticated; what calls in process has full rights.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: str = "system:admin"
    groups: tuple[str, ...] = ("system:masters", "system:authenticated")
    warnings: list[str] = field(default_factory=list)
    """What the answer is to warn of, whether it is a success or not."""

    def warn(self, text: str) -> None:
        """Adds a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool:
        """A boolean query parameter; absent is False. BadRequest for anything that Go does not read as a boolean."""
        value = self.param(name)
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise BadRequest(f"the query parameter {name}={value!r} is not a boolean: write true or false")

    def number(self, name: str) -> int | None:
        """An integer query parameter; None if absent."""
        value = self.param(name)
        if not value:
            return None
        if not _INTEGER.fullmatch(value):
            raise BadRequest(f'strconv.ParseInt: parsing "{value}": invalid syntax')
        return int(value)

    def natural(self, name: str) -> int | None:
        """As ``number``, not negative."""
        value = self.number(name)
        if value is not None and value < 0:
            raise BadRequest(f"{name}: Invalid value: {value}: must be greater than or equal to 0")
        return value

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name, default)


def make_request(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Request:
    """A request from a URL path with its query, such as ``/api/v1/pods?limit=5``."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    lower = {key.lower(): value for key, value in (headers or {}).items()}
    return Request(method, parts.path, query, lower, body)


@dataclass(slots=True)
class Response:
    """``body`` is either complete or a stream, which its consumer closes (``aclose``) when it stops early."""

    status: int
    body: bytes | AsyncGenerator[bytes, None] = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    """Texts of ``Warning: 299`` headers, of which a response may have several."""
    upgrade: Upgrade | None = None
    """How the connection goes on after an answer of 101."""

    @property
    def complete(self) -> bytes:
        """The body of a response that is known not to stream."""
        if not isinstance(self.body, bytes):
            raise TypeError("this response is a stream: iterate over its body")
        return self.body


def error_response(error: ApiError) -> Response:
    """The ``Status`` answer for an error, with ``Retry-After`` where the error asks for a pause."""
    headers = {} if error.retry_after is None else {"Retry-After": str(int(error.retry_after))}
    return Response(error.status_code, encode(error.to_status()), headers=headers)


def warning_header(text: str) -> str:
    """The value of a ``Warning`` header (RFC 7234), as Kubernetes fills it in: code 299, agent ``-``."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'
