"""What goes wrong in a simulated cluster. A machine is lost for ever; everything else comes back after the span."""

import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from kdl_local.apiserver.request import Request
from kdl_local.apiserver.server import ApiServer
from kdl_local.node.fake import FakeNodes
from kdl_local.resources import LEASES, NAMESPACES, NODE_LEASES_NAMESPACE, NODES, PODS
from kdl_runtime.clock import Clock
from kdl_runtime.codec.times import format_micro_time
from kdl_runtime.errors import Conflict, NotFound
from kdl_testing.sim.process import Process
from kdl_testing.sim.timeline import Timeline
from sim.gateway import OperatorRequests
from sim.records import TERMINAL_PHASES, Object, Replica, phase_of
from sim.scenario import Incident

TEAM = "team"
BEAT = 10.0
"""Seconds between the heartbeats of a node."""


@dataclass
class Incidents:
    server: ApiServer
    nodes: FakeNodes
    operator: Process
    requests: OperatorRequests
    clock: Clock
    timeline: Timeline
    lost_nodes: set[str] = field(default_factory=set)
    """Those that never come back."""

    async def play(self, incident: Incident) -> None:
        await self.clock.sleep(incident.at)
        happen: Callable[[Incident], Awaitable[None]] = getattr(self, f"_{incident.kind}")
        await happen(incident)

    async def _kill(self, incident: Incident) -> None:
        self.operator.kill()

    async def _stop(self, incident: Incident) -> None:
        """The operator is asked to stop, and now and then killed in the middle of that."""
        self.operator.stop()
        if incident.target % 2:
            await self.clock.sleep(random.Random(incident.target).uniform(0, 1))
            self.operator.kill()

    async def _sweep(self, incident: Incident) -> None:
        """While the operator is down, all finished pods are deleted."""
        self.operator.kill(incident.span)
        await self.clock.sleep(incident.span * 0.9)
        for pod in self._pods():
            if phase_of(pod) in TERMINAL_PHASES:
                self._delete(pod, grace=0)

    async def _pod(self, incident: Incident) -> None:
        """A user deletes a pod, with or without a grace period."""
        pods = self._pods()
        if pods:
            self._delete(pods[incident.target % len(pods)], grace=0 if incident.target % 2 else None)

    async def _evict(self, incident: Incident) -> None:
        pods = self._pods()
        if not pods:
            return
        meta = pods[incident.target % len(pods)]["metadata"]
        self.timeline.add("incident", f"pod {meta['namespace']}/{meta['name']} is evicted")
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": meta["name"]}}
        await self.server.handle(Request("POST", path, headers={"content-type": "application/json"}, body=_json(body)))

    async def _pressure(self, incident: Incident) -> None:
        """A node runs out of memory, and ends some of its pods."""
        for pod in self._pods()[incident.target % 2 :: 2]:
            if self.nodes.evict(pod["metadata"]["uid"]):
                self.timeline.add("incident", f"pod {pod['metadata']['name']} is evicted by its node")

    async def _node(self, incident: Incident) -> None:
        """A node is lost for longer than its pods are kept for it."""
        await self._lose(self._node_name(incident), 60 + incident.span)

    async def _flap(self, incident: Incident) -> None:
        name = self._node_name(incident)
        for turn in range(3):
            await self._lose(name, 10 + incident.span * (turn + 1) / 4)
            await self.clock.sleep(incident.span / 2)

    async def _hang(self, incident: Incident) -> None:
        """A node says that it is well, and does nothing for its pods, of which one is deleted."""
        name = self._node_name(incident)
        pods = [pod for pod in self._pods() if pod["spec"].get("nodeName") == name]
        if name in self.lost_nodes or not pods:
            return
        self.timeline.add("incident", f"node {name} hangs")
        self.nodes.lose(name)
        self._delete(pods[incident.target % len(pods)], grace=None)
        for _ in range(10 + int(incident.span / BEAT)):
            renewed = format_micro_time(self.clock.now())
            self.server.direct.patch(LEASES, NODE_LEASES_NAMESPACE, name, {"spec": {"renewTime": renewed}})
            await self.clock.sleep(BEAT)
        if name not in self.lost_nodes:
            self.nodes.recover(name)

    async def _machine(self, incident: Incident) -> None:
        """A machine breaks, and is never seen again. Now and then somebody deletes its Node."""
        name = self._node_name(incident)
        if name == self.nodes.names[0]:
            return
        self.timeline.add("incident", f"node {name} is lost for ever")
        self.lost_nodes.add(name)
        self.nodes.lose(name)
        if incident.target % 3 == 0:
            await self.clock.sleep(incident.span)
            with suppress(NotFound):
                self.server.direct.delete(NODES, "", name)

    async def _api(self, incident: Incident) -> None:
        await self.operator.cut_off(incident.span * 2)

    async def _compaction(self, incident: Incident) -> None:
        """The history of changes is lost, and with it where the operator's watches were."""
        self.server.store.compact()
        await self.operator.cut_off(min(incident.span, 5.0))
        self.server.store.compact()

    async def _quota(self, incident: Incident) -> None:
        self.requests.quota_until = self.clock.monotonic() + incident.span
        self.timeline.add("incident", f"the quota is used up, for {incident.span:.1f} s")

    async def _namespace(self, incident: Incident) -> None:
        self.timeline.add("incident", f"namespace {TEAM} is deleted")
        with suppress(NotFound, Conflict):
            self.server.direct.delete(NAMESPACES, "", TEAM)

    async def _lose(self, name: str, span: float) -> None:
        if name in self.lost_nodes:
            return
        self.timeline.add("incident", f"node {name} is lost, for {span:.1f} s")
        self.nodes.lose(name)
        await self.clock.sleep(span)
        if name not in self.lost_nodes:
            self.nodes.recover(name)

    def _node_name(self, incident: Incident) -> str:
        return self.nodes.names[incident.target % len(self.nodes.names)]

    def _pods(self) -> list[Object]:
        """Those of jobs."""
        return [pod for pod in self.server.direct.list(PODS) if Replica.of(pod) is not None]

    def _delete(self, pod: Object, grace: int | None) -> None:
        meta = pod["metadata"]
        self.timeline.add("incident", f"a user deletes pod {meta['namespace']}/{meta['name']}")
        with suppress(NotFound):
            self.server.direct.delete(PODS, meta["namespace"], meta["name"], grace_period_seconds=grace)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
