"""Events expire an hour after they happened last, as ``--event-ttl`` of kube-apiserver has it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.resources import EVENTS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import parse_time
from kdl_runtime.errors import NotFound

Object = Mapping[str, Any]

LIFETIME = timedelta(hours=1)
INTERVAL_SECONDS = 300.0


class EventExpiry:
    def __init__(self, direct: Direct, clock: Clock) -> None:
        self._direct = direct
        self._clock = clock

    async def run(self) -> None:
        """Removes expired events until it is cancelled."""
        while True:
            await self._clock.sleep(INTERVAL_SECONDS)
            oldest = self._clock.now() - LIFETIME
            for event in self._direct.list(EVENTS):
                if last_seen(event) < oldest:
                    self._remove(event["metadata"])

    def _remove(self, metadata: Object) -> None:
        try:
            self._direct.delete(EVENTS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        except NotFound:
            return


def last_seen(event: Object) -> datetime:
    """When it happened last, by whichever of its times its writer uses; a time that is none counts as its creation."""
    series = event.get("series") or {}
    told = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    created = parse_time(event["metadata"]["creationTimestamp"])
    try:
        return max(parse_time(told), created) if told else created
    except ValueError:
        return created
