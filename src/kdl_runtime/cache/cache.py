"""The declared watches of one process, and the reads from them."""

import asyncio
import random
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import structlog

from kdl_runtime.cache.collection import WatchEnvironment, WatcherOptions
from kdl_runtime.cache.consistency import Consistency
from kdl_runtime.cache.informer import Informer
from kdl_runtime.cache.served import ServedKinds
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import NotDeclaredError, NotSyncedError
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.types import Request, Resource

P = TypeVar("P", bound=PartialObject)

log = structlog.get_logger(__name__)

REFRESH_PATIENCE = 5.0
"""Seconds. A server that does not answer for longer is no reason to stand still."""
BACKLOG_SECONDS = 0.2
"""How long what a new watch has to tell may be on its way. Nothing marks its end but a bookmark, a minute later."""
POLL_SECONDS = 0.02


class Cache:
    """Informers by what was declared, and by nothing else.

    A watch costs a connection, and memory for all that it selects; so reading what nobody declared is an error that
    says what to declare, and never the start of a watch. Own writes through ``client`` are shown at once; those through
    another client are if it is followed, too (``follow``).

    ``namespaces`` are those of watches on namespaced resources that name none themselves; empty is all. To be set
    before the first declaration.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics | None = None,
        options: WatcherOptions | None = None,
    ) -> None:
        self.namespaces: tuple[str, ...] = ()
        self._client = client
        self._clock = clock
        self._rng = rng
        self._metrics = metrics or Metrics()
        self._options = options or WatcherOptions()
        self._informers: dict[tuple[Resource, str], Informer[Any]] = {}
        self._tasks: dict[tuple[Resource, str], asyncio.Task[None]] = {}
        self._started = False
        self._served = ServedKinds(client, clock)
        self._consistency = Consistency(clock, self._metrics, self._informers_of)
        self.follow(client)

    def follow(self, client: Client) -> None:
        """Show what is written through this client, too. Once for each client."""
        client.on_write(self._written)
        client.on_unknown(partial(self._consistency.doubt, client))

    async def wait_caught_up(self, request: Request) -> None:
        """Until the cache shows what was written in earlier reconciliations of this key; at once for most.

        What was written is shown when the write returns. This is for writes whose answer was lost, or was not the
        object (evictions, scales): the object is read anew, within 5 s; after that the reconciliation may see an older
        state, as it may with resourceVersions that are no numbers (KEP-5647).
        """
        if self._consistency.pending(request):
            await self._consistency.settle(request)

    def declare(self, spec: WatchSpec[P]) -> Informer[P]:
        """Watch what the spec says; declared after the start it begins at once.

        Declaring the same again gives the same informer. ValueError when the resource is watched in another way under
        the same name: give one of them a ``WatchSpec.name``.
        """
        if spec.resource.namespaced and not spec.namespaces and self.namespaces:
            namespaces = tuple(name for name in self.namespaces if name not in spec.except_namespaces)
            if not namespaces:
                raise ValueError(
                    f"the watch on {spec} leaves out every namespace of the cache: there is nothing to watch"
                )
            spec = replace(spec, namespaces=namespaces, except_namespaces=())
        identity = (spec.resource, spec.watch_name)
        present = self._informers.get(identity)
        if present is not None:
            if present.spec == spec:
                return present
            raise ValueError(
                f"{spec.resource.group_resource} is watched as {spec.watch_name!r} already, with another selector, "
                "projection or index: give this WatchSpec a name of its own"
            )
        metrics = self._metrics.for_watch(spec.resource.group_resource, spec.watch_name)
        environment = WatchEnvironment(self._clock, self._rng, metrics, self._options, self._served)
        informer = Informer(spec, self._client, environment)
        self._informers[identity] = informer
        if self._started:
            self._begin(identity, informer)
        return informer

    def informer(self, resource: Resource, name: str = "") -> Informer[Any]:
        """The informer of a resource; ``name`` is needed only when there are several. NotDeclaredError for none."""
        found = {watch: informer for (of, watch), informer in self._informers.items() if of == resource}
        if name:
            if name in found:
                return found[name]
        elif len(found) == 1:
            return next(iter(found.values()))
        if len(found) > 1 or found:
            names = ", ".join(sorted(found))
            raise NotDeclaredError(f"{resource.group_resource} is watched as {names}: name one of these")
        raise NotDeclaredError(
            f"no watch on {resource.group_resource} ({resource.api_version}) is declared: "
            f"call cache.declare(WatchSpec(resource)) before the manager starts"
        )

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        return tuple(self._informers.values())

    async def start(self) -> None:
        """Begin all watches; does not wait for them."""
        self._started = True
        for identity, informer in self._informers.items():
            self._begin(identity, informer)

    async def wait_synced(self, timeout: float | None = None) -> None:
        """Until every required watch has its first list. NotSyncedError names those that have not after ``timeout``
        seconds."""
        try:
            async with asyncio.timeout(timeout):
                for informer in self.informers:
                    if informer.spec.required:
                        await informer.wait_synced()
        except TimeoutError as error:
            raise NotSyncedError(self.unsynced_message(timeout)) from error

    def unsynced_message(self, timeout: float | None) -> str:
        """Which required watches have no complete first list, and why."""
        late = [informer for informer in self.informers if informer.spec.required and not informer.synced]
        reasons = ", ".join(f"{informer.spec} ({informer.trouble or 'no answer yet'})" for informer in late)
        after = "" if timeout is None else f"after {timeout:g} s "
        return f"{after}the cache still waits for the first list of: {reasons}"

    async def stop(self) -> None:
        """End all watches. Reads still answer, from what was last known."""
        self._started = False
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def refresh(self) -> None:
        """Until the cache shows what was so before this call, as far as can be known: every watch is opened anew, since
        one that is broken unnoticed shows the past, and what a new one has to tell comes at once.

        For whoever takes over from another process. Waits ``REFRESH_PATIENCE`` at most, and not for a watch that has no
        first list.
        """
        asked = self._clock.monotonic()
        informers = [informer for informer in self.informers if informer.synced]
        for informer in informers:
            informer.reopen()
        try:
            async with asyncio.timeout(REFRESH_PATIENCE):
                while not all(informer.opened_after(asked) for informer in informers):
                    await self._clock.sleep(POLL_SECONDS)
        except TimeoutError:
            late = ", ".join(str(informer.spec) for informer in informers if not informer.opened_after(asked))
            log.warning("watches could not be opened anew: what is read may be old", watches=late)
        await self._clock.sleep(BACKLOG_SECONDS)

    def check_ready(self) -> None:
        """For a readiness check: raises NotSyncedError, with the reason, while a required watch has no first list, or
        was lost and not restored for ``WatcherOptions.unready_after``."""
        required = [informer for informer in self.informers if informer.spec.required]
        if not all(informer.synced for informer in required):
            raise NotSyncedError(self.unsynced_message(None))
        for informer in required:
            informer.check_restored()

    def check_alive(self) -> None:
        """For a health check: raises when a watch has stopped moving or its task has ended."""
        for informer in self.informers:
            informer.check_alive()
        for (resource, name), task in self._tasks.items():
            if task.done():
                raise NotSyncedError(f"the watch {name} on {resource.group_resource} has ended")

    def _begin(self, identity: tuple[Resource, str], informer: Informer[Any]) -> None:
        if identity not in self._tasks:
            task = asyncio.create_task(informer.run(), name=f"informer {informer.spec}")
            task.add_done_callback(partial(_report_end, informer))
            self._tasks[identity] = task

    def _informers_of(self, resource: Resource) -> list[Informer[Any]]:
        return [informer for (watched, _), informer in self._informers.items() if watched == resource]

    def _written(self, resource: Resource, verb: str, raw: bytes) -> None:
        for informer in self._informers_of(resource):
            if verb == "delete":
                informer.apply_delete(raw)
            else:
                informer.apply_write(raw)


def _report_end(informer: Informer[Any], task: asyncio.Task[None]) -> None:
    """A watch ends only when it is stopped; any other end is a bug that must be seen before the health check fails."""
    if not task.cancelled():
        log.error("watch has ended", watch=informer.spec.watch_name, exc_info=task.exception())
