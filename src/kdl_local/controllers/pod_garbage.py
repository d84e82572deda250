"""Pod garbage: removes pods that no kubelet will ever confirm, because their node does not exist.

As the pod garbage collector of kube-controller-manager: such a pod is marked Failed first, so that whoever waits for
its outcome learns it, and then deleted without a grace period.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.controllers.pod_nodes import PodNodes
from kdl_local.delay_queue import DelayQueue
from kdl_local.follow import follow
from kdl_local.pods import is_finished, node_name, patch_status, with_condition
from kdl_local.resources import NODES, PODS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import Conflict, NotFound
from kdl_runtime.types import ObjectKey

Object = Mapping[str, Any]

QUARANTINE_SECONDS = 40.0
"""How long a node has to be gone before its pods are removed: it may be made again under its name."""


class PodGarbageCollector:
    def __init__(self, direct: Direct, clock: Clock, quarantine: float = QUARANTINE_SECONDS) -> None:
        self._direct = direct
        self._clock = clock
        self._quarantine = quarantine
        self._queue: DelayQueue[ObjectKey] = DelayQueue(clock)
        self._pods = PodNodes(finished=True)

    async def run(self) -> None:
        """Removes pods until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_nodes())
            group.create_task(self._follow_pods())
            group.create_task(self._work())

    async def _follow_nodes(self) -> None:
        async with aclosing(follow(self._direct, NODES)) as changes:
            async for change in changes:
                if change.new is None:
                    for key in self._pods.on(change.key.name):
                        self._queue.add(key, self._quarantine)

    async def _follow_pods(self) -> None:
        async with aclosing(follow(self._direct, PODS)) as changes:
            async for change in changes:
                node = self._pods.apply(change)
                if node and self._direct.find(NODES, "", node) is None:
                    self._queue.add(change.key, self._quarantine)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            pod = self._direct.find(PODS, key.namespace, key.name)
            if pod is not None and node_name(pod) and self._direct.find(NODES, "", node_name(pod)) is None:
                self._remove(pod)
            await asyncio.sleep(0)

    def _remove(self, pod: Object) -> None:
        metadata = pod["metadata"]
        if not is_finished(pod):
            target = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
            }
            conditions = (pod.get("status") or {}).get("conditions") or ()
            updated = with_condition(conditions, target, format_time(self._clock.now()))
            patch_status(self._direct, pod, {"phase": "Failed", "conditions": updated})
        try:
            self._direct.delete(
                PODS, metadata["namespace"], metadata["name"], grace_period_seconds=0, uid=metadata["uid"]
            )
        except (Conflict, NotFound):
            return
