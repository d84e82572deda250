"""Objects in memory under one revision counter, with the history that watches read from."""

import asyncio
import itertools
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kdl_local.apiserver.table import partial_metadata
from kdl_local.apiserver.types import ResourceType
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import Expired
from kdl_runtime.types import ObjectKey, Resource

Object = dict[str, Any]

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"

_METADATA = "metadata"

SLOW_WATCH_BOUND = 1024
"""Changes that a running watch may lag behind, even if the history is configured to be shorter."""


class Entry:
    """One revision of one object. The object is never changed again, so everyone shares it and its encoding."""

    __slots__ = ("_bodies", "key", "object", "revision")

    def __init__(self, key: ObjectKey, obj: Object, revision: int) -> None:
        self.key = key
        self.object = obj
        self.revision = revision
        self._bodies: dict[str, bytes] = {}

    def body(self, type_: ResourceType) -> bytes:
        """The object in JSON in the shape of a version, without ``kind`` and ``apiVersion``; encoded once."""
        version = type_.resource.api_version if type_.conversion else ""
        body = self._bodies.get(version)
        if body is None:
            shown = type_.from_storage(self.object)
            body = encode({key: value for key, value in shown.items() if key not in ("kind", "apiVersion")})
            self._bodies[version] = body
        return body

    def encoded(self, type_: ResourceType) -> bytes:
        """The whole object in JSON in the shape of a version."""
        resource = type_.resource
        return with_type(resource.kind, resource.api_version, self.body(type_))

    def encoded_metadata(self) -> bytes:
        """``meta.k8s.io/v1 PartialObjectMetadata`` of the object; encoded once."""
        text = self._bodies.get(_METADATA)
        if text is None:
            text = self._bodies[_METADATA] = encode(partial_metadata(self.object))
        return text


def with_type(kind: str, api_version: str, body: bytes) -> bytes:
    """A JSON object with its type in front of its other fields, of which there is at least one."""
    return f'{{"kind":"{kind}","apiVersion":"{api_version}",'.encode() + body[1:]


@dataclass(frozen=True, slots=True)
class Change:
    """``entry`` is the state after the change; after a DELETED the last state, at the revision of the deletion."""

    type: str
    entry: Entry
    previous: Entry | None

    @property
    def revision(self) -> int:
        return self.entry.revision


