"""Namespace lifecycle: a deleted namespace takes its contents with it, and goes when it is empty.

https://kubernetes.io/docs/tasks/administer-cluster/namespaces/#deleting-a-namespace. What remains, such as pods that
stop and objects with finalizers, is told in the namespace's conditions.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.types import ResourceTypes
from kdl_local.delay_queue import DelayQueue
from kdl_local.follow import follow
from kdl_local.pods import with_condition
from kdl_local.resources import NAMESPACES
from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import ApiError, Conflict, NotFound
from kdl_runtime.types import Resource

Object = Mapping[str, Any]

RECHECK = BackoffPolicy(base=0.05, factor=1.5, cap=5.0, jitter=0.0)
FINALIZER = "kubernetes"


class NamespaceController:
    def __init__(self, direct: Direct, types: ResourceTypes, clock: Clock) -> None:
        self._direct = direct
        self._types = types
        self._clock = clock
        self._queue: DelayQueue[str] = DelayQueue(clock)
        self._tries: Counter[str] = Counter()

    async def run(self) -> None:
        """Finalizes namespaces until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._work())

    async def _follow(self) -> None:
        async with aclosing(follow(self._direct, NAMESPACES)) as changes:
            async for change in changes:
                name = change.key.name
                if change.new is None:
                    self._queue.discard(name)
                    self._tries.pop(name, None)
                elif change.new["metadata"].get("deletionTimestamp") and name not in self._tries:
                    self._queue.add(name)

    async def _work(self) -> None:
        while True:
            name = await self._queue.get()
            try:
                done = self._finalize(name)
            except Conflict:
                done = False
            if not done:
                self._tries[name] += 1
                self._queue.add(name, RECHECK.delay(self._tries[name]))
            await asyncio.sleep(0)

    def _finalize(self, name: str) -> bool:
        """Deletes what is there. True when the namespace needs no further attention."""
        namespace = self._direct.find(NAMESPACES, "", name)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return True
        remaining = self._delete_contents(name)
        if remaining:
            self._report(namespace, remaining)
            return False
        finalizers = [item for item in (namespace.get("spec") or {}).get("finalizers") or () if item != FINALIZER]
        spec = {**(namespace.get("spec") or {}), "finalizers": finalizers}
        self._direct.update(NAMESPACES, {**namespace, "spec": spec}, subresource="finalize")
        return True

    def _delete_contents(self, namespace: str) -> list[tuple[Resource, Object]]:
        """Deletes every object that is not deleted yet; returns those that are still there."""
        remaining: list[tuple[Resource, Object]] = []
        for resource in self._namespaced():
            for obj in self._direct.list(resource, namespace):
                metadata = obj["metadata"]
                if not metadata.get("deletionTimestamp"):
                    self._delete(resource, obj)
                current = self._direct.find(resource, namespace, metadata["name"])
                if current is not None:
                    remaining.append((resource, current))
        return remaining

    def _delete(self, resource: Resource, obj: Object) -> None:
        metadata = obj["metadata"]
        try:
            self._direct.delete(
                resource, metadata["namespace"], metadata["name"], propagation="Background", uid=metadata["uid"]
            )
        except (NotFound, Conflict):
            return

    def _namespaced(self) -> Iterable[Resource]:
        seen = set()
        for type_ in self._types:
            key = (type_.storage_resource.group, type_.storage_resource.plural)
            if type_.namespaced and {"list", "delete"} <= type_.verbs and key not in seen:
                seen.add(key)
                yield type_.resource

    def _report(self, namespace: Object, remaining: list[tuple[Resource, Object]]) -> None:
        now = format_time(self._clock.now())
        conditions = (namespace.get("status") or {}).get("conditions") or ()
        updated = list(conditions)
        for item in contents_conditions(remaining):
            updated = list(with_condition(updated, item, now))
        try:
            self._direct.patch(
                NAMESPACES, "", namespace["metadata"]["name"], {"status": {"conditions": updated}}, subresource="status"
            )
        except ApiError:
            # Only a report: the next look writes it again.
            return


def contents_conditions(remaining: Iterable[tuple[Resource, Object]]) -> list[dict[str, str]]:
    """What holds a namespace, in the words of the namespace controller."""
    kinds: Counter[str] = Counter()
    finalizers: Counter[str] = Counter()
    for resource, obj in remaining:
        kinds[f"{resource.plural}.{resource.group}"] += 1
        finalizers.update(obj["metadata"].get("finalizers") or ())
    instances = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(kinds.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    found = [
        {
            "type": "NamespaceContentRemaining",
            "status": "True",
            "reason": "SomeResourcesRemain",
            "message": f"Some resources are remaining: {instances}",
        }
    ]
    if finalizers:
        found.append(
            {
                "type": "NamespaceFinalizersRemaining",
                "status": "True",
                "reason": "SomeFinalizersRemain",
                "message": f"Some content in the namespace has finalizers remaining: {held}",
            }
        )
    return found
