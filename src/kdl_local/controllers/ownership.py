"""Who owns what, by UID: the graph that the garbage collector decides on. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kdl_runtime.types import ObjectKey, Resource

Object = Mapping[str, Any]

FOREGROUND_FINALIZER, ORPHAN_FINALIZER = "foregroundDeletion", "orphan"


@dataclass(frozen=True, slots=True)
class Reference:
    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """What the collector remembers of an object. ``waits``: it is deleted in the foreground, after its dependents."""

    resource: Resource
    key: ObjectKey
    uid: str
    owners: tuple[Reference, ...] = ()
    deleting: bool = False
    finalizers: frozenset[str] = frozenset()

    @property
    def waits(self) -> bool:
        return self.deleting and FOREGROUND_FINALIZER in self.finalizers

    @property
    def orphans(self) -> bool:
        return self.deleting and ORPHAN_FINALIZER in self.finalizers


def item_of(resource: Resource, obj: Object) -> Item:
    metadata = obj["metadata"]
    owners = tuple(
        Reference(
            uid=ref["uid"],
            api_version=ref["apiVersion"],
            kind=ref["kind"],
            name=ref["name"],
            blocks=bool(ref.get("blockOwnerDeletion")),
        )
        for ref in metadata.get("ownerReferences") or ()
    )
    return Item(
        resource=resource,
        key=ObjectKey(metadata.get("namespace") or "", metadata["name"]),
        uid=metadata["uid"],
        owners=owners,
        deleting=bool(metadata.get("deletionTimestamp")),
        finalizers=frozenset(metadata.get("finalizers") or ()),
    )


class Graph:
    """All objects by UID, and the dependents of each owner, also of owners that were never seen."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self._dependents: dict[str, set[str]] = {}

    def put(self, item: Item) -> None:
        old = self.items.get(item.uid)
        if old is not None and old.owners != item.owners:
            self._unlink(old)
        self.items[item.uid] = item
        for owner in item.owners:
            self._dependents.setdefault(owner.uid, set()).add(item.uid)

    def remove(self, uid: str) -> None:
        item = self.items.pop(uid, None)
        if item is not None:
            self._unlink(item)

    def dependents(self, uid: str) -> list[Item]:
        """In a fixed order, so that equal histories have equal consequences."""
        items = [self.items[dependent] for dependent in self._dependents.get(uid, ())]
        return sorted(items, key=lambda item: (item.resource.group_resource, item.key))

    def blocking(self, uid: str) -> list[Item]:
        """Dependents that a deletion in the foreground waits for."""
        return [item for item in self.dependents(uid) if any(ref.uid == uid and ref.blocks for ref in item.owners)]

    def _unlink(self, item: Item) -> None:
        for owner in item.owners:
            dependents = self._dependents.get(owner.uid)
            if dependents is not None:
                dependents.discard(item.uid)
                if not dependents:
                    del self._dependents[owner.uid]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with an object that has owners: drop references to ``drop``, or delete it with ``propagation``."""

    drop: frozenset[str] = frozenset()
    delete: bool = False
    propagation: str = ""


@dataclass(frozen=True, slots=True)
class Owners:
    """An object's owners by UID: ``solid`` exist, ``waiting`` exist and wait for their dependents to go, ``absent``
    are gone."""

    solid: frozenset[str] = field(default_factory=frozenset)
    waiting: frozenset[str] = field(default_factory=frozenset)
    absent: frozenset[str] = field(default_factory=frozenset)


def classify(item: Item, state: Callable[[Reference], Item | bool | None]) -> Owners:
    """``state`` gives the owner, None for one that is gone, or True for one of which nothing can be known."""
    groups: dict[str, set[str]] = {"solid": set(), "waiting": set(), "absent": set()}
    for reference in item.owners:
        owner = state(reference)
        if owner is None:
            groups["absent"].add(reference.uid)
        elif isinstance(owner, Item) and owner.waits and reference.blocks:
            groups["waiting"].add(reference.uid)
        else:
            groups["solid"].add(reference.uid)
    return Owners(**{name: frozenset(uids) for name, uids in groups.items()})


def judge(item: Item, owners: Owners, *, has_dependents: bool) -> Verdict:
    """The garbage collector's rule (``attemptToDeleteItem``): one living owner keeps an object; without any it goes,
    in the foreground if an owner waits for it and it has dependents of its own."""
    if item.deleting or not item.owners:
        return Verdict()
    if owners.solid:
        return Verdict(drop=owners.absent | owners.waiting)
    if owners.waiting and has_dependents:
        return Verdict(delete=True, propagation="Foreground")
    if ORPHAN_FINALIZER in item.finalizers:
        return Verdict(delete=True, propagation="Orphan")
    if FOREGROUND_FINALIZER in item.finalizers:
        return Verdict(delete=True, propagation="Foreground")
    return Verdict(delete=True, propagation="Background")
