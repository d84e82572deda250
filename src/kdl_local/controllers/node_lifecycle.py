"""Node lifecycle: a node that sends no heartbeat becomes Unknown, is tainted, and loses its pods.

As kube-controller-manager's node-lifecycle and taint-eviction controllers
(https://kubernetes.io/docs/concepts/architecture/nodes/#heartbeats), with one difference: the API server of this
cluster adds no default tolerations to pods, so ``eviction_after`` stands for the 300 seconds that they would have.
"""

import asyncio
import random
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.controllers.pod_nodes import PodNodes
from kdl_local.controllers.scheduling import Taint, Toleration, taints_of, tolerations_of
from kdl_local.delay_queue import DelayQueue
from kdl_local.follow import Change, follow
from kdl_local.pods import condition, is_deleting, patch_status, with_condition
from kdl_local.recorder import Recorder
from kdl_local.resources import LEASES, NODE_LEASES_NAMESPACE, NODES, PODS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_time, parse_time
from kdl_runtime.errors import Conflict, NotFound
from kdl_runtime.types import ObjectKey

Object = Mapping[str, Any]

UNREACHABLE = "node.kubernetes.io/unreachable"
_TAINTS = tuple(Taint(UNREACHABLE, effect) for effect in ("NoSchedule", "NoExecute"))


@dataclass(frozen=True, slots=True)
class NodeLifecycleOptions:
    """Seconds. ``grace_period``: age of the last heartbeat at which a node counts as lost (40 on a real cluster, so
    that four heartbeats may be missed). ``eviction_after``: how long pods without a toleration of their own stay bound
    to a lost node before they are deleted (300 on a real cluster)."""

    grace_period: float = 40.0
    eviction_after: float = 5.0


