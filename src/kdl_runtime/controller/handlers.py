"""From an event to the keys that have to be looked at, as pure functions.

Each looks at the object before and after the change, so that both owners of a child that changed hands are told. A key
that comes twice is enqueued once: the queue has one entry for it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from kdl_runtime.cache.event import Event
from kdl_runtime.codec.meta import OwnerReference, PartialObject
from kdl_runtime.types import Request, Resource, parse_api_version

Handler = Callable[[Event[Any]], Iterable[Request]]


def states(event: Event[Any]) -> tuple[PartialObject, ...]:
    """The states that the event knows: one or two."""
    return tuple(obj for obj in (event.old, event.new) if obj is not None)


def enqueue_self(event: Event[Any]) -> Iterable[Request]:
    """The key of the object itself."""
    return (event.object.key,)


def enqueue_owner(owner: Resource, *, controller_only: bool = True) -> Handler:
    """The owners of that kind, in any version of its group: the one that controls the object, or all of them."""

    def is_owner(reference: OwnerReference) -> bool:
        if controller_only and not reference.controller:
            return False
        return reference.kind == owner.kind and parse_api_version(reference.api_version)[0] == owner.group

    def handler(event: Event[Any]) -> Iterable[Request]:
        found: dict[Request, None] = {}
        for obj in states(event):
            namespace = obj.metadata.namespace if owner.namespaced else ""
            for reference in obj.metadata.owner_references:
                if is_owner(reference):
                    found[Request(namespace, reference.name)] = None
        return tuple(found)

    return handler


def enqueue_mapped(keys_of: Callable[[Any], Iterable[Request]]) -> Handler:
    """The keys that ``keys_of`` gives for the states before and after."""

    def handler(event: Event[Any]) -> Iterable[Request]:
        return tuple(dict.fromkeys(key for obj in states(event) for key in keys_of(obj)))

    return handler