class History:
    """The latest changes of one collection, by revision.

    A watch may start at any revision that ``size`` changes reach back to. Watches that run have at least
    ``SLOW_WATCH_BOUND`` changes of slack before they are told to list again, so no watcher needs a queue of its own.
    Nothing is known of what was before the revision ``first``.
    """

    def __init__(self, size: int, first: int = 0) -> None:
        self._size = size
        self._slack = max(size, SLOW_WATCH_BOUND)
        self._changes: list[Change] = []
        self._lost = first  # revision of the newest change that is not here, or not any more
        self._compacted = 0
        # In the order in which they came: whoever is woken up first must be the same at every run of a simulation.
        self._waiting: dict[asyncio.Event, None] = {}

    def append(self, change: Change) -> None:
        self._changes.append(change)
        if len(self._changes) > self._slack + self._slack // 4:
            cut = len(self._changes) - self._slack
            self._lost = self._changes[cut - 1].revision
            del self._changes[:cut]
        for event in self._waiting:
            event.set()

    def compact(self, revision: int) -> None:
        """Watches and consistent lists cannot start before this revision any more."""
        self._compacted = max(self._compacted, revision)

    def end(self) -> None:
        """It is not continued: who reads it gets Expired."""
        self._lost = sys.maxsize
        for event in self._waiting:
            event.set()

    @property
    def floor(self) -> int:
        """The oldest revision from which all later changes can be had."""
        beyond = len(self._changes) - self._size
        recent = self._changes[beyond - 1].revision if beyond > 0 else self._lost
        return max(recent, self._compacted)

    def check(self, revision: int) -> None:
        """Expired unless a watch may start at this revision."""
        if revision < self.floor:
            raise Expired(f"too old resource version: {revision} ({self.floor})")

    def after(self, revision: int) -> list[Change]:
        """All changes since a revision. Expired if some of them are gone."""
        if revision < self._lost:
            raise Expired(f"too old resource version: {revision} ({self._lost})")
        changes = self._changes
        if not changes or changes[-1].revision <= revision:
            return []
        return changes[bisect_right(changes, revision, key=lambda change: change.revision) :]

    def subscribe(self, event: asyncio.Event) -> None:
        """Sets an event with each further change, until ``unsubscribe``."""
        self._waiting[event] = None

    def unsubscribe(self, event: asyncio.Event) -> None:
        self._waiting.pop(event, None)

    @property
    def watchers(self) -> int:
        return len(self._waiting)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All objects at one revision: what a backup of etcd holds."""

    revision: int
    objects: Mapping[Resource, dict[str, dict[str, Entry]]]
    """By the resource that they are stored as, namespace and name."""


class Collection:
    """All objects of one type, whatever version they are written or read in."""

    def __init__(self, store: "Store", resource: Resource, history_size: int) -> None:
        self.resource = resource
        self.history = History(history_size, store.first_revision)
        self._history_size = history_size
        self._store = store
        self._namespaces: dict[str, dict[str, Entry]] = {}

    def get(self, key: ObjectKey) -> Entry | None:
        names = self._namespaces.get(key.namespace)
        return names.get(key.name) if names else None

    def entries(self, namespace: str = "") -> list[Entry]:
        """In the order of namespace and name; the empty namespace stands for all."""
        if namespace or not self.resource.namespaced:
            names = self._namespaces.get(namespace, {})
            return [names[name] for name in sorted(names)]
        found = ([names[name] for name in sorted(names)] for _, names in sorted(self._namespaces.items()))
        return list(itertools.chain.from_iterable(found))

    def entries_at(self, revision: int, namespace: str = "") -> list[Entry]:
        """As ``entries``, as they were at an earlier revision. Expired if the history does not reach back."""
        if revision >= self._store.revision:
            return self.entries(namespace)
        self.history.check(revision)
        states = {entry.key: entry for entry in self.entries(namespace)}
        for change in reversed(self.history.after(revision)):
            key = change.entry.key
            if namespace and key.namespace != namespace:
                continue
            if change.previous is None:
                states.pop(key, None)
            else:
                states[key] = change.previous
        return [states[key] for key in sorted(states)]

    def __iter__(self) -> Iterator[Entry]:
        """In no particular order; the collection must not change meanwhile."""
        return itertools.chain.from_iterable(names.values() for names in self._namespaces.values())

    def __len__(self) -> int:
        return sum(map(len, self._namespaces.values()))

    def put(self, key: ObjectKey, obj: Object) -> Entry:
        """Creates or replaces. Takes ``obj`` over and writes its ``resourceVersion``."""
        previous = self.get(key)
        entry = self._advance(key, obj)
        self._namespaces.setdefault(key.namespace, {})[key.name] = entry
        self.history.append(Change(MODIFIED if previous else ADDED, entry, previous))
        return entry

    def remove(self, key: ObjectKey, last: Object | None = None) -> Entry:
        """Removes what is there; ``last`` is the final state to report, by default what was stored.

        Takes ``last`` over. The entry returned carries the revision of the deletion.
        """
        names = self._namespaces[key.namespace]
        previous = names.pop(key.name)
        if not names:
            del self._namespaces[key.namespace]
        obj = last if last is not None else dict(previous.object)
        obj["metadata"] = dict(obj["metadata"])
        entry = self._advance(key, obj)
        self.history.append(Change(DELETED, entry, previous))
        return entry

    def snapshot(self) -> dict[str, dict[str, Entry]]:
        return {namespace: dict(names) for namespace, names in self._namespaces.items()}

    def restore(self, namespaces: dict[str, dict[str, Entry]], first: int) -> None:
        """These objects and no others, with a history that begins at the revision ``first``."""
        ended = self.history
        self._namespaces = {namespace: dict(names) for namespace, names in namespaces.items()}
        self.history = History(self._history_size, first)
        ended.end()

    def _advance(self, key: ObjectKey, obj: Object) -> Entry:
        revision = self._store.next_revision()
        obj["metadata"]["resourceVersion"] = str(revision)
        return Entry(key, obj, revision)


class Store:
    """Every collection, and the one counter that orders all changes of the cluster.

    ``history_size``: changes of one type that a watch can reach back; 0 makes every resumed watch expire. The counter
    starts at ``first_revision``; a watch from an earlier revision, which another store has given out, expires.
    """

    def __init__(self, history_size: int = 4096, first_revision: int = 1) -> None:
        self.first_revision = first_revision
        self.revision = first_revision
        self._history_size = history_size
        self._collections: dict[tuple[str, str], Collection] = {}

    def collection(self, resource: Resource) -> Collection:
        """The collection in which a resource is stored (``ResourceType.storage_resource``)."""
        key = (resource.group, resource.plural)
        found = self._collections.get(key)
        if found is None:
            found = self._collections[key] = Collection(self, resource, self._history_size)
        return found

    def next_revision(self) -> int:
        self.revision += 1
        return self.revision

    def compact(self) -> None:
        """Forgets the past, as etcd's compaction does: older watches, lists and continue tokens get Expired."""
        for collection in self._collections.values():
            collection.history.compact(self.revision)

    def snapshot(self) -> Snapshot:
        """What ``restore`` takes; the objects are shared."""
        objects = {collection.resource: collection.snapshot() for collection in self._collections.values()}
        return Snapshot(self.revision, objects)

    def restore(self, snapshot: Snapshot, revision: int | None = None) -> None:
        """Everything as it was then, as after ``etcdctl snapshot restore``: what came later is lost, and its revisions
        are given out anew, unless ``revision`` is where to go on (``--bump-revision``). Running watches expire.
        """
        self.revision = self.first_revision = snapshot.revision if revision is None else revision
        for resource in snapshot.objects:
            self.collection(resource)
        for collection in self._collections.values():
            collection.restore(snapshot.objects.get(collection.resource, {}), self.revision)
