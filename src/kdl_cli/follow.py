"""Objects as they are and as they change: a list and then a watch, taken up again when it breaks."""

import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kdl_cli.session import Session
from kdl_runtime.backoff import Backoff, BackoffPolicy
from kdl_runtime.client.answers import event_error
from kdl_runtime.client.client import ListOptions, WatchOptions
from kdl_runtime.codec import json
from kdl_runtime.errors import Expired, TransportError
from kdl_runtime.types import ObjectKey, Resource

ADDED, MODIFIED, DELETED, SYNCED = "ADDED", "MODIFIED", "DELETED", "SYNCED"
_WATCH_SECONDS = 300
"""A watch on a connection that has died unnoticed lasts no longer than this."""
_RECONNECT = BackoffPolicy(base=0.2, cap=5.0, jitter=0.2)


class Change(NamedTuple):
    """``type`` is ADDED, MODIFIED or DELETED; what is there at the beginning is ADDED. SYNCED, with an empty object,
    comes after each list: what has not been told by then is not there."""

    type: str
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What to follow. An empty namespace is all of them."""

    resource: Resource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    @classmethod
    def one(cls, resource: Resource, key: ObjectKey) -> "Target":
        return cls(resource, key.namespace, field_selector=f"metadata.name={key.name}")


async def follow(session: Session, target: Target) -> AsyncGenerator[Change, None]:
    """Changes without end. After an interruption an object may be told again as MODIFIED although it is the same, and
    one that went meanwhile is told as DELETED. Close the generator (``contextlib.aclosing``) when done."""
    backoff = Backoff(_RECONNECT, session.clock, random.Random())
    known: dict[str, dict[str, Any]] = {}
    while True:
        try:
            objects, version = await _list(session, target)
            current = {obj["metadata"]["uid"]: obj for obj in objects}
            gone = [obj for uid, obj in known.items() if uid not in current]
            changes = [Change(DELETED, obj) for obj in gone]
            changes += [Change(MODIFIED if uid in known else ADDED, obj) for uid, obj in current.items()]
            known = current
            for change in (*changes, Change(SYNCED, {})):
                yield change
            while True:
                async for event in _watch(session, target, version):
                    backoff.reset()
                    version = event.object["metadata"]["resourceVersion"]
                    if event.type == "BOOKMARK":
                        continue
                    uid = event.object["metadata"]["uid"]
                    if event.type == DELETED:
                        known.pop(uid, None)
                    else:
                        known[uid] = event.object
                    yield event
        except Expired:
            continue
        except TransportError:
            await session.clock.sleep(backoff.next())


async def _list(session: Session, target: Target) -> tuple[list[dict[str, Any]], str]:
    options = ListOptions(label_selector=target.label_selector, field_selector=target.field_selector)
    page = await session.client.list_page(target.resource, target.namespace, options)
    return [typed(target.resource, json.decode(raw)) for raw in page.items or ()], page.metadata.resource_version


async def _watch(session: Session, target: Target, version: str) -> AsyncGenerator[Change, None]:
    options = WatchOptions(
        label_selector=target.label_selector,
        field_selector=target.field_selector,
        resource_version=version,
        timeout_seconds=_WATCH_SECONDS,
    )
    async with session.client.watch(target.resource, target.namespace, options) as events:
        async for event in events:
            if event.type == "ERROR":
                raise event_error(event)
            yield Change(event.type, typed(target.resource, json.decode(event.object)))


def typed(resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
    """With apiVersion and kind, which the items of a list of a built-in kind do not carry."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
