"""Filters of events, composable with ``all_of``, ``any_of`` and ``negate``.

A predicate decides whether an event reaches the queue. It never changes what the cache holds: a reconciler that runs
for another reason sees everything.
"""

from collections.abc import Callable
from typing import Any

from kdl_runtime.cache.event import Event
from kdl_runtime.codec.meta import ObjectMeta
from kdl_runtime.codec.selectors import LabelSelector

Predicate = Callable[[Event[Any]], bool]
"""True lets the event pass."""


def all_of(*predicates: Predicate) -> Predicate:
    """Passes what every predicate passes; without any, everything."""
    return lambda event: all(predicate(event) for predicate in predicates)


def any_of(*predicates: Predicate) -> Predicate:
    """Passes what at least one predicate passes; without any, nothing."""
    return lambda event: any(predicate(event) for predicate in predicates)


def negate(predicate: Predicate) -> Predicate:
    return lambda event: not predicate(event)


def _on_change(differs: Callable[[ObjectMeta, ObjectMeta], bool]) -> Predicate:
    def predicate(event: Event[Any]) -> bool:
        if event.old is None or event.new is None:
            return True
        return differs(event.old.metadata, event.new.metadata)

    return predicate


resource_version_changed: Predicate = _on_change(lambda old, new: old.resource_version != new.resource_version)
"""Drops updates that change nothing. Additions and deletions pass, here and in the next three."""

generation_changed: Predicate = _on_change(lambda old, new: old.generation != new.generation)
"""Drops updates that leave the spec alone: of status, labels, annotations, owners and finalizers. A status that
somebody wiped is then not repaired. The API server counts the start of a deletion as a generation. Updates of kinds
without generations (ConfigMaps, Services, pods before 1.33) never pass."""

label_changed: Predicate = _on_change(lambda old, new: old.labels != new.labels)
annotation_changed: Predicate = _on_change(lambda old, new: old.annotations != new.annotations)

deletion_changed: Predicate = _on_change(lambda old, new: old.deletion_timestamp != new.deletion_timestamp)
"""Passes the update that starts a deletion; add it with ``any_of`` to a predicate that would drop it."""


def matches_labels(selector: LabelSelector) -> Predicate:
    """Passes events of objects that match, or matched before the update: the one that leaves the selection counts."""

    def predicate(event: Event[Any]) -> bool:
        return any(obj is not None and selector.matches(obj.metadata.labels) for obj in (event.old, event.new))

    return predicate
