"""Follows one collection of the API server for ever: an explicit state machine with one ``step``.

Nothing stops a watcher but its cancellation. Every failure leads to a named state (``transitions``), is logged and
counted, and is what ``Liveness`` reports.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from kdl_runtime.backoff import Backoff
from kdl_runtime.cache.collection import Collection, Decoded, Liveness, Page, Sink, WatchEnvironment
from kdl_runtime.cache.decode import ObjectDecoder
from kdl_runtime.cache.ownwrites import older
from kdl_runtime.cache.transitions import (
    SILENT_WATCHES,
    UNREACHABLE,
    RewoundListError,
    ShortWatchError,
    SilentWatchError,
    State,
    StreamListError,
    Transition,
    after_list_failure,
    after_stream_list_failure,
    after_watch_failure,
    reason_of,
)
from kdl_runtime.cache.watchdog import Watchdog
from kdl_runtime.client.answers import event_error
from kdl_runtime.codec.json import Raw, WatchEvent
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import ApiError, KdlError
from kdl_runtime.types import ObjectKey

P = TypeVar("P", bound=PartialObject)

log = structlog.get_logger(__name__)

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""Annotation of the bookmark that ends a streamed list."""
YIELD_EVERY = 200
"""Objects after which a burst lets other tasks run."""


@dataclass(slots=True)
class _OpenWatch:
    events: AsyncIterator[WatchEvent]
    lifetime: float
    opened_at: float
    received: int = 0


