"""The garbage collector: deletes objects whose owners are gone, in the background, in the foreground, or not at all.

Semantics: https://kubernetes.io/docs/concepts/architecture/garbage-collection/. A dependent whose owner does not exist
is collected, also if the owner never existed or is in another namespace. A reference to a kind that the server does not
serve keeps an object, because nothing can be known of its owner.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from cachetools import LRUCache

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.types import ResourceTypes
from kdl_local.controllers.ownership import (
    FOREGROUND_FINALIZER,
    ORPHAN_FINALIZER,
    Graph,
    Item,
    Reference,
    classify,
    item_of,
    judge,
)
from kdl_local.delay_queue import DelayQueue
from kdl_local.follow import Change, follow
from kdl_local.resources import CRDS, EVENTS
from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import Clock
from kdl_runtime.errors import ApiError, NotFound
from kdl_runtime.types import GroupVersionKind, Resource, parse_api_version

log = logging.getLogger(__name__)

Object = Mapping[str, Any]

RETRY = BackoffPolicy(base=0.05, factor=2.0, cap=30.0, jitter=0.0)
_REMEMBERED = 4096
IGNORED = frozenset({EVENTS.group_resource, "events.events.k8s.io"})
"""Events are never owned; there are many of them."""


class GarbageCollector:
    """Follows every served type that can be listed and deleted, also those of CRDs that come later."""

    def __init__(self, direct: Direct, types: ResourceTypes, clock: Clock) -> None:
        self._direct = direct
        self._types = types
        self._graph = Graph()
        self._queue: DelayQueue[str] = DelayQueue(clock)
        self._failures: Counter[str] = Counter()
        self._seen_gone: LRUCache[str, None] = LRUCache(_REMEMBERED)
        """UIDs of owners that were seen to go, for references to kinds that are served no more."""
        self._followed: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Collects until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_types(group))
            group.create_task(self._work())

    async def _follow_types(self, group: asyncio.TaskGroup) -> None:
        self._follow_new_types(group)
        async with aclosing(follow(self._direct, CRDS)) as changes:
            async for _ in changes:
                self._follow_new_types(group)

    def _follow_new_types(self, group: asyncio.TaskGroup) -> None:
        served: dict[tuple[str, str], Resource] = {}
        for type_ in self._types:
            resource = type_.storage_resource
            if {"list", "watch", "delete"} <= type_.verbs and resource.group_resource not in IGNORED:
                served.setdefault((resource.group, resource.plural), type_.resource)
        for key in sorted(self._followed.keys() - served.keys()):
            self._followed.pop(key).cancel()
            self._forget_type(key)
        for key, resource in served.items():
            if key not in self._followed or self._followed[key].done():
                self._followed[key] = group.create_task(self._follow(resource))

    async def _follow(self, resource: Resource) -> None:
        try:
            async with aclosing(follow(self._direct, resource)) as changes:
                async for change in changes:
                    self._changed(resource, change)
        except NotFound:
            # The type is served no more; its CRD's next change starts it again if need be.
            return

    def _forget_type(self, key: tuple[str, str]) -> None:
        """The objects of a type that is served no more are gone with it."""
        items = self._graph.items.values()
        for uid in [item.uid for item in items if (item.resource.group, item.resource.plural) == key]:
            self._removed(uid)

    def _removed(self, uid: str) -> None:
        item = self._graph.items.get(uid)
        self._graph.remove(uid)
        self._failures.pop(uid, None)
        dependents = self._graph.dependents(uid)
        if dependents:
            self._seen_gone[uid] = None
        for dependent in dependents:
            self._queue.add(dependent.uid)
        for owner in item.owners if item else ():
            self._queue.add(owner.uid)

    def _changed(self, resource: Resource, change: Change) -> None:
        uid = change.latest["metadata"]["uid"]
        if change.new is None:
            self._removed(uid)
            return
        item = item_of(resource, change.new)
        self._graph.put(item)
        if item.owners or item.waits or item.orphans:
            self._queue.add(uid)
        if item.waits:
            for dependent in self._graph.dependents(uid):
                self._queue.add(dependent.uid)
        if change.old is not None:
            # An owner that waits for this object may wait no longer if the reference to it went.
            for reference in item_of(resource, change.old).owners:
                if reference not in item.owners:
                    self._queue.add(reference.uid)

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            item = self._graph.items.get(uid)
            if item is None:
                continue
            try:
                self._process(item)
                self._failures.pop(uid, None)
            except ApiError as error:
                log.debug("garbage collection of %s %s: %s", item.resource.group_resource, item.key, error)
                self._failures[uid] += 1
                self._queue.add(uid, RETRY.delay(self._failures[uid]))
            await asyncio.sleep(0)

    def _process(self, item: Item) -> None:
        if item.orphans:
            self._orphan_dependents(item)
        elif item.waits:
            self._wait_for_dependents(item)
        else:
            self._collect(item)

    def _collect(self, item: Item) -> None:
        current = self._current(item)
        if current is None:
            return
        latest = item_of(item.resource, current)
        has_dependents = bool(self._graph.dependents(item.uid))
        verdict = judge(latest, classify(latest, partial(self._owner, latest)), has_dependents=has_dependents)
        if verdict.delete:
            self._direct.delete(
                item.resource, item.key.namespace, item.key.name, propagation=verdict.propagation, uid=item.uid
            )
        elif verdict.drop:
            self._drop_references(item, current, verdict.drop)

    def _wait_for_dependents(self, item: Item) -> None:
        """Lets an owner go that is deleted in the foreground, once nothing blocks it any more."""
        for dependent in self._graph.dependents(item.uid):
            self._queue.add(dependent.uid)
        if not self._graph.blocking(item.uid):
            self._remove_finalizer(item, FOREGROUND_FINALIZER)

    def _orphan_dependents(self, item: Item) -> None:
        for dependent in self._graph.dependents(item.uid):
            current = self._current(dependent)
            if current is not None:
                self._drop_references(dependent, current, frozenset({item.uid}))
        self._remove_finalizer(item, ORPHAN_FINALIZER)

    def _owner(self, item: Item, reference: Reference) -> Item | bool | None:
        """The owner as it is in the store now, None if it is not, True if its kind is not known here."""
        group, version = parse_api_version(reference.api_version)
        type_ = self._types.by_kind(GroupVersionKind(group, version, reference.kind))
        if type_ is None:
            # Gone with its type, or never known.
            return None if reference.uid in self._seen_gone else True
        if type_.namespaced and not item.key.namespace:
            return True
        namespace = item.key.namespace if type_.namespaced else ""
        obj = self._direct.find(type_.resource, namespace, reference.name)
        if obj is None or obj["metadata"]["uid"] != reference.uid:
            return None
        return item_of(type_.resource, obj)

    def _current(self, item: Item) -> Object | None:
        """The stored object if it is still this one."""
        try:
            obj = self._direct.find(item.resource, item.key.namespace, item.key.name)
        except NotFound:
            return None
        return obj if obj is not None and obj["metadata"]["uid"] == item.uid else None

    def _drop_references(self, item: Item, current: Object, uids: frozenset[str]) -> None:
        metadata = current["metadata"]
        kept = [ref for ref in metadata.get("ownerReferences") or () if ref["uid"] not in uids]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": kept or None}}
        self._direct.patch(item.resource, item.key.namespace, item.key.name, patch)

    def _remove_finalizer(self, item: Item, finalizer: str) -> None:
        current = self._current(item)
        if current is None:
            return
        metadata = current["metadata"]
        kept = [name for name in metadata.get("finalizers") or () if name != finalizer]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": kept or None}}
        self._direct.patch(item.resource, item.key.namespace, item.key.name, patch)
