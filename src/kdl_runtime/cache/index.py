"""Lookups from a value to the objects that have it, kept up to date with each change of one object."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.types import ObjectKey

P = TypeVar("P", bound=PartialObject)

IndexFunction = Callable[[P], Iterable[str]]
"""The values under which an object is found; pure, quick, and without an exception for any object."""

OWNER_INDEX = "owner"
"""Name of the standard index from the UID of the controlling owner to what it owns."""


def owner_uid_index(obj: PartialObject) -> Iterable[str]:
    """The UID of the owner that manages the object, if it has one."""
    owner = obj.metadata.controller
    return (owner.uid,) if owner is not None else ()


class Index(Generic[P]):
    """One index. Keys under a value stay in the order in which they came, so that reads are the same at every run."""

    def __init__(self, values_of: IndexFunction[P]) -> None:
        self._values_of = values_of
        self._keys: dict[str, dict[ObjectKey, None]] = {}

    def update(self, key: ObjectKey, old: P | None, new: P | None) -> None:
        """The object under ``key`` was ``old`` (None: absent) and is now ``new`` (None: gone)."""
        before = tuple(self._values_of(old)) if old is not None else ()
        after = tuple(self._values_of(new)) if new is not None else ()
        if before == after:
            return
        for value in before:
            if value not in after:
                keys = self._keys[value]
                keys.pop(key, None)
                if not keys:
                    del self._keys[value]
        for value in after:
            self._keys.setdefault(value, {})[key] = None

    def keys(self, value: str) -> Iterable[ObjectKey]:
        return self._keys.get(value, {})


def build_indexes(functions: Mapping[str, IndexFunction[P]]) -> dict[str, Index[P]]:
    return {name: Index(function) for name, function in functions.items()}
