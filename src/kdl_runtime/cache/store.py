"""Objects as the bytes that the API server sent, with a frozen projection beside each."""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from kdl_runtime.cache.index import Index, IndexFunction, build_indexes
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import NotDeclaredError
from kdl_runtime.types import ObjectKey

P = TypeVar("P", bound=PartialObject)


def _namespace_of(obj: PartialObject) -> Iterable[str]:
    return (obj.metadata.namespace,)


class Store(Generic[P]):
    """The newest known state of the objects of one watch.

    An object costs its JSON and its projection and nothing else, and only the projection if no JSON is given. Whoever
    wants it whole decodes the bytes, which is several times cheaper than copying a decoded object, and gets a copy of
    his own. No operation on one object looks at the others.
    """

    def __init__(self, indexes: Mapping[str, IndexFunction[P]] | None = None) -> None:
        self._raw: dict[ObjectKey, bytes] = {}
        self._objects: dict[ObjectKey, P] = {}
        self._by_namespace: Index[P] = Index(_namespace_of)
        self._indexes = build_indexes(indexes or {})
        self.raw_bytes = 0
        """Size of all JSON that is kept."""

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._objects

    def get(self, key: ObjectKey) -> P | None:
        return self._objects.get(key)

    def raw(self, key: ObjectKey) -> bytes | None:
        return self._raw.get(key)

    def put(self, obj: P, raw: bytes | None) -> P | None:
        """Keep ``obj`` and the bytes it was decoded from, if there are any; what was there before."""
        key = obj.metadata.key
        old = self._objects.get(key)
        self._objects[key] = obj
        before = self._raw.pop(key, None) if raw is None else self._raw.get(key)
        if raw is not None:
            self._raw[key] = raw
            self.raw_bytes += len(raw)
        if before is not None:
            self.raw_bytes -= len(before)
        self._reindex(key, old, obj)
        return old

    def remove(self, key: ObjectKey) -> P | None:
        """Forget an object; its last state, None when it was not there."""
        old = self._objects.pop(key, None)
        if old is not None:
            self.raw_bytes -= len(self._raw.pop(key, b""))
            self._reindex(key, old, None)
        return old

    def keys(self, namespace: str = "") -> list[ObjectKey]:
        return list(self._by_namespace.keys(namespace) if namespace else self._objects)

    def by_index(self, index: str, value: str, namespace: str = "") -> "list[P]":
        """The objects, of one namespace or of all (empty), that the index function gave this value. NotDeclaredError
        for an unknown index."""
        found = self._indexes.get(index)
        if found is None:
            known = ", ".join(sorted(self._indexes)) or "none"
            raise NotDeclaredError(f"no index {index!r} is declared (there are: {known}): name it in WatchSpec.indexes")
        return [self._objects[key] for key in found.keys(value) if namespace in ("", key.namespace)]

    def _reindex(self, key: ObjectKey, old: P | None, new: P | None) -> None:
        self._by_namespace.update(key, old, new)
        for index in self._indexes.values():
            index.update(key, old, new)

    def list(self, namespace: str = "") -> "list[P]":
        """All objects, or those of one namespace, in the order in which they were first seen."""
        if not namespace:
            return list(self._objects.values())
        return [self._objects[key] for key in self._by_namespace.keys(namespace)]
