"""What is made of a schema, made once for all schemas that say the same.

The schemas of jobs hold that of a pod once for each role, version and kind: made apart they would take most of the time
until a CRD is served, and be most of the objects that the garbage collector walks through.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from kdl_runtime.codec.json import encode

T = TypeVar("T")


class Shared(Generic[T]):
    """Keeps nothing alive. What it gives out has other users too, so nobody may change it."""

    def __init__(self, make: Callable[[Mapping[str, Any]], T]) -> None:
        self._make = make
        self._made: WeakValueDictionary[bytes, T] = WeakValueDictionary()

    def of(self, schema: Mapping[str, Any]) -> T:
        """What is made of ``schema``."""
        key = blake2b(encode(schema), digest_size=16).digest()
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(schema)
        return found
