"""Events of the cluster's own components, as ``kubectl describe`` shows them."""

import random
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kdl_local.apiserver.direct import Direct
from kdl_local.resources import EVENTS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import ApiError, NotFound

EventType = Literal["Normal", "Warning"]

_REMEMBERED = 4096
"""Events whose repetition is counted instead of being stored again, as client-go's correlator does."""


@dataclass(slots=True)
class Recorder:
    """Writes core/v1 Events. A repeated event counts up; a failure to write one is never an error of the caller.

    ``component`` is the source that users see; ``host`` the node, for events of a node.
    """

    direct: Direct
    clock: Clock
    rng: random.Random
    component: str
    host: str = ""
    _seen: OrderedDict[tuple[str, str, str], tuple[str, int]] = field(default_factory=OrderedDict)

    def event(self, regarding: Mapping[str, Any], type_: EventType, reason: str, message: str) -> None:
        """``regarding`` is a stored object with apiVersion and kind."""
        metadata = regarding["metadata"]
        namespace = metadata.get("namespace") or "default"
        key = (metadata.get("uid", ""), reason, message)
        name, count = self._seen.pop(key, ("", 0))
        try:
            if name and self._repeat(namespace, name, count + 1):
                self._seen[key] = (name, count + 1)
                return
            name = f"{metadata['name']}.{self.rng.getrandbits(64):016x}"
            self.direct.create(EVENTS, self._new(regarding, namespace, name, (type_, reason, message)))
        except ApiError:
            # The namespace may be going away, and its events with it.
            return
        self._seen[key] = (name, 1)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _repeat(self, namespace: str, name: str, count: int) -> bool:
        now = format_time(self.clock.now())
        try:
            self.direct.patch(EVENTS, namespace, name, {"count": count, "lastTimestamp": now})
        except NotFound:
            return False
        return True

    def _new(
        self, regarding: Mapping[str, Any], namespace: str, name: str, what: tuple[EventType, str, str]
    ) -> dict[str, Any]:
        metadata, now = regarding["metadata"], format_time(self.clock.now())
        type_, reason, message = what
        reference = {
            "apiVersion": regarding.get("apiVersion", "v1"),
            "kind": regarding.get("kind", ""),
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        if metadata.get("namespace"):
            reference["namespace"] = metadata["namespace"]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": reference,
            "type": type_,
            "reason": reason,
            "message": message,
            "source": {"component": self.component, **({"host": self.host} if self.host else {})},
            "reportingComponent": self.component,
            "reportingInstance": self.host or self.component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
