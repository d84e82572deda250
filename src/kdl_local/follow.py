"""The changes of one resource, without end: what every component in the server's process reads."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_runtime.errors import Expired
from kdl_runtime.types import ObjectKey, Resource

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """``old`` is what the reader was told before, None at first sight; ``new`` is None for an object that is gone."""

    key: ObjectKey
    old: Object | None
    new: Object | None

    @property
    def latest(self) -> Object:
        """The newest state there is, of a deleted object its last one."""
        state = self.new if self.new is not None else self.old
        assert state is not None
        return state


def key_of(obj: Object) -> ObjectKey:
    metadata = obj["metadata"]
    return ObjectKey(metadata.get("namespace") or "", metadata["name"])


def uid_of(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


async def follow(direct: Direct, resource: Resource) -> AsyncGenerator[Change, None]:
    """Every object that there is, then every change, in order.

    A reader that fell too far behind misses changes in between but ends with the true state. An object that was
    deleted and made anew meanwhile is seen as two changes. Close it (``aclosing``) when done.
    """
    known: dict[ObjectKey, Object] = {}
    while True:
        for change in _vanished(known, {key_of(obj): obj for obj in direct.list(resource)}):
            yield change
        try:
            async with aclosing(direct.watch(resource)) as events:
                async for type_, obj in events:
                    for change in _step(known, type_, obj):
                        yield change
        except Expired:
            continue


def _vanished(known: dict[ObjectKey, Object], present: Mapping[ObjectKey, Object]) -> list[Change]:
    gone = [key for key in known if key not in present]
    return [Change(key, known.pop(key), None) for key in gone]


def _step(known: dict[ObjectKey, Object], type_: str, obj: Object) -> list[Change]:
    key = key_of(obj)
    old = known.get(key)
    if type_ == "DELETED":
        known.pop(key, None)
        # The last state is told once more: it may differ from the one before, as when a last finalizer went.
        return [Change(key, obj, None)]
    known[key] = obj
    if old is None:
        return [Change(key, None, obj)]
    if uid_of(old) != uid_of(obj):
        return [Change(key, old, None), Change(key, None, obj)]
    if old["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]:
        return []
    return [Change(key, old, obj)]
