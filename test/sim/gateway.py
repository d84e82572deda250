"""What the operator's requests must be like, and which of them are refused."""

import json

from kdl_local.apiserver.request import Request, Response
from kdl_runtime.errors import ApiError, Forbidden
from kdl_testing.sim.gateway import Gateway
from kdl_testing.sim.timeline import Timeline


class OperatorRequests:
    """Watches over the writes that pass a gateway. Until ``quota_until`` no pod may be created."""

    def __init__(self, gateway: Gateway) -> None:
        self.quota_until = 0.0
        self._now = gateway.clock.monotonic
        self._timeline: Timeline = gateway.timeline
        gateway.refuse, gateway.on_answer = self._refuse, self._check_change

    def _refuse(self, request: Request) -> ApiError | None:
        if request.method == "POST" and request.path.endswith("/pods") and self._now() < self.quota_until:
            return Forbidden("pods is forbidden: exceeded quota: small, requested: pods=1, used: pods=1")
        return None

    def _check_change(self, request: Request, response: Response) -> None:
        """A status is written only if it changes, and only over the one that was read."""
        if response.status >= 400 or request.method != "PATCH" or not request.path.endswith("/status"):
            return
        version = json.loads(request.body).get("metadata", {}).get("resourceVersion")
        if version is None:
            self._timeline.violated(request.path, "a status is written whatever has been written meanwhile")
        if version == json.loads(response.complete)["metadata"]["resourceVersion"]:
            self._timeline.violated(request.path, "a status is written that has not changed")
