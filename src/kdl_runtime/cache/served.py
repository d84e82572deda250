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
    answered: bool = True
    refused: bool = False

    def shows(self, resource: Resource) -> bool:
        wanted = (resource.gvk, resource.plural)
        return any((found.gvk, found.plural) == wanted for found in self.found)


class ServedKinds:
    """Asks what is served while somebody waits for it, one request for all who wait.

    It asks discovery and does not watch CustomResourceDefinitions: everybody may do the former, and the latter needs a
    right that a controller has no other use for. ``floor`` in seconds: who asks within it of another's look shares it.
    """

    def __init__(self, reader: PathReader, clock: Clock, looks: BackoffPolicy = LOOKS, floor: float = 1.0) -> None:
        self._reader = reader
        self._clock = clock
        self._looks = looks
        self._floor = floor
        self._waiting: Counter[str] = Counter()
        self._lock = asyncio.Lock()
        self._last: _Look | None = None

    async def wait(self, resource: Resource) -> None:
        """Until the resource is served; at once if it is.

        An API server that is away is asked again. If it refuses to say (discovery is forbidden), this returns after a
        pause, so that the caller finds out by trying.
        """
        self._waiting[resource.api_version] += 1
        try:
            await self._wait(resource)
        finally:
            self._waiting[resource.api_version] -= 1
            if not self._waiting[resource.api_version]:
                del self._waiting[resource.api_version]

    async def _wait(self, resource: Resource) -> None:
        bound = log.bind(resource=resource.group_resource, version=resource.version)
        looks, told = 0, False
        while not (look := await self._look(resource.api_version)).shows(resource):
            if look.answered and not told:
                bound.warning("a kind is not served: its watch begins when its CRD is installed")
                told = True
            looks += 1
            await self._clock.sleep(self._looks.delay(looks))
            if look.refused:
                return
        if told:
            bound.info("a kind is served now")

    async def _look(self, api_version: str) -> _Look:
        async with self._lock:
            now = self._clock.monotonic()
            last = self._last
            if last is None or now - last.at >= self._floor or api_version not in last.api_versions:
                last = self._last = await self._ask(now)
            return last

    async def _ask(self, now: float) -> _Look:
        wanted = frozenset(self._waiting)
        try:
            return _Look(now, wanted, await served_in(self._reader, wanted))
        except (ApiError, TransportError) as error:
            log.warning("cannot see which kinds are served", error=str(error))
            return _Look(now, wanted, answered=False, refused=isinstance(error, ApiError))
