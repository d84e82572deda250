"""Waits for kinds that the API server does not serve yet, because their CRD is not installed or was deleted."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import structlog

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import Clock
from kdl_runtime.errors import ApiError, TransportError
from kdl_runtime.resources.discovery import PathReader, served_in
from kdl_runtime.types import Resource

log = structlog.get_logger(__name__)

LOOKS = BackoffPolicy(base=1.0, factor=1.5, cap=30.0, jitter=0.0)
"""Pauses between two looks for one kind. A look is one small request for each group and version that is waited for."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    api_versions: frozenset[str]
    found: frozenset[Resource] = frozenset()
    refused: bool = False

    def shows(self, resource: Resource) -> bool:
        wanted = (resource.gvk, resource.plural)
        return any((found.gvk, found.plural) == wanted for found in self.found)


class ServedKinds:
    """Asks what is served while somebody waits for it, one request for all who wait.

    It asks discovery and does not watch CustomResourceDefinitions: everybody may do the former, and the latter needs a
    right that a controller has no other use for. ``floor`` in seconds: who asks within it of another's look shares it;
    after a long pause, within half of that.
    """

    def __init__(self, reader: PathReader, clock: Clock, looks: BackoffPolicy = LOOKS, floor: float = 1.0) -> None:
        self._reader = reader
        self._clock = clock
        self._looks = looks
        self._floor = floor
        self._waiting: Counter[Resource] = Counter()
        self._told: set[Resource] = set()
        self._lock = asyncio.Lock()
        self._last: _Look | None = None

    async def wait(self, resource: Resource) -> None:
        """Until the resource is served; at once if it is.

        An API server that is away is asked again. If it refuses to say (discovery is forbidden), this returns after a
        pause, so that the caller finds out by trying.
        """
        self._waiting[resource] += 1
        try:
            await self._wait(resource)
        finally:
            self._waiting[resource] -= 1
            if not self._waiting[resource]:
                del self._waiting[resource]

    async def _wait(self, resource: Resource) -> None:
        looks, pause = 0, 0.0
        while not (look := await self._look(resource.api_version, pause)).shows(resource):
            looks += 1
            pause = self._looks.delay(looks)
            # From the look and not from now, so that all who have shared one share the next.
            await self._clock.sleep(max(0.0, look.at + pause - self._clock.monotonic()))
            if look.refused:
                return
        if resource in self._told:
            self._told.discard(resource)
            log.info("a kind is served now", resource=resource.group_resource, version=resource.version)

    async def _look(self, api_version: str, pause: float) -> _Look:
        async with self._lock:
            last = self._last
            youngest = self._clock.monotonic() - max(self._floor, pause / 2)
            if last is None or last.at <= youngest or api_version not in last.api_versions:
                last = self._last = await self._ask()
            return last

    async def _ask(self) -> _Look:
        # Whoever begins to wait at the same moment is asked for, too.
        await asyncio.sleep(0)
        now = self._clock.monotonic()
        wanted = frozenset(resource.api_version for resource in self._waiting)
        try:
            look = _Look(now, wanted, await served_in(self._reader, wanted))
        except (ApiError, TransportError) as error:
            log.warning("cannot see which kinds are served", error=str(error))
            return _Look(now, wanted, refused=isinstance(error, ApiError))
        self._tell(look)
        return look

    def _tell(self, look: _Look) -> None:
        """Say once what is not served."""
        missing = {of for of in self._waiting if of.api_version in look.api_versions and not look.shows(of)}
        if new := missing - self._told:
            kinds = sorted(f"{of.kind}.{of.api_version}" for of in new)
            log.warning("kinds are not served: their watches begin when their CRDs are installed", kinds=kinds)
            self._told |= new
