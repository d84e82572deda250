"""One declared watch: its store, its readers and its handlers.

Guarantees, after client-go's ``SharedInformer``:

* The cache shows a subsequence of the states of an object, in order. States may be skipped. Objects have no order.
* A handler is called from one place at a time, after the store has changed, with the state before and after. It must be
  quick, must not block, and should do no more than to enqueue keys. What it raises is logged and counted.
* A deletion that the watch missed is told as one with the last known state, when a list no longer has the object.
* An object that was deleted and made anew under its name is told as DELETED and ADDED, never as MODIFIED.
* What this process has written itself is in the store when the write returns, and an older event does not undo it. An
  object of which a deletion was seen does not come back, whatever late answers say.
* A handler that is added late is told every present object as ADDED first.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import structlog

from kdl_runtime.cache.collection import ApiCollection, Decoded, WatchEnvironment
from kdl_runtime.cache.decode import ObjectDecoder
from kdl_runtime.cache.event import Event, EventType
from kdl_runtime.cache.ownwrites import Pins, Tombstone, Tombstones, numeric, older, write_wins
from kdl_runtime.cache.served import ServedKinds
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.cache.store import Store
from kdl_runtime.cache.transform import metadata_alone
from kdl_runtime.cache.transitions import State, UnorderedWatchError
from kdl_runtime.cache.watcher import YIELD_EVERY, Watcher
from kdl_runtime.client.client import Client
from kdl_runtime.codec.json import decode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.codec.selectors import FieldSelector, LabelSelector
from kdl_runtime.errors import NotSyncedError
from kdl_runtime.types import ObjectKey

P = TypeVar("P", bound=PartialObject)

log = structlog.get_logger(__name__)

STALL_SECONDS = 1500.0
"""A watcher shows a sign of life at least at the end of each watch and each pause; twice that is a stall."""

Handler = Callable[[Event[P]], None]


class Informer(Generic[P]):
    """Handle of a declared watch, got from ``Cache.declare``. Reads never wait and never reach the API server."""

    def __init__(self, spec: WatchSpec[P], client: Client, environment: WatchEnvironment) -> None:
        self.spec = spec
        self._clock = environment.clock
        self._metrics = environment.metrics
        self._store: Store[P] = Store(spec.indexes)
        self._pins = Pins()
        self._tombstones = Tombstones()
        self._newest_write = 0
        self._labels = LabelSelector.parse(spec.label_selector)
        self._fields = FieldSelector.parse(spec.server_fields)
        self._unready_after = environment.options.unready_after
        self._handlers: list[Handler[P]] = []
        self._synced = asyncio.Event()
        self._unsynced = set(spec.namespaces or ("",))
        self._decoder = ObjectDecoder(spec, environment.metrics.undecodable)
        self._watchers = {
            namespace: self._watcher(namespace, client, environment) for namespace in spec.namespaces or ("",)
        }
        environment.metrics.observe_store(self._store.__len__, lambda: self._store.raw_bytes)
        environment.metrics.observe_silence(self._silence)

    def _watcher(self, namespace: str, client: Client, environment: WatchEnvironment) -> Watcher[P]:
        spec = self.spec
        served = environment.served or ServedKinds(client, environment.clock)
        selected = (namespace, spec.label_selector, spec.server_fields)
        collection = ApiCollection(client, spec.resource, served, *selected, spec.metadata_only)
        watcher = Watcher(collection, _NamespaceSink(self, namespace), self._decoder, environment, name=str(spec))
        if not spec.required:
            watcher.liveness.expect_kind()
        return watcher

    # --- life cycle ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the API server until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace, watcher in self._watchers.items():
                group.create_task(watcher.run(), name=f"watch {self.spec.watch_name} {namespace}".rstrip())

    @property
    def synced(self) -> bool:
        """Whether the first list is complete, and every handler has been told of it."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    @property
    def trouble(self) -> str:
        """The last failure of each watcher that fails now; empty when all is well."""
        return "; ".join(watcher.liveness.error for watcher in self._watchers.values() if watcher.liveness.error)

    def reopen(self) -> None:
        """Go on with new watches, from where the present ones are."""
        for watcher in self._watchers.values():
            watcher.reopen()

    def opened_after(self, moment: float) -> bool:
        """Whether every watch was opened at or after this moment of the clock; True for a kind that is not served."""
        of_kind = (watcher for watcher in self._watchers.values() if watcher.state is not State.NOT_SERVED)
        return all((opened := watcher.liveness.opened_at) is not None and opened >= moment for watcher in of_kind)

    def check_restored(self) -> None:
        """For a readiness check: raises NotSyncedError, with the reason, when a watch was lost and could not be
        restored for ``WatcherOptions.unready_after``. What is read may be as old as that."""
        now = self._clock.monotonic()
        lost = max(watcher.liveness.lost_for(now) for watcher in self._watchers.values())
        if lost > self._unready_after:
            raise NotSyncedError(f"the watch on {self.spec} is lost for {lost:.0f} s: {self.trouble}")

    def _silence(self) -> float:
        """Seconds since the watcher that was silent for longest was told anything."""
        now = self._clock.monotonic()
        told = [watcher.liveness.told_at for watcher in self._watchers.values()]
        return max((now - at for at in told if at is not None), default=0.0)

    def check_alive(self) -> None:
        """For a health check: raises when a watcher has stopped moving. An unreachable API server is no such case."""
        now = self._clock.monotonic()
        for watcher in self._watchers.values():
            if watcher.state is State.NOT_SERVED:
                continue
            silent = now - watcher.liveness.heartbeat
            if silent > STALL_SECONDS:
                raise NotSyncedError(
                    f"the watch on {self.spec} has not moved for {silent:.0f} s (state {watcher.state.value})"
                )

    # --- reads ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._store)

    def get(self, key: ObjectKey) -> P | None:
        """The projection: shared and frozen."""
        return self._store.get(key)

    def raw(self, key: ObjectKey) -> bytes | None:
        """The JSON as it came; objects of a list carry neither apiVersion nor kind. None where none is kept."""
        return self._store.raw(key)

    def object(self, key: ObjectKey) -> dict[str, Any] | None:
        """The whole object, decoded for the caller and his to change, with apiVersion and kind. None for an object that
        is not there, and for one that was shrunk (``WatchSpec.shrink``)."""
        raw = self._store.raw(key)
        if raw is None:
            return None
        resource = self.spec.resource
        return {**decode(raw), "apiVersion": resource.api_version, "kind": resource.kind}

    def by_index(self, index: str, value: str, namespace: str = "") -> "list[P]":
        """The objects, of one namespace or of all (empty), under one value of a declared index. NotDeclaredError for an
        index that is not in the spec."""
        return self._store.by_index(index, value, namespace)

    def matching(self, selector: LabelSelector | str, namespace: str = "") -> "list[P]":
        """The objects, of one namespace or of all (empty), whose labels match. It looks at each: for what is looked up
        often, declare an index."""
        parsed = LabelSelector.parse(selector) if isinstance(selector, str) else selector
        return [obj for obj in self._store.list(namespace) if parsed.matches(obj.metadata.labels)]

    def list(self, namespace: str = "") -> list[P]:
        """All objects, or those of one namespace, in the order in which they were first seen."""
        return self._store.list(namespace)

    # --- handlers ------------------------------------------------------------------------------------------------

    def add_handler(self, handler: Handler[P]) -> None:
        """Call ``handler`` with each change from now on; first with what is there already."""
        self._handlers.append(handler)
        for obj in self._store.list():
            self._call(handler, Event(EventType.ADDED, None, obj, initial=True))

    def _notify(self, old: P | None, new: P | None, *, initial: bool = False) -> None:
        if old is not None and new is not None:
            if old.metadata.uid == new.metadata.uid:
                self._tell(Event(EventType.MODIFIED, old, new, initial))
                return
            self._tell(Event(EventType.DELETED, old, None, initial))
            self._tell(Event(EventType.ADDED, None, new, initial))
        elif new is not None:
            self._tell(Event(EventType.ADDED, None, new, initial))
        elif old is not None:
            self._tell(Event(EventType.DELETED, old, None, initial))

    def _tell(self, event: Event[P]) -> None:
        for handler in self._handlers:
            self._call(handler, event)

    def _call(self, handler: Handler[P], event: Event[P]) -> None:
        try:
            handler(event)
        except Exception:
            self._metrics.errors("Handler").inc()
            log.exception("event handler failed", watch=str(self.spec), object=str(event.object.key))

    # --- own writes ----------------------------------------------------------------------------------------------

    def apply_write(self, raw: bytes) -> None:
        """Show the answer to a create, update, patch or get of our own, if it is newer than what is shown; what no
        longer matches the selectors is gone."""
        written = self._decoder.identify(raw)
        if written is None:
            return
        key = written.key
        stored = self._store.get(key)
        known = stored.metadata if stored is not None else None
        if not self._selects(written, raw):
            now = written.metadata.resource_version
            if stored is not None and older(stored.metadata.resource_version, now):
                self._bury(stored, numeric(now))
            return
        if not write_wins(written.metadata, known, self._tombstones.get(key), self._told(key.namespace)):
            return
        item = self._decoder.decode(metadata_alone(raw) if self.spec.metadata_only else raw)
        version = numeric(written.metadata.resource_version)
        if item is None or version is None:
            return
        self._pins.pin(key, version, self._clock.monotonic())
        self._newest_write = max(self._newest_write, version)
        self._notify(self._store.put(item.obj, item.raw), item.obj)

    def apply_delete(self, raw: bytes) -> None:
        """Show the answer to a delete of our own: gone, or with a deletionTimestamp on its way out."""
        remains = self._decoder.identify(raw)
        if remains is None:
            return
        if remains.metadata.deletion_timestamp is not None:
            self.apply_write(raw)
            return
        stored = self._store.get(remains.key)
        if stored is not None and remains.metadata.uid and stored.metadata.uid == remains.metadata.uid:
            self._bury(stored, final=True)

    def apply_absence(self, key: ObjectKey, uid: str) -> None:
        """The API server had no object of this key when it was asked for; ``uid`` is of what was shown before that."""
        stored = self._store.get(key)
        if stored is not None and stored.metadata.uid == uid:
            self._bury(stored, final=True)

    def has_told(self, namespace: str, resource_version: str) -> bool:
        """Whether the watch on this namespace has told everything up to that version; True for what it cannot tell:
        versions that are no numbers, namespaces that are not watched."""
        told, version = self._told(namespace), numeric(resource_version)
        return told is None or version is None or told >= version

    def _told(self, namespace: str) -> int | None:
        """The version up to which the watch on this namespace has told everything."""
        watcher = self._watchers.get(namespace) or self._watchers.get("")
        return numeric(watcher.resource_version) if watcher is not None else None

    def _selects(self, obj: PartialObject, raw: bytes) -> bool:
        if self.spec.namespaces and obj.metadata.namespace not in self.spec.namespaces:
            return False
        if not self._labels.matches(obj.metadata.labels):
            return False
        if self._fields.empty:
            return True
        fields = decode(raw)
        return self._fields.matches(lambda path: _field(fields, path))

    # --- what the watchers tell ----------------------------------------------------------------------------------

    def _observe(self, item: Decoded[P], *, initial: bool = False, listed: str | None = None) -> bool:
        """An event, or a part of a list of version ``listed``, has come. False if it is left out because the object is
        known to be gone."""
        obj = item.obj
        key, version = obj.key, obj.metadata.resource_version
        if key in self._pins and self._is_behind_own_write(key, version):
            return True
        tombstone = self._tombstones.get(key)
        if tombstone is not None:
            if listed is not None and tombstone.yields_to_list(numeric(listed)):
                self._tombstones.forget(key)
            elif tombstone.covers(obj.metadata):
                return False
        stored = self._store.get(key)
        if stored is not None and version:
            if stored.metadata.resource_version == version:
                return True
            if listed is None and older(version, stored.metadata.resource_version):
                self._refuse(obj, stored)
                return True
        self._notify(self._store.put(obj, item.raw), obj, initial=initial)
        return True

    def _is_behind_own_write(self, key: ObjectKey, version: str) -> bool:
        now = self._clock.monotonic()
        lag = self._pins.lag(key, version, now)
        if lag is not None:
            self._metrics.lag.observe(lag)
        return self._pins.stale(key, version, now)

    def _observe_deleted(self, gone: PartialObject) -> None:
        key, version = gone.key, gone.metadata.resource_version
        if self._pins.stale(key, version, self._clock.monotonic()):
            return
        stored = self._store.get(key)
        if stored is None:
            self._tombstones.confirm(key, gone.metadata.uid, numeric(version))
        elif older(version, stored.metadata.resource_version):
            self._refuse(gone, stored)
        else:
            self._bury(stored, numeric(version), told=True)

    def _refuse(self, late: PartialObject, stored: P) -> None:
        """An event is older than what is shown: of another UID that is old news, of the same the watch has no order."""
        if late.metadata.uid == stored.metadata.uid:
            raise UnorderedWatchError(
                f"the watch told of {late.key} at version {late.metadata.resource_version} "
                f"after {stored.metadata.resource_version}"
            )

    def _bury(self, obj: P, version: int | None = None, *, final: bool = False, told: bool = False) -> None:
        version = version if version is not None else numeric(obj.metadata.resource_version)
        self._tombstones.bury(obj.key, Tombstone(obj.metadata.uid, version, final, told, self._clock.monotonic()))
        self._pins.forget(obj.key)
        self._store.remove(obj.key)
        self._notify(obj, None)

    async def _replace(
        self, items: Iterable[Decoded[P]], kept: Mapping[ObjectKey, str], version: str, namespace: str
    ) -> bool:
        complete = True
        initial = namespace in self._unsynced
        listed = set(kept)
        # First, so that what the list shows of our own writes counts.
        self._pins.advance(version, namespace)
        for count, item in enumerate(items, 1):
            listed.add(item.obj.key)
            complete &= self._observe(item, initial=initial, listed=version)
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        now = self._clock.monotonic()
        for key in self._store.keys(namespace):
            stored = self._store.get(key)
            if stored is None or (key in listed and kept.get(key, stored.metadata.uid) == stored.metadata.uid):
                continue
            # It is gone, or another object that cannot be decoded has its name.
            if not self._pins.stale(key, version, now):
                self._bury(stored, numeric(version), told=True)
        self._tombstones.confirm_absent(listed, numeric(version), namespace)
        self._unsynced.discard(namespace)
        if not self._unsynced:
            self._synced.set()
        return complete

    def _rewind(self) -> None:
        self._pins.clear()
        self._tombstones.clear()
        self._newest_write = 0


class _NamespaceSink(Generic[P]):
    """The informer as the watcher of one namespace sees it."""

    def __init__(self, informer: Informer[P], namespace: str) -> None:
        self._informer = informer
        self._namespace = namespace

    async def replace(self, items: Iterable[Decoded[P]], kept: Mapping[ObjectKey, str], resource_version: str) -> bool:
        return await self._informer._replace(items, kept, resource_version, self._namespace)

    def apply(self, item: Decoded[P]) -> None:
        self._informer._observe(item)

    def delete(self, gone: PartialObject) -> None:
        self._informer._observe_deleted(gone)

    def advance(self, resource_version: str) -> None:
        self._informer._pins.advance(resource_version, self._namespace)
        self._informer._pins.check(self._namespace, self._informer._clock.monotonic())

    def written(self) -> str:
        return str(self._informer._newest_write or "")

    def trust(self, asked: float) -> None:
        self._informer._tombstones.forget_before(asked)

    def rewind(self) -> None:
        self._informer._rewind()


def _field(obj: Any, path: str) -> str:
    """The value at a dotted path as a field selector sees it: text, empty for what is not there."""
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)
