"""The operator, an API server, a scheduler and nodes in one process on virtual time, and what goes wrong among them."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from kdl_local.apiserver.faults import FaultRates, RandomFaults
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.server import ApiServer
from kdl_local.controllers.all import run_controllers
from kdl_local.node.fake import FakeNodeOptions, FakeNodes
from kdl_local.node.fake_pod import Behaviour
from kdl_local.resources import PODS
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.errors import ApiError, NotFound, TransportError
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.resources.discovery import served
from kdl_runtime.resources.registry import CRDS
from kdl_runtime.types import Resource, parse_api_version
from kdl_testing.direct import DirectTransport
from kdl_workloads.crds import all_crds
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.operator import OperatorOptions, build
from sim.invariants import TERMINAL_PHASES, Invariants, Replica, outcome
from sim.scenario import Incident, Scenario, SimJob

OPERATOR = "operator"
RESTART_PAUSE = 2.0
"""Seconds until an operator that has ended, or could not start, is started again."""


class World:
    """One scenario as it plays. ``run`` plays it to its end and returns what became of each job."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.rng = random.Random(scenario.seed)
        self.faults = RandomFaults(self.rng, scenario.rates, applies=_by_operator)
        self.server = ApiServer(self.clock, self.rng, faults=self.faults)
        self.direct = self.server.direct
        self.invariants = Invariants()
        self.outcomes: dict[str, str] = {}
        self._jobs = {job.name: job for job in scenario.jobs}
        self._attempts: dict[Replica, list[str]] = defaultdict(list)
        self._nodes = FakeNodes(self.direct, self.clock, FakeNodeOptions(scenario.nodes, behaviour=self._behaviour))
        self._transport = DirectTransport(self.server, user=OPERATOR)
        self._operator: asyncio.Task[None] | None = None
        self._down_until = 0.0

    async def run(self, until: float) -> None:
        """Until every job has ended and has been cleaned up, or ``until`` seconds have passed."""
        for crd in all_crds():
            self.direct.create(CRDS, crd)
        async with self._running():
            with suppress(TimeoutError):
                async with asyncio.timeout(until):
                    while len(self.outcomes) < len(self._jobs) or self._unsettled():
                        await self.clock.sleep(5)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        parts = [
            run_controllers(self.direct, self.server.types, self.clock, self.rng),
            self._nodes.run(),
            self._keep_operator(),
            self._check_pods(),
            *(self._check_jobs(resource) for resource in self._job_resources()),
            *(self._submit(job) for job in self.scenario.jobs),
            *(self._suffer(incident) for incident in self.scenario.incidents),
            self._calm(),
        ]
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            yield
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _job_resources(self) -> list[Resource]:
        return [f.resource(version) for f in frameworks().values() for version in f.conventions]

    def _unsettled(self) -> bool:
        """Whether a pod of a finished job still waits for the operator, or a job for its time to live."""
        if any("kdl.io/outcome" in (p["metadata"].get("finalizers") or ()) for p in self.direct.list(PODS)):
            return True
        jobs = (job for resource in self._job_resources() for job in self.direct.list(resource))
        return any("ttlSecondsAfterFinished" in self._jobs[job["metadata"]["name"]].policy for job in jobs)

    # ---- the operator

    async def _keep_operator(self) -> None:
        while True:
            self._operator = asyncio.ensure_future(self._operate())
            with suppress(asyncio.CancelledError, ApiError, TransportError, TimeoutError):
                await asyncio.shield(self._operator)
            if (current := asyncio.current_task()) is not None and current.cancelling():
                self._operator.cancel()
                await asyncio.gather(self._operator, return_exceptions=True)
                return
            await self.clock.sleep(max(RESTART_PAUSE, self._down_until - self.clock.monotonic()))

    async def _operate(self) -> None:
        self._transport = DirectTransport(self.server, user=OPERATOR)
        client = Client(self._transport, self.clock)
        options = ManagerOptions("0", "0", graceful_shutdown_timeout=0)
        manager = Manager(client, options, self.clock, self.rng)
        build(manager, OperatorOptions(), await served(client))
        await manager.start()

    # ---- jobs, pods and what they do

    async def _submit(self, job: SimJob) -> None:
        await self.clock.sleep(job.submitted)
        group, version = parse_api_version(job.api_version)
        plural = f"{job.kind.lower()}s"
        self.direct.create(Resource(group, version, job.kind, plural), job.manifest)

    def _behaviour(self, pod: Mapping[str, Any]) -> Behaviour:
        replica = Replica.of(pod)
        if replica is None:
            return Behaviour()
        uid = pod["metadata"]["uid"]
        attempts = self._attempts[replica]
        if uid not in attempts:
            attempts.append(uid)
        owner = next(ref["name"] for ref in pod["metadata"]["ownerReferences"] if ref.get("controller"))
        roles = {role.lower(): replicas for role, replicas in self._jobs[owner].replicas.items()}
        plan = roles[replica.role][replica.index]
        exit_codes = plan.exit_codes_from(attempts.index(uid))
        return Behaviour(start_after=1.0, run_seconds=plan.seconds, exit_codes=exit_codes, stop_after=0.5)

    # ---- what goes wrong

    async def _suffer(self, incident: Incident) -> None:
        await self.clock.sleep(incident.at)
        match incident.kind:
            case "operator":
                self._kill_operator()
            case "sweep":
                self._down_until = self.clock.monotonic() + incident.span
                self._kill_operator()
                await self.clock.sleep(incident.span * 0.9)
                for pod in self.direct.list(PODS):
                    if pod["status"].get("phase") in TERMINAL_PHASES:
                        self._delete_pod(pod)
            case "api":
                transport = self._transport
                transport.sever()
                await self.clock.sleep(incident.span)
                transport.heal()
            case "node":
                name = self._nodes.names[incident.target % len(self._nodes.names)]
                self._nodes.lose(name)
                await self.clock.sleep(60 + incident.span)
                self._nodes.recover(name)
            case "pod":
                pods = self.direct.list(PODS)
                if pods:
                    self._delete_pod(pods[incident.target % len(pods)])

    def _kill_operator(self) -> None:
        """As kill -9 does: what it had asked for stays done, and it learns of nothing any more."""
        self._transport.sever()
        if self._operator is not None:
            self._operator.cancel()

    def _delete_pod(self, pod: Mapping[str, Any]) -> None:
        meta = pod["metadata"]
        with suppress(NotFound):
            self.direct.delete(PODS, meta["namespace"], meta["name"], grace_period_seconds=0)

    async def _calm(self) -> None:
        await self.clock.sleep(self.scenario.calm_after)
        self.faults.rates = FaultRates()

    # ---- what must hold

    async def _check_pods(self) -> None:
        async with aclosing(self.direct.watch(PODS)) as changes:
            async for change, pod in changes:
                self.invariants.pod_changed(change, pod)

    async def _check_jobs(self, resource: Resource) -> None:
        async with aclosing(self.direct.watch(resource)) as changes:
            async for change, job in changes:
                self.invariants.job_changed(change, job)
                end = outcome(job)
                if end is not None:
                    self.outcomes[job["metadata"]["name"]] = end


def _by_operator(request: Request) -> bool:
    return request.user == OPERATOR
