"""Nodes that run nothing: their pods become Running, and end, by the clock and as their annotations say.

For tests, simulations and scale: one timer heap for all nodes, work per pod event that does not grow with the number of
pods, and no time but the injected clock's, so that it also runs on virtual time.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.logs import LogOptions
from kdl_local.delay_queue import DelayQueue
from kdl_local.follow import Change, follow, uid_of
from kdl_local.node.fake_pod import (
    SIGKILL_EXIT,
    SIGTERM_EXIT,
    Behaviour,
    Progress,
    Step,
    advance,
    behaviour_of,
    end,
    status_of,
    wait_before,
)
from kdl_local.node.node_object import HEARTBEAT_SECONDS, NodeIdentity, NodeRegistration
from kdl_local.pods import is_deleting, is_finished, is_older, node_name, patch_status
from kdl_local.resources import PODS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import parse_time
from kdl_runtime.errors import ApiError, BadRequest
from kdl_runtime.types import ObjectKey

Object = Mapping[str, Any]

PAST_DEADLINE = {
    "phase": "Failed",
    "reason": "DeadlineExceeded",
    "message": "Pod was active on the node longer than the specified deadline",
}
"""What a kubelet says of a pod that it has ended at its ``activeDeadlineSeconds``."""
EVICTED = {"reason": "Evicted", "message": "The node was low on resource: memory."}
FAKE_TAINT = {"key": "kdl.io/fake", "value": "true", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True)
class FakeNodeOptions:
    """``capacity`` is that of each node. Nodes are named ``<prefix>-<i>`` from 0. ``heartbeat``: seconds between the
    renewals of a node's Lease. ``behaviour`` decides what pods do, by default their annotations. ``tainted``: only pods
    that tolerate ``kdl.io/fake`` come here, for clusters that have a node that runs pods as well."""

    count: int = 1
    prefix: str = "fake"
    capacity: Mapping[str, str] = field(default_factory=lambda: {"cpu": "32", "memory": "256Gi", "pods": "110"})
    labels: Mapping[str, str] = field(default_factory=lambda: {"type": "fake"})
    heartbeat: float = HEARTBEAT_SECONDS
    behaviour: Callable[[Object], Behaviour] = behaviour_of
    tainted: bool = False


@dataclass(slots=True)
class _FakePod:
    pod: Object
    node: str
    behaviour: Behaviour
    address: str
    progress: Progress = field(default_factory=Progress)
    stopping: bool = False


class FakeNodes:
    """A number of fake nodes. ``run`` registers them and plays them until it is cancelled."""

    def __init__(self, direct: Direct, clock: Clock, options: FakeNodeOptions | None = None) -> None:
        options = options or FakeNodeOptions()
        self.names = [f"{options.prefix}-{index}" for index in range(options.count)]
        self._direct = direct
        self._clock = clock
        self._options = options
        self._addresses = {name: _address(f"10.{16 + index // 65536}", index) for index, name in enumerate(self.names)}
        self._registrations = {name: NodeRegistration(direct, clock, self._identity(name)) for name in self.names}
        self._pods: dict[str, _FakePod] = {}
        self._of_node: dict[str, set[str]] = {name: set() for name in self.names}
        self._lost: set[str] = set()
        self._missed: set[str] = set()
        """UIDs of pods whose time came while their node was lost."""
        self._timers: DelayQueue[tuple[str, str]] = DelayQueue(clock)
        self._given_addresses = 0

    async def run(self) -> None:
        for index, (name, registration) in enumerate(self._registrations.items()):
            registration.register()
            # Spread, so that a thousand heartbeats do not come in one moment.
            self._timers.add(("node", name), self._options.heartbeat * (1 + index / max(len(self.names), 1)))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._act())

    def lose(self, name: str) -> None:
        """The node stops to send heartbeats and to act on its pods, as if the machine had gone."""
        self._lost.add(name)

    def recover(self, name: str) -> None:
        """A lost node comes back: it says so, and catches up with what its pods should have done."""
        self._lost.discard(name)
        self._timers.reschedule(("node", name), 0.0)
        for uid in self._of_node[name] & self._missed:
            self._missed.discard(uid)
            self._timers.add(("pod", uid))

    def evict(self, uid: str) -> bool:
        """A node that is low on memory ends one of its pods, as a kubelet does: it fails, and nobody deletes it. False
        if the pod does not run on a node that is there."""
        state = self._pods.get(uid)
        if state is None or state.node in self._lost or state.stopping or state.progress.step is not Step.RUNNING:
            return False
        self._timers.discard(("pod", uid))
        state.progress = end(state.progress, SIGKILL_EXIT, self._clock.now())
        return self._report(state, EVICTED)

    async def logs(self, pod: Object, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """A ``LogProvider`` for the pods of these nodes: the text of the pod's annotation ``kdl.io/fake-log``."""
        uid = uid_of(pod)
        state = self._pods.get(uid)
        if state is not None and state.progress.step is Step.STARTING:
            name = pod["metadata"]["name"]
            raise BadRequest(f'container "{options.container}" in pod "{name}" is waiting to start: ContainerCreating')
        return self._stream(uid, _cut(self._options.behaviour(pod).log, options), follow=options.follow)

    async def _stream(self, uid: str, text: bytes, *, follow: bool) -> AsyncGenerator[bytes, None]:
        if text:
            yield text
        while follow and uid in self._pods and self._pods[uid].progress.step is not Step.ENDED:
            await self._clock.sleep(1.0)

    def _identity(self, name: str) -> NodeIdentity:
        options = self._options
        return NodeIdentity(
            name,
            self._addresses[name],
            options.capacity,
            options.labels,
            runtime="fake",
            taints=(FAKE_TAINT,) if options.tainted else (),
        )

    # ---- events

    async def _follow(self) -> None:
        async with aclosing(follow(self._direct, PODS)) as changes:
            async for change in changes:
                self._changed(change)

    def _changed(self, change: Change) -> None:
        pod = change.new
        if pod is None:
            self._forget(uid_of(change.latest))
            return
        node, uid = node_name(pod), uid_of(pod)
        if node not in self._of_node:
            return
        state = self._pods.get(uid)
        if state is None:
            if is_finished(pod) and not is_deleting(pod):
                return
            state = self._admit(uid, pod, node)
        if not is_older(pod, state.pod):
            state.pod = pod
        left = self._seconds_left(state)
        if left is not None and state.progress.step is not Step.ENDED:
            self._timers.reschedule(("deadline", uid), left)
        if is_deleting(state.pod) and not state.stopping:
            state.stopping = True
            self._timers.reschedule(("pod", uid), self._stop_seconds(state))

    def _admit(self, uid: str, pod: Object, node: str) -> _FakePod:
        try:
            behaviour = self._options.behaviour(pod)
        except ValueError:
            # A mistake in an annotation shows as a pod that cannot start, and in the exit code of a bad command.
            behaviour = Behaviour(run_seconds=0.0, exit_codes=(128,))
        self._given_addresses += 1
        state = _FakePod(pod, node, behaviour, _address("10.128", self._given_addresses))
        if is_finished(pod):
            state.progress = Progress(Step.ENDED)
        self._pods[uid] = state
        self._of_node[node].add(uid)
        self._set_timer(uid, state)
        return state

    def _forget(self, uid: str) -> None:
        state = self._pods.pop(uid, None)
        if state is not None:
            self._of_node[state.node].discard(uid)
            self._missed.discard(uid)
            self._timers.discard(("pod", uid))
            self._timers.discard(("deadline", uid))

    # ---- timers

    async def _act(self) -> None:
        while True:
            kind, name = await self._timers.get()
            if kind == "node":
                self._beat(name)
            elif (state := self._pods.get(name)) is None:
                continue
            elif state.node in self._lost:
                self._missed.add(name)
            else:
                self._step(name, state)

    def _beat(self, name: str) -> None:
        if name not in self._lost:
            self._registrations[name].heartbeat()
        self._timers.add(("node", name), self._options.heartbeat)

    def _set_timer(self, uid: str, state: _FakePod) -> None:
        wait = wait_before(state.progress, state.behaviour)
        if wait is not None:
            self._timers.add(("pod", uid), wait)

    def _stop_seconds(self, state: _FakePod) -> float:
        grace = state.pod["metadata"].get("deletionGracePeriodSeconds") or 0
        return min(state.behaviour.stop_after, grace)

    def _seconds_left(self, state: _FakePod) -> float | None:
        """Until the pod's ``activeDeadlineSeconds`` are over, counted from its start; None without such a limit."""
        limit, start = state.pod["spec"].get("activeDeadlineSeconds"), (state.pod.get("status") or {}).get("startTime")
        if limit is None or start is None:
            return None
        return max(float(limit) - (self._clock.now() - parse_time(start)).total_seconds(), 0.0)

    def _step(self, uid: str, state: _FakePod) -> None:
        now = self._clock.now()
        if state.stopping:
            self._stop(uid, state)
            return
        if state.progress.step is not Step.ENDED and self._seconds_left(state) == 0.0:
            self._timers.discard(("pod", uid))
            self._end(state, SIGTERM_EXIT)
            self._report(state, PAST_DEADLINE)
            return
        policy = state.pod["spec"].get("restartPolicy") or "Always"
        state.progress = advance(state.progress, state.behaviour, policy, now)
        if self._report(state):
            self._set_timer(uid, state)

    def _stop(self, uid: str, state: _FakePod) -> None:
        """Ends what runs, says so, and lets the API server forget the pod."""
        grace = state.pod["metadata"].get("deletionGracePeriodSeconds") or 0
        self._end(state, SIGTERM_EXIT if state.behaviour.stop_after <= grace else SIGKILL_EXIT)
        if not is_finished(state.pod):
            self._report(state)
        key = ObjectKey(state.pod["metadata"]["namespace"], state.pod["metadata"]["name"])
        try:
            self._direct.delete(PODS, key.namespace, key.name, grace_period_seconds=0, uid=uid)
        except ApiError:
            # It is gone already, or another pod has its name.
            self._forget(uid)

    def _end(self, state: _FakePod, code: int) -> None:
        """``code`` is that of containers that run. Those that wait to be restarted keep the one that they had."""
        now = self._clock.now()
        if state.progress.step is Step.RUNNING:
            state.progress = end(state.progress, code, now)
        elif state.progress.step is not Step.ENDED:
            code = state.progress.exit_code if state.progress.last_end else SIGKILL_EXIT
            state.progress = Progress(Step.ENDED, state.progress.run, now, code, state.progress.last_end)

    def _report(self, state: _FakePod, extra: Mapping[str, Any] | None = None) -> bool:
        """``extra`` is what else the status says. False if the pod is gone."""
        place = (self._addresses[state.node], state.address)
        status = status_of(state.pod, state.progress, place, self._clock.now())
        written = patch_status(self._direct, state.pod, {**status, **(extra or {})})
        state.pod = written or state.pod
        return written is not None


def _address(prefix: str, index: int) -> str:
    return f"{prefix}.{index // 256 % 256}.{index % 256}"


def _cut(text: str, options: LogOptions) -> bytes:
    lines = text.splitlines(keepends=True)
    if options.tail_lines is not None:
        lines = lines[-options.tail_lines :] if options.tail_lines else []
    return "".join(lines).encode()[: options.limit_bytes]
