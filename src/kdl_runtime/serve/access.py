"""Who may read a path: asked of the API server, as kube-rbac-proxy and controller-runtime's filter do.

TokenReview tells who a bearer token belongs to, SubjectAccessReview whether they may ``get`` the path
(https://kubernetes.io/docs/reference/access-authn-authz/webhook/).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog
from cachetools import TTLCache

from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock
from kdl_runtime.errors import ApiError, TransportError
from kdl_runtime.types import Resource

log = structlog.get_logger(__name__)

TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False)
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)

MAX_TOKEN_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """How long answers are believed, in seconds; ``entries`` of them are kept at most, and no more than ``in_flight``
    questions are asked at a time, whoever knocks."""

    authenticated_seconds: float = 60.0
    allowed_seconds: float = 300.0
    refused_seconds: float = 30.0
    entries: int = 1024
    in_flight: int = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """An HTTP status, 200 if the request may go on, and the text of a refusal."""

    status: int
    text: str = ""


GRANTED = Verdict(200)
UNAUTHORIZED = Verdict(401, "Unauthorized")


class AccessReviews:
    """Asks the API server who a request is from and whether they may do it; answers are kept for a while.

    Needs the rights to create tokenreviews and subjectaccessreviews.
    """

    def __init__(self, client: Client, clock: Clock, options: AccessOptions | None = None) -> None:
        self._client = client
        self._options = options = options or AccessOptions()
        self._users: TTLCache[bytes, Mapping[str, Any]] = _cache(options.entries, options.authenticated_seconds, clock)
        self._strangers: TTLCache[bytes, bool] = _cache(options.entries, options.refused_seconds, clock)
        self._allowed: TTLCache[tuple[bytes, str, str], bool] = _cache(options.entries, options.allowed_seconds, clock)
        self._refused: TTLCache[tuple[bytes, str, str], bool] = _cache(options.entries, options.refused_seconds, clock)
        self._in_flight = asyncio.Semaphore(options.in_flight)

    async def verdict(self, authorization: str, method: str, path: str) -> Verdict:
        """On a request with this ``Authorization`` header. What cannot be decided is refused with 500."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_BYTES:
            return UNAUTHORIZED
        # No token is kept in memory for longer than its request.
        identity = sha256(token.encode()).digest()
        try:
            user = await self._user(identity, token)
        except (ApiError, TransportError) as error:
            log.warning("a token could not be checked", error=str(error))
            return Verdict(500, "Authentication failed")
        if user is None:
            return UNAUTHORIZED
        name = str(user.get("username") or "")
        try:
            allowed = await self._may(identity, user, method.lower(), path)
        except (ApiError, TransportError) as error:
            log.warning("an access could not be checked", user=name, error=str(error))
            return Verdict(500, f"Authorization for user {name} failed")
        return GRANTED if allowed else Verdict(403, f"Authorization denied for user {name}")

    async def _user(self, identity: bytes, token: str) -> Mapping[str, Any] | None:
        if identity in self._strangers:
            return None
        known = self._users.get(identity)
        if known is not None:
            return known
        status = await self._ask(TOKEN_REVIEWS, {"token": token})
        if not status.get("authenticated"):
            self._strangers[identity] = True
            return None
        user: Mapping[str, Any] = status.get("user") or {}
        self._users[identity] = user
        return user

    async def _may(self, identity: bytes, user: Mapping[str, Any], verb: str, path: str) -> bool:
        key = (identity, verb, path)
        if key in self._allowed:
            return True
        if key in self._refused:
            return False
        spec = {
            "user": user.get("username") or "",
            "uid": user.get("uid") or "",
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"verb": verb, "path": path},
        }
        status = await self._ask(ACCESS_REVIEWS, spec)
        allowed = bool(status.get("allowed"))
        (self._allowed if allowed else self._refused)[key] = True
        return allowed

    async def _ask(self, resource: Resource, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._in_flight:
            answer = await self._client.create(resource, {"metadata": {}, "spec": spec})
        status: Mapping[str, Any] = answer.get("status") or {}
        return status


def _cache(entries: int, seconds: float, clock: Clock) -> TTLCache[Any, Any]:
    return TTLCache(entries, seconds, timer=clock.monotonic)
