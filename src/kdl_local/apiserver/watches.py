"""Watch streams: which events a watcher sees, and how they are written.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from kdl_local.apiserver.cursor import Cursor
from kdl_local.apiserver.faults import WatchFault
from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.negotiation import Shape
from kdl_local.apiserver.pages import NOT_OLDER_THAN, parse_revision
from kdl_local.apiserver.rendering import View
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.selection import Selection
from kdl_local.apiserver.storage import ADDED, DELETED, Change, Collection, Entry, Store
from kdl_local.apiserver.table import partial_metadata, without_columns
from kdl_local.apiserver.types import Object
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import ApiError, Expired
from kdl_runtime.types import GroupVersionKind

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_LIST_OPTIONS = GroupVersionKind("meta.k8s.io", "v1", "ListOptions")
_PIECE = 64
"""Events that are written at once, at most."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """``revision`` None starts with the present objects as ADDED events. ``timeout`` is in seconds."""

    revision: int | None
    initial_events_end: bool
    bookmarks: bool
    timeout: float
    bookmark_interval: float


def watch_options(request: Request, timeout: float, bookmark_interval: float) -> WatchOptions:
    """From the query; ``timeout`` is for a client that asks for none. Raises Invalid for what the API excludes."""
    version, match = request.param("resourceVersion"), request.param("resourceVersionMatch")
    streaming = request.flag("sendInitialEvents") if "sendInitialEvents" in request.query else None
    errors = []
    if streaming is not None and match != NOT_OLDER_THAN:
        text = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
        errors.append(FieldError.forbidden("resourceVersionMatch", text))
        if match:
            errors.append(FieldError.not_supported("resourceVersionMatch", match, (NOT_OLDER_THAN,)))
    if match and streaming is None:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(FieldError.forbidden("resourceVersionMatch", text))
    if errors:
        raise invalid_object(_LIST_OPTIONS, "", errors)
    revision: int | None = parse_revision(version)
    if streaming or (streaming is None and revision == 0):
        revision = None
    bookmarks = request.flag("allowWatchBookmarks")
    seconds = request.number("timeoutSeconds")
    return WatchOptions(
        revision=revision,
        initial_events_end=bool(streaming) and bookmarks,
        bookmarks=bookmarks,
        timeout=float(seconds) if seconds and seconds > 0 else timeout,
        bookmark_interval=bookmark_interval,
    )


def seen(selection: Selection, change: Change) -> tuple[str, Entry] | None:
    """The event that a watcher with this selection gets of a change, None if it gets none.

    An object that begins to match is ADDED, one that ceases to is DELETED: the latter in its last matching state, at
    the revision of the change.
    """
    previous, entry = change.previous, change.entry
    before = previous is not None and selection.matches(previous)
    if change.type == DELETED:
        # The final state may differ from the one before, but whoever saw that one has to learn of the deletion.
        return (DELETED, entry) if before else None
    now = selection.matches(entry)
    if now:
        return (change.type if before else ADDED), entry
    if before and previous is not None:
        return DELETED, _at_revision(previous, entry.revision)
    return None


def _at_revision(entry: Entry, revision: int) -> Entry:
    meta = {**entry.object["metadata"], "resourceVersion": str(revision)}
    return Entry(entry.key, {**entry.object, "metadata": meta}, revision)


class WatchStream:
    """One watch. What is there at the start is fixed when it is made, not when its first line is read.

    A watch from a version that is still to come waits for it, and is told nothing until then, not even by a bookmark.
    """

    def __init__(
        self, store: Store, collection: Collection, selection: Selection, view: View, options: WatchOptions
    ) -> None:
        self._store = store
        self._collection = collection
        self._selection = selection
        self._view = view
        self._options = options
        self._tables = 0
        self._error: ApiError | None = None
        self._initial: list[Entry] = []
        if options.revision is None:
            self._start = store.revision
            self._initial = selection.entries(collection)
        else:
            self._start = options.revision if options.revision else store.revision
            try:
                collection.history.check(self._start)
            except Expired as error:
                self._error = error

    async def lines(self, fault: WatchFault) -> AsyncGenerator[bytes, None]:
        """The events, several lines at a time, until the timeout. A watch that is too old gets one ERROR event."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        end = begin + min(self._options.timeout, _or_never(fault.drop_after))
        silent = begin + _or_never(fault.silent_after)
        if fault.expired and self._error is None:
            self._error = Expired(f"too old resource version: {self._start} ({self._store.revision})")
        if self._error is not None:
            yield _line("ERROR", encode(self._error.to_status()))
            return
        with Cursor(self._collection, self._start) as cursor:
            async for piece in self._initial_events():
                yield piece
            bookmark_at = loop.time() + self._options.bookmark_interval
            while (now := loop.time()) < min(end, silent):
                try:
                    changes = await cursor.next(min(end, silent, bookmark_at) - now)
                except Expired as error:
                    yield _line("ERROR", encode(error.to_status()))
                    return
                for start in range(0, len(changes), _PIECE):
                    piece = self._events(changes[start : start + _PIECE])
                    if piece:
                        yield piece
                if loop.time() >= bookmark_at:
                    bookmark_at = loop.time() + self._options.bookmark_interval
                    known = self._store.revision if cursor.caught_up else cursor.revision
                    if self._options.bookmarks and known >= self._start:
                        yield self._bookmark(known)
        if silent < end:
            await asyncio.sleep(end - loop.time())
        elif self._options.bookmarks and fault.drop_after is None and self._store.revision >= self._start:
            # The state is complete up to the cursor, and the client's next watch had better start from there.
            yield self._bookmark(cursor.revision)

    async def _initial_events(self) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(self._initial), _PIECE):
            yield b"".join(self._event(ADDED, entry) for entry in self._initial[start : start + _PIECE])
        self._initial = []
        if self._options.initial_events_end:
            yield self._bookmark(self._start, {INITIAL_EVENTS_END: "true"})

    def _events(self, changes: list[Change]) -> bytes:
        events = (seen(self._selection, change) for change in changes)
        return b"".join(self._event(*event) for event in events if event is not None)

    def _event(self, type_: str, entry: Entry) -> bytes:
        if self._view.form.shape is not Shape.TABLE:
            return _line(type_, self._view.one(entry))
        table = self._view.table([entry], {"resourceVersion": str(entry.revision)})
        self._tables += 1
        return _line(type_, encode(table if self._tables == 1 else without_columns(table)))

    def _bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> bytes:
        """An object of the type with nothing but a resourceVersion, in the form of the other events."""
        meta: Object = {"resourceVersion": str(revision)}
        if annotations:
            meta["annotations"] = annotations
        resource = self._view.type.resource
        obj: Object = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        if self._view.form.shape is Shape.METADATA:
            obj = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        elif self._view.form.shape is Shape.TABLE:
            table = self._view.table([], {"resourceVersion": str(revision)})
            self._tables += 1
            rows = [{"cells": None, "object": partial_metadata(obj)}]
            obj = {**(table if self._tables == 1 else without_columns(table)), "rows": rows}
        return _line("BOOKMARK", encode(obj))


def _or_never(seconds: float | None) -> float:
    return float("inf") if seconds is None else seconds


def _line(type_: str, obj: bytes) -> bytes:
    return b"".join((b'{"type":"', type_.encode(), b'","object":', obj, b"}\n"))
