"""The scheduler: waits for pods without a node and gives each one, highest priority first."""

import asyncio
import heapq
import random
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.controllers.scheduling import (
    Demand,
    NodeView,
    Placement,
    Unschedulable,
    Usage,
    demand_of,
    node_view,
    schedule,
)
from kdl_local.follow import Change, follow, uid_of
from kdl_local.pods import condition, is_deleting, is_finished, node_name, patch_status, with_condition
from kdl_local.recorder import Recorder
from kdl_local.resources import NODES, PODS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import Conflict, NotFound
from kdl_runtime.types import ObjectKey

DEFAULT_NAME = "default-scheduler"

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A pod that has no node yet. ``rank`` orders the queue."""

    uid: str
    rank: tuple[int, int]
    demand: Demand


@dataclass(slots=True)
class SchedulerState:
    """What the scheduler knows, kept up to date by changes: nothing is ever summed up anew."""

    nodes: dict[str, NodeView] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    waiting: dict[ObjectKey, _Waiting] = field(default_factory=dict)
    queue: list[tuple[tuple[int, int], ObjectKey]] = field(default_factory=list)
    refused: dict[Demand, Unschedulable] = field(default_factory=dict)
    """Answers that hold until room appears: pods that ask for the same need not be tried again before."""
    _placed: dict[ObjectKey, tuple[str, Demand]] = field(default_factory=dict)
    _arrivals: int = 0

    def node_changed(self, name: str, node: Object | None) -> None:
        view = node_view(node) if node is not None else None
        if view == self.nodes.get(name):
            return
        if view is None:
            self.nodes.pop(name, None)
        else:
            self.nodes[name] = view
        self.room_appeared()

    def place(self, key: ObjectKey, node: str, demand: Demand) -> None:
        """Counts a pod on its node; once, however often it is told."""
        if self._placed.get(key) == (node, demand):
            return
        self.forget(key)
        self._placed[key] = (node, demand)
        self.usage.setdefault(node, Usage()).charge(demand)

    def forget(self, key: ObjectKey) -> None:
        """The pod takes no room and waits for none."""
        self.waiting.pop(key, None)
        placed = self._placed.pop(key, None)
        if placed is None:
            return
        node, demand = placed
        usage = self.usage[node]
        usage.release(demand)
        if not usage.pods:
            del self.usage[node]
        self.room_appeared()

    def wait(self, key: ObjectKey, uid: str, priority: int, demand: Demand) -> None:
        """Queues a pod: by priority, then in the order of arrival."""
        known = self.waiting.get(key)
        if known is not None and (known.uid, known.demand, -known.rank[0]) == (uid, demand, priority):
            return
        self.forget(key)
        self._arrivals += 1
        waiting = _Waiting(uid, (-priority, self._arrivals), demand)
        self.waiting[key] = waiting
        heapq.heappush(self.queue, (waiting.rank, key))

    def room_appeared(self) -> None:
        """Every pod that was refused is tried again."""
        if not self.refused:
            return
        self.refused.clear()
        self.queue = [(item.rank, key) for key, item in self.waiting.items()]
        heapq.heapify(self.queue)

    def next(self) -> tuple[ObjectKey, _Waiting] | None:
        """The pod to try now; None if there is none left to try."""
        while self.queue:
            rank, key = heapq.heappop(self.queue)
            waiting = self.waiting.get(key)
            if waiting is not None and waiting.rank == rank:
                return key, waiting
        return None

    def decide(self, demand: Demand) -> Placement | Unschedulable:
        known = self.refused.get(demand)
        if known is not None:
            return known
        decision = schedule(demand, self.nodes.values(), self.usage)
        if isinstance(decision, Unschedulable):
            self.refused[demand] = decision
        return decision


class Scheduler:
    """Serves the pods whose ``schedulerName`` is its own; others are left alone, but the room they take counts."""

    def __init__(self, direct: Direct, clock: Clock, rng: random.Random, name: str = DEFAULT_NAME) -> None:
        self._direct = direct
        self._clock = clock
        self._name = name
        self._state = SchedulerState()
        self._wake = asyncio.Event()
        self._recorder = Recorder(direct, clock, rng, name)

    async def run(self) -> None:
        """Schedules until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_nodes())
            group.create_task(self._follow_pods())
            group.create_task(self._schedule())

    async def _follow_nodes(self) -> None:
        async with aclosing(follow(self._direct, NODES)) as changes:
            async for change in changes:
                self._state.node_changed(change.key.name, change.new)
                self._wake.set()

    async def _follow_pods(self) -> None:
        async with aclosing(follow(self._direct, PODS)) as changes:
            async for change in changes:
                self._pod_changed(change)
                self._wake.set()

    def _pod_changed(self, change: Change) -> None:
        pod = change.new
        if pod is None or is_finished(pod):
            self._state.forget(change.key)
            return
        try:
            demand = demand_of(pod)
        except ValueError as error:
            self._state.forget(change.key)
            self._refuse(pod, "Unschedulable", f"0/{len(self._state.nodes)} nodes are available: {error}")
            return
        if node_name(pod):
            self._state.place(change.key, node_name(pod), demand)
        elif self._is_bound_by_now(pod):
            # A change from before the binding: the one that tells of it is on its way.
            return
        elif self._is_mine(pod) and not pod["spec"].get("schedulingGates"):
            self._state.wait(change.key, pod["metadata"]["uid"], int(pod["spec"].get("priority") or 0), demand)
        else:
            self._state.forget(change.key)
            if self._is_mine(pod):
                self._refuse(pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")

    def _is_bound_by_now(self, pod: Object) -> bool:
        current = self._direct.find(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        return current is not None and uid_of(current) == uid_of(pod) and bool(node_name(current))

    def _is_mine(self, pod: Object) -> bool:
        return not is_deleting(pod) and (pod["spec"].get("schedulerName") or DEFAULT_NAME) == self._name

    async def _schedule(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (item := self._state.next()) is not None:
                self._try(*item)
                await asyncio.sleep(0)

    def _try(self, key: ObjectKey, waiting: _Waiting) -> None:
        pod = self._direct.find(PODS, key.namespace, key.name)
        if pod is None or pod["metadata"]["uid"] != waiting.uid or node_name(pod) or is_deleting(pod):
            return
        decision = self._state.decide(waiting.demand)
        if isinstance(decision, Unschedulable):
            self._refuse(pod, "Unschedulable", str(decision))
            return
        self._state.place(key, decision.node, waiting.demand)
        try:
            self._bind(pod, decision.node)
        except (Conflict, NotFound):
            self._state.forget(key)

    def _bind(self, pod: Object, node: str) -> None:
        bound = self._direct.bind(pod, node, self._clock.now())
        key = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        self._recorder.event(bound, "Normal", "Scheduled", f"Successfully assigned {key} to {node}")

    def _refuse(self, pod: Object, reason: str, message: str) -> None:
        """Says why a pod has no node: once, not at every try."""
        known = condition(pod, "PodScheduled")
        if known and (known.get("reason"), known.get("message")) == (reason, message):
            return
        self._set_condition(pod, {"type": "PodScheduled", "status": "False", "reason": reason, "message": message})
        self._recorder.event(pod, "Warning", "FailedScheduling", message)

    def _set_condition(self, pod: Object, new: Object) -> None:
        now = format_time(self._clock.now())
        conditions = (pod.get("status") or {}).get("conditions") or ()
        patch_status(self._direct, pod, {"conditions": with_condition(conditions, new, now)})