class Watcher(Generic[P]):
    """Keeps a ``Sink`` in step with a ``Collection``: streamed or paged list first, then watches."""

    def __init__(
        self,
        collection: Collection,
        sink: Sink[P],
        decoder: ObjectDecoder[P],
        environment: WatchEnvironment,
        name: str = "",
    ) -> None:
        self._collection = collection
        self._sink = sink
        self._decoder = decoder
        self._clock = environment.clock
        self._rng = environment.rng
        self._options = environment.options
        self._metrics = environment.metrics
        self._backoff = Backoff(environment.options.backoff, environment.clock, environment.rng)
        self._log = log.bind(watch=name)
        self._streams = environment.options.stream_lists
        self._paged = False
        self._limit_works = True
        self._bookmarks = False
        self._version = ""
        self._asked = 0.0
        self._known = ""
        self._latest = False
        self._retry_after = 0.0
        self._fruitless = 0
        self._empty = 0
        self._after_back_off = self._relist_state
        self._pages: dict[ObjectKey, Decoded[P]] = {}
        self._kept: dict[ObjectKey, str] = {}
        self._continue = ""
        self._open: _OpenWatch | None = None
        self._followed: Watchdog | None = None
        self._reopening = False
        self._streams_open = AsyncExitStack()
        self._since_yield = 0
        self.liveness = Liveness(self._relist_state, environment.clock.monotonic())

    @property
    def state(self) -> State:
        return self.liveness.state

    @property
    def resource_version(self) -> str:
        """The version up to which the sink is told, empty before the first list."""
        return self._version

    def reopen(self) -> None:
        """End the watch that is followed, if one is, and go on where it was in a new one: a connection that is broken
        without anybody having said so tells nothing."""
        if self._followed is not None:
            self._reopening = True
            self._followed.expire()

    async def run(self) -> None:
        """Step for ever; ends only by cancellation."""
        try:
            while True:
                await self.step()
        finally:
            await self._close()

    async def step(self) -> None:
        """One list page, one watch from its opening to its end, or one pause."""
        self.liveness.heartbeat = self._clock.monotonic()
        match self.state:
            case State.STREAM_LIST:
                await self._attempt(self._stream_list, self._stream_list_failed)
            case State.LIST:
                await self._attempt(self._list_page, self._list_failed)
            case State.WATCH:
                await self._attempt(self._watch, self._watch_failed)
            case State.NOT_SERVED:
                await self._collection.wait_served()
                self.liveness.state = self._relist_state
            case State.BACK_OFF:
                await self._clock.sleep(max(self._backoff.next(), self._retry_after))
                self.liveness.state = self._after_back_off

    async def _attempt(self, work: Callable[[], Awaitable[State]], failed: Callable[[Exception], Transition]) -> None:
        try:
            following = await work()
        except Exception as error:
            transition = failed(error)
            await self._close()
            self._report(error, transition)
            self._latest = self._latest or transition.latest
            self._retry_after = (isinstance(error, ApiError) and error.retry_after) or 0.0
            self._after_back_off = transition.state
            self.liveness.state = State.BACK_OFF if transition.back_off else transition.state
        else:
            self.liveness.state = following

    # --- lists ---------------------------------------------------------------------------------------------------

    async def _stream_list(self) -> State:
        self._begin_list()
        watch = await self._open_watch("" if self._latest else self._known, initial_events=True)
        found: dict[ObjectKey, Decoded[P]] = {}
        kept: dict[ObjectKey, str] = {}
        try:
            async with Watchdog(watch.lifetime, self._options.stream_progress_deadline) as watchdog:
                async for event in watch.events:
                    watch.received += 1
                    if event.type == "BOOKMARK":
                        bookmark = self._identify(event.object)
                        if bookmark is not None and INITIAL_EVENTS_END in bookmark.metadata.annotations:
                            self._bookmarks = True
                            await self._listed(found, kept, bookmark.metadata.resource_version, mode="stream")
                            return State.WATCH
                        continue
                    if event.type == "ADDED":
                        watchdog.touch()
                    self._collect(event, found, kept)
                    await self._yield_now_and_then()
        except TimeoutError as error:
            raise StreamListError("the server did not end its streamed list in time") from error
        raise StreamListError("the server ended its streamed list before it was complete")

    def _collect(self, event: WatchEvent, found: dict[ObjectKey, Decoded[P]], kept: dict[ObjectKey, str]) -> None:
        if event.type == "ERROR":
            raise event_error(event)
        if event.type == "DELETED":
            if (gone := self._identify(event.object)) is not None:
                found.pop(gone.key, None)
                kept.pop(gone.key, None)
            return
        self._decode_into(event.object, found, kept)

    async def _list_page(self) -> State:
        if not self._continue:
            self._begin_list()
        page = Page(self._list_version(), self._list_limit(), self._continue)
        answer = await self._collection.list(page)
        for raw in answer.items or ():
            self._decode_into(raw, self._pages, self._kept)
            await self._yield_now_and_then()
        self._continue = answer.metadata.continue_
        if self._continue:
            self._paged = True
            return State.LIST
        found, self._pages = self._pages, {}
        kept, self._kept = self._kept, {}
        await self._listed(found, kept, answer.metadata.resource_version, mode="list")
        return State.WATCH

    def _begin_list(self) -> None:
        """What has been seen or written until now is to be in the list."""
        self._asked = self._clock.monotonic()
        written = self._sink.written()
        self._known = written if not self._version or older(self._version, written) else self._version

    def _list_version(self) -> str:
        """For a first list "0", any state that is at hand; later at least what is known; "" is the most recent."""
        if self._continue or self._latest:
            return ""
        return self._known or "0"

    def _list_limit(self) -> int:
        """A limit together with a version would take the server's cache out of play, unless it pages from there."""
        if not self._limit_works:
            return 0
        return self._options.page_size if self._paged or not self._version or self._latest else 0

    async def _listed(
        self, found: dict[ObjectKey, Decoded[P]], kept: dict[ObjectKey, str], version: str, *, mode: str
    ) -> None:
        latest = self._latest
        if older(version, self._known):
            if not latest:
                raise RewoundListError(f"the list is of version {version}, and {self._known} is known")
            self._log.warning("the server's data are older than before", version=version, known=self._known)
            self._sink.rewind()
        elif latest:
            self._sink.trust(self._asked)
        complete = await self._sink.replace(found.values(), kept, version)
        self._version = version
        self._empty = 0
        self._latest = False
        self._limit_works = True
        self.liveness.synced = True
        self._succeeded()
        self._metrics.lists(mode).inc()
        if not complete and not latest:
            raise RewoundListError(f"the list of version {version} has objects whose deletion was answered")

    def _decode_into(self, raw: Raw, found: dict[ObjectKey, Decoded[P]], kept: dict[ObjectKey, str]) -> None:
        item = self._decoder.decode(raw)
        if item is not None:
            found[item.obj.key] = item
        elif (identity := self._identify(raw)) is not None:
            kept[identity.key] = identity.metadata.uid

    # --- watches -------------------------------------------------------------------------------------------------

    async def _watch(self) -> State:
        watch = self._open or await self._open_watch(self._version, initial_events=False)
        idle = self._options.idle_limit if self._bookmarks else None
        try:
            async with Watchdog(watch.lifetime, idle) as watchdog:
                self._followed = watchdog
                async for event in watch.events:
                    watch.received += 1
                    watchdog.touch()
                    self._follow(event)
                    if self._bookmarks and watchdog.idle is None:
                        watchdog.limit_idle(self._options.idle_limit)
                    await self._yield_now_and_then()
        except TimeoutError as error:
            if not self._reopening:
                raise SilentWatchError("the watch was silent for too long and was ended") from error
            await self._close()
            return State.WATCH
        finally:
            self._followed, self._reopening = None, False
        await self._close()
        if not watch.received and self._clock.monotonic() - watch.opened_at < self._options.shortest_watch:
            raise ShortWatchError("the server ended the watch at once and without an event")
        self._succeeded()
        # Without even a bookmark: a server that was restored from a backup may wait for a version to come.
        self._empty = 0 if watch.received else self._empty + 1
        return State.WATCH if self._empty < SILENT_WATCHES else self._relist_state

    def _follow(self, event: WatchEvent) -> None:
        self._metrics.events(event.type).inc()
        if event.type == "ERROR":
            raise event_error(event)
        self._succeeded()
        if event.type == "BOOKMARK":
            bookmark = self._identify(event.object)
            if bookmark is not None:
                self._bookmarks = True
                # One that comes late says nothing new, and must not make the next watch begin in the past.
                if not older(bookmark.metadata.resource_version, self._version):
                    self._advance(bookmark)
                    self._sink.advance(bookmark.metadata.resource_version)
            return
        if event.type == "DELETED":
            identity = self._identify(event.object)
            if identity is not None:
                self._sink.delete(identity)
                self._advance(identity)
            return
        if event.type not in ("ADDED", "MODIFIED"):
            self._log.warning("watch event of an unknown type is left out", type=event.type)
            return
        item = self._decoder.decode(event.object)
        if item is not None:
            self._sink.apply(item)
            self._advance(item.obj)
        elif (identity := self._identify(event.object)) is not None:
            self._advance(identity)

    def _advance(self, obj: PartialObject) -> None:
        if obj.metadata.resource_version:
            self._version = obj.metadata.resource_version

    async def _open_watch(self, version: str, *, initial_events: bool) -> _OpenWatch:
        low, high = self._options.watch_lifetime
        seconds = int(self._rng.uniform(low, high))
        opened_at = self._clock.monotonic()
        context = self._collection.watch(version, timeout_seconds=seconds, initial_events=initial_events)
        lifetime = seconds + self._options.lifetime_grace
        try:
            async with Watchdog(lifetime):
                events = await self._streams_open.enter_async_context(context)
        except TimeoutError as error:
            raise SilentWatchError("the server did not answer the request for a watch") from error
        self._open = _OpenWatch(events, lifetime, opened_at)
        self.liveness.opened_at = self._clock.monotonic()
        return self._open

    async def _close(self) -> None:
        self._open = None
        self.liveness.opened_at = None
        streams, self._streams_open = self._streams_open, AsyncExitStack()
        try:
            await streams.aclose()
        except Exception as error:
            self._log.debug("closing a watch failed", error=str(error))

    def _identify(self, raw: Raw | bytes) -> PartialObject | None:
        return self._decoder.identify(raw)

    # --- outcomes ------------------------------------------------------------------------------------------------

    @property
    def _relist_state(self) -> State:
        return State.STREAM_LIST if self._streams else State.LIST

    def _stream_list_failed(self, error: Exception) -> Transition:
        transition = after_stream_list_failure(error)
        self._streams = transition.state is not State.LIST
        return transition

    def _list_failed(self, error: Exception) -> Transition:
        transition = after_list_failure(error)
        if transition.latest and self._continue:
            self._limit_works = False
        self._continue = ""
        self._pages, self._kept = {}, {}
        return transition

    def _watch_failed(self, error: Exception) -> Transition:
        # An unreachable server says nothing about the version, and must not meet everyone's lists on its return.
        if self._open is not None or not isinstance(error, UNREACHABLE):
            self._fruitless += 1
        transition = after_watch_failure(error, self._fruitless, self._relist_state)
        if transition.state is not State.WATCH:
            self._fruitless = 0
        return transition

    def _report(self, error: Exception, transition: Transition) -> None:
        self.liveness.failures += 1
        if self.liveness.failing_since is None:
            self.liveness.failing_since = self._clock.monotonic()
        self.liveness.error = f"{type(error).__name__}: {error}"
        self._metrics.errors(reason_of(error)).inc()
        expected = isinstance(error, KdlError)
        self._log.warning(
            "watch failed",
            state=self.state.value,
            following=transition.state.value,
            error=self.liveness.error,
            exc_info=None if expected else error,
        )

    def _succeeded(self) -> None:
        self.liveness.heartbeat = self.liveness.told_at = self._clock.monotonic()
        self.liveness.failures = 0
        self.liveness.failing_since = None
        self._fruitless = 0
        self.liveness.error = ""

    async def _yield_now_and_then(self) -> None:
        self._since_yield += 1
        if self._since_yield >= YIELD_EVERY:
            self._since_yield = 0
            await asyncio.sleep(0)
