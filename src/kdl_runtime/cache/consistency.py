"""Writes of which the cache does not know what became of them, and the reconciliations that wait for that.

After KEP-5647 (stale controller handling): a key is not looked at again on a state that is older than what was last
written for it. There, the key waits until the watch has come as far; here, the store has the answer of a write at once
(``ownwrites``), and what is left are writes without an answer that could be stored: those objects are read anew.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import structlog

from kdl_runtime.cache.informer import Informer
from kdl_runtime.client.client import Client, ListOptions
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import Raw
from kdl_runtime.errors import ApiError, NotFound, TransportError
from kdl_runtime.observe.logging import current_reconciliation
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.types import ObjectKey, Request, Resource

log = structlog.get_logger(__name__)

PATIENCE = 5.0
"""Seconds that a reconciliation waits at most."""
POLL_SECONDS = 0.1
MAX_REQUESTS = 4096
"""Keys with doubts that are remembered; the oldest are given up."""


class Doubt(NamedTuple):
    """One object of which the state is unknown; without a name an object that was to be made under a generated one."""

    client: Client
    resource: Resource
    key: ObjectKey


class Consistency:
    """Doubts by the key whose reconciliation wrote, or, outside of one, by the key of the object."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        informers: Callable[[Resource], Iterable[Informer[Any]]],
        patience: float = PATIENCE,
    ) -> None:
        self._clock = clock
        self._waits = metrics.consistency_waits
        self._informers = informers
        self._patience = patience
        self._doubts: OrderedDict[Request, dict[Doubt, None]] = OrderedDict()

    def doubt(self, client: Client, resource: Resource, key: ObjectKey) -> None:
        """A write to this object may have been done, or not."""
        if not any(True for _ in self._informers(resource)):
            return
        work = current_reconciliation()
        request = work.request if work is not None else key
        self._doubts.setdefault(request, {})[Doubt(client, resource, key)] = None
        self._doubts.move_to_end(request)
        while len(self._doubts) > MAX_REQUESTS:
            self._doubts.popitem(last=False)

    def pending(self, request: Request) -> bool:
        return request in self._doubts

    async def settle(self, request: Request) -> None:
        """Find out what became of the writes for a key. Gives up after ``patience``; what the API server could not tell
        for lack of a connection is asked again the next time."""
        doubts = self._doubts.pop(request, {})
        try:
            async with asyncio.timeout(self._patience):
                for doubt in list(doubts):
                    await self._settle(doubt)
                    del doubts[doubt]
        except (ApiError, TransportError, TimeoutError) as error:
            self._waits.labels("gave_up").inc()
            log.warning("cannot see what became of a write", error=f"{type(error).__name__}: {error}")
            if isinstance(error, ApiError) and error.status_code < 500:
                doubts.clear()
        else:
            self._waits.labels("caught_up").inc()
        finally:
            if doubts:
                self._doubts.setdefault(request, {}).update(doubts)

    async def _settle(self, doubt: Doubt) -> None:
        if not doubt.key.name:
            await self._wait_for_watches(doubt)
            return
        informers = list(self._informers(doubt.resource))
        shown = [informer.get(doubt.key) for informer in informers]
        try:
            raw = bytes(await doubt.client.get(doubt.resource, doubt.key, as_=Raw))
        except NotFound:
            for informer, obj in zip(informers, shown, strict=True):
                if obj is not None:
                    informer.apply_absence(doubt.key, obj.metadata.uid)
            return
        for informer in informers:
            informer.apply_write(raw)

    async def _wait_for_watches(self, doubt: Doubt) -> None:
        """Until the watches have told everything up to now. They may not within the time: in a quiet collection only
        bookmarks tell, about once a minute."""
        namespace = doubt.key.namespace
        page = await doubt.client.list_page(doubt.resource, namespace, ListOptions(limit=1))
        for informer in self._informers(doubt.resource):
            while not informer.has_told(namespace, page.metadata.resource_version):
                await self._clock.sleep(POLL_SECONDS)
