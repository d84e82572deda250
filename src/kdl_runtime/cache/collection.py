"""What stands on both sides of a watcher: the collection that it reads and the sink that it fills."""

import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.cache.served import ServedKinds
from kdl_runtime.cache.transitions import State
from kdl_runtime.client.client import Client, ListOptions, WatchOptions
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import RawList, WatchEvent
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.observe.metrics import WatchMetrics
from kdl_runtime.types import ObjectKey, Resource

P = TypeVar("P", bound=PartialObject)

STABLE_SECONDS = 5.0
"""How long a watch that was opened again must last to count as restored."""


@dataclass(frozen=True, slots=True)
class WatcherOptions:
    """All times in seconds.

    ``stream_lists``: ask for streamed lists (KEP-3157); a server that refuses them, or sends nothing for
    ``stream_progress_deadline``, gets ordinary lists from then on. ``page_size`` is that of ordinary lists.
    ``watch_lifetime`` bounds the random time after which the server is asked to end a watch; ``lifetime_grace`` later
    the client ends it itself. ``idle_limit`` is the longest silence, once the server has shown that it sends
    bookmarks (they come about once a minute). A watch that was lost, and could not be restored for ``unready_after``,
    makes ``Cache.check_ready`` fail.
    """

    stream_lists: bool = True
    stream_progress_deadline: float = 60.0
    page_size: int = 500
    watch_lifetime: tuple[float, float] = (300.0, 600.0)
    lifetime_grace: float = 5.0
    idle_limit: float = 180.0
    shortest_watch: float = 1.0
    unready_after: float = 60.0
    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)


class Page(NamedTuple):
    """What to ask a list for. ``limit`` 0 means no limit."""

    resource_version: str
    limit: int
    continue_: str


class Collection(Protocol):
    """The one collection that is watched: a resource, a namespace and selectors, behind a client."""

    async def wait_served(self) -> None:
        """Until the API server serves the resource, or may serve it."""
        ...

    async def list(self, page: Page) -> RawList: ...

    def watch(
        self, resource_version: str, *, timeout_seconds: int, initial_events: bool
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]: ...


@dataclass(frozen=True, slots=True)
class ApiCollection:
    """A collection as the API server serves it; ``namespace`` empty is all namespaces."""

    client: Client
    resource: Resource
    served: ServedKinds
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False

    async def wait_served(self) -> None:
        await self.served.wait(self.resource)

    async def list(self, page: Page) -> RawList:
        options = ListOptions(
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            limit=page.limit,
            continue_=page.continue_,
            resource_version=page.resource_version,
            metadata_only=self.metadata_only,
        )
        return await self.client.list_page(self.resource, self.namespace, options)

    def watch(
        self, resource_version: str, *, timeout_seconds: int, initial_events: bool
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        options = WatchOptions(
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            resource_version=resource_version,
            resource_version_match="NotOlderThan" if initial_events else "",
            send_initial_events=True if initial_events else None,
            timeout_seconds=timeout_seconds,
            metadata_only=self.metadata_only,
        )
        return self.client.watch(self.resource, self.namespace, options)


class Decoded(NamedTuple, Generic[P]):
    """An object as it is kept: its projection, and its JSON as bytes that nothing else shares; None for an object of
    which only the projection is kept (``WatchSpec.shrink``)."""

    obj: P
    raw: bytes | None


class Sink(Protocol[P]):
    """Where a watcher puts what it learns. Methods that raise break the watcher's step and lead to a new list."""

    async def replace(self, items: Iterable[Decoded[P]], kept: Mapping[ObjectKey, str], resource_version: str) -> bool:
        """The complete state. What ``kept`` names, with UIDs, exists as well, and could not be decoded. False if some
        of it was left out, because deletes of our own had been answered: a most recent list decides."""
        ...

    def apply(self, item: Decoded[P]) -> None: ...

    def delete(self, metadata: PartialObject) -> None: ...

    def advance(self, resource_version: str) -> None:
        """All changes up to this version have been told."""
        ...

    def written(self) -> str:
        """The version of the newest write of our own that was answered; empty if there is none."""
        ...

    def trust(self, asked: float) -> None:
        """The complete state follows, and it is the most recent one at the moment ``asked`` or later."""
        ...

    def rewind(self) -> None:
        """The server's data are older than what it has told before, as after a restore from a backup: no version that
        is known can be compared with those to come. The complete state follows."""
        ...


@dataclass(slots=True)
class Liveness:
    """How a watcher is doing. ``heartbeat`` is the monotonic time of its last sign of life, failures included."""

    state: State
    heartbeat: float
    synced: bool = False
    failures: int = 0
    error: str = ""
    """The last failure, empty again after a success."""
    failing_since: float | None = None
    """Monotonic time of the first failure since the last success."""
    opened_at: float | None = None
    """Monotonic time since which a watch is open; None while there is none."""
    told_at: float | None = None
    """Monotonic time of the last list, event or bookmark."""

    def expect_kind(self) -> None:
        """Begin by waiting until the kind is served."""
        self.state = State.NOT_SERVED
        self.error = "the kind is not served"

    def lost_for(self, now: float) -> float:
        """Seconds since the watch was lost; 0 if it was not, or is open again and has lasted for a moment."""
        if self.failing_since is None or (self.opened_at is not None and now - self.opened_at >= STABLE_SECONDS):
            return 0.0
        return now - self.failing_since


@dataclass(frozen=True, slots=True)
class WatchEnvironment:
    """What a watcher needs from outside."""

    clock: Clock
    rng: random.Random
    metrics: WatchMetrics
    options: WatcherOptions = field(default_factory=WatcherOptions)
    served: ServedKinds | None = None
