"""What a handler of an informer is told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from kdl_runtime.codec.meta import PartialObject

P = TypeVar("P", bound=PartialObject)


class EventType(StrEnum):
    """What became of the object in the cache; the names are those of watch events."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Event(Generic[P]):
    """A change of one object in the cache.

    ``old`` is None for ADDED, ``new`` is None for DELETED, where ``old`` is the last state that the cache knew: the
    object may have changed once more before it went. ``initial`` marks the objects of the first list, and those that
    a handler is told about because it was added late.
    """

    type: EventType
    old: P | None
    new: P | None
    initial: bool = False

    @property
    def object(self) -> P:
        """The newest known state."""
        known = self.new if self.new is not None else self.old
        if known is None:
            raise ValueError("an event carries an object")
        return known