class NodeLifecycle:
    def __init__(
        self, direct: Direct, clock: Clock, rng: random.Random, options: NodeLifecycleOptions | None = None
    ) -> None:
        self._direct = direct
        self._clock = clock
        self._options = options or NodeLifecycleOptions()
        self._recorder = Recorder(direct, clock, rng, "node-controller")
        self._queue: DelayQueue[tuple[str, ObjectKey]] = DelayQueue(clock)
        self._pods = PodNodes(finished=False)
        self._tainted: dict[str, float] = {}
        """Since when (monotonic) nodes have a NoExecute taint."""

    async def run(self) -> None:
        """Watches over nodes until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_nodes())
            group.create_task(self._follow_pods())
            group.create_task(self._work())

    async def _follow_nodes(self) -> None:
        async with aclosing(follow(self._direct, NODES)) as changes:
            async for change in changes:
                self._node_changed(change)

    def _node_changed(self, change: Change) -> None:
        name, key = change.key.name, ("node", change.key)
        if change.new is None:
            self._tainted.pop(name, None)
            self._queue.discard(key)
            return
        self._queue.add(key)
        executing = any(taint.effect == "NoExecute" for taint in taints_of(change.new))
        if executing and name not in self._tainted:
            self._tainted[name] = self._clock.monotonic()
            for pod in self._pods.on(name):
                self._queue.add(("pod", pod))
        elif not executing:
            self._tainted.pop(name, None)

    async def _follow_pods(self) -> None:
        async with aclosing(follow(self._direct, PODS)) as changes:
            async for change in changes:
                node = self._pods.apply(change)
                if node in self._tainted:
                    self._queue.add(("pod", change.key))

    async def _work(self) -> None:
        while True:
            kind, key = await self._queue.get()
            try:
                wait = self._check_node(key.name) if kind == "node" else self._check_pod(key)
            except (Conflict, NotFound):
                wait = 0.1
            if wait is not None:
                self._queue.add((kind, key), wait)
            await asyncio.sleep(0)

    # ---- nodes

    def _check_node(self, name: str) -> float | None:
        """Judges a node by its heartbeat. Seconds until the next look, None for a node that is gone."""
        node = self._direct.find(NODES, "", name)
        if node is None:
            return None
        left = self._options.grace_period - self._silence(node)
        if left <= 0:
            self._lose(node)
            return self._options.grace_period / 4
        ready = condition(node, "Ready")
        if ready is not None and ready["status"] == "True":
            self._set_taints(node, lost=False)
        return left

    def _silence(self, node: Object) -> float:
        """Seconds since the node was last heard of."""
        lease = self._direct.find(LEASES, NODE_LEASES_NAMESPACE, node["metadata"]["name"])
        renewed = ((lease or {}).get("spec") or {}).get("renewTime")
        heard = parse_time(renewed or node["metadata"]["creationTimestamp"])
        return (self._clock.now() - heard).total_seconds()

    def _lose(self, node: Object) -> None:
        ready = condition(node, "Ready")
        if ready is None or ready["status"] != "Unknown":
            name = node["metadata"]["name"]
            self._mark_unknown(node)
            self._recorder.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            for key in self._pods.on(name):
                self._mark_unready(key)
        self._set_taints(node, lost=True)

    def _mark_unknown(self, node: Object) -> None:
        now = format_time(self._clock.now())
        conditions = (node.get("status") or {}).get("conditions") or []
        for known in tuple(conditions):
            unknown = {
                **known,
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }
            conditions = with_condition(conditions, unknown, now)
        self._direct.patch(
            NODES, "", node["metadata"]["name"], {"status": {"conditions": conditions}}, subresource="status"
        )

    def _mark_unready(self, key: ObjectKey) -> None:
        pod = self._direct.find(PODS, key.namespace, key.name)
        ready = condition(pod, "Ready") if pod is not None else None
        if pod is None or ready is None or ready["status"] != "True":
            return
        conditions = with_condition(
            pod["status"]["conditions"], {"type": "Ready", "status": "False"}, format_time(self._clock.now())
        )
        patch_status(self._direct, pod, {"conditions": conditions})
        self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _set_taints(self, node: Object, *, lost: bool) -> None:
        """Adds or removes the taints of a lost node; others stay."""
        taints = [item for item in (node.get("spec") or {}).get("taints") or () if item["key"] != UNREACHABLE]
        present = len((node.get("spec") or {}).get("taints") or ()) - len(taints)
        if present == (len(_TAINTS) if lost else 0):
            return
        if lost:
            now = format_time(self._clock.now())
            taints += [{"key": taint.key, "effect": taint.effect, "timeAdded": now} for taint in _TAINTS]
        self._direct.patch(NODES, "", node["metadata"]["name"], {"spec": {"taints": taints or None}})

    # ---- pods

    def _check_pod(self, key: ObjectKey) -> float | None:
        """Deletes a pod whose time on a tainted node is over. Seconds until then, None if there is nothing to do."""
        node = self._pods.node_of(key)
        since = self._tainted.get(node)
        pod = self._direct.find(PODS, key.namespace, key.name)
        if since is None or pod is None or is_deleting(pod):
            return None
        taints = [taint for taint in taints_of(self._direct.get(NODES, "", node)) if taint.effect == "NoExecute"]
        allowed = seconds_allowed(taints, tolerations_of(pod), self._options.eviction_after)
        if allowed is None:
            return None
        left = since + allowed - self._clock.monotonic()
        if left > 0:
            return left
        self._evict(pod, self._clock.now())
        return None

    def _evict(self, pod: Object, now: datetime) -> None:
        metadata = pod["metadata"]
        target = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
        }
        conditions = (pod.get("status") or {}).get("conditions") or ()
        patch_status(self._direct, pod, {"conditions": with_condition(conditions, target, format_time(now))})
        self._recorder.event(
            pod,
            "Normal",
            "TaintManagerEviction",
            f"Marking for deletion Pod {metadata['namespace']}/{metadata['name']}",
        )
        self._direct.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def seconds_allowed(taints: Iterable[Taint], tolerations: Iterable[Toleration], default: float) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints: None for ever.

    The shortest ``tolerationSeconds`` counts. A taint that nothing tolerates ends the stay at once, but for that of a
    lost node, which every pod tolerates for ``default`` seconds.
    """
    tolerations = tuple(tolerations)
    shortest: float | None = None
    for taint in taints:
        matching = [item for item in tolerations if item.tolerates(taint)]
        if not matching:
            allowed: float | None = default if taint.key == UNREACHABLE else 0.0
        else:
            bounds = [float(max(item.seconds, 0)) for item in matching if item.seconds is not None]
            allowed = min(bounds) if bounds else None
        if allowed is not None:
            shortest = allowed if shortest is None else min(shortest, allowed)
    return shortest
