"""The way from the operator to the API server: who asks is known, requests are counted, and some are refused."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from kdl_local.apiserver.request import Request, Response, error_response
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.errors import Forbidden, TransportError
from sim.observer import ACTOR, OPERATOR
from sim.timeline import Timeline

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass
class Gateway:
    """Stands for the server towards ``DirectTransport``.

    A write that has been sent is carried out, also when the operator dies before the answer. ``sent`` has the requests
    of the operator but for the opening of watches. Until ``quota_until`` no pod may be created.
    """

    server: ApiServer
    now: Callable[[], float]
    timeline: Timeline
    quota_until: float = 0.0
    sent: list[str] = field(default_factory=list)
    _under_way: set[asyncio.Task[Response]] = field(default_factory=set)

    async def handle(self, request: Request) -> Response:
        if not request.flag("watch"):
            self.sent.append(f"{request.method} {request.path}")
        if request.method not in _WRITES:
            return await self.server.handle(request)
        if request.method == "POST" and request.path.endswith("/pods") and self.now() < self.quota_until:
            self.timeline.add("quota", f"refuses {request.path}")
            return error_response(
                Forbidden("pods is forbidden: exceeded quota: small, requested: pods=1, used: pods=1")
            )
        task = asyncio.ensure_future(self._write(request))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _write(self, request: Request) -> Response:
        ACTOR.set(OPERATOR)
        try:
            response = await self.server.handle(request)
        except TransportError as error:
            self.timeline.add(OPERATOR, f"{request.method} {request.path}: {error}")
            raise
        if response.status >= 400:
            self.timeline.add(OPERATOR, f"{request.method} {request.path}: {response.status}")
        elif request.method == "PATCH" and request.path.endswith("/status"):
            self._check_change(request, response)
        return response

    def _check_change(self, request: Request, response: Response) -> None:
        """A status is written only if it changes, and only over the one that was read."""
        version = json.loads(request.body).get("metadata", {}).get("resourceVersion")
        if version is None:
            self.timeline.violated(request.path, "a status is written whatever has been written meanwhile")
        if version == json.loads(response.complete)["metadata"]["resourceVersion"]:
            self.timeline.violated(request.path, "a status is written that has not changed")

    def _ended(self, task: "asyncio.Task[Response]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()
