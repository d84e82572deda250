"""The operator, an API server, a scheduler and nodes in one process on virtual time, and what goes wrong among them."""

import asyncio
import functools
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from kdl_local.apiserver.faults import FaultRates, RandomFaults
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.types import ResourceType
from kdl_local.controllers.all import run_controllers
from kdl_local.node.fake import FakeNodeOptions, FakeNodes
from kdl_local.node.fake_pod import Behaviour
from kdl_local.resources import NAMESPACES
from kdl_runtime.manager.manager import Manager
from kdl_runtime.resources.discovery import served
from kdl_testing.sim.process import Process
from kdl_testing.sim.world import START, World, types_of
from kdl_workloads.crds import all_crds
from kdl_workloads.operator import OperatorOptions, build
from sim.final_rules import FinalRules
from sim.gateway import OperatorRequests
from sim.incidents import TEAM, Incidents
from sim.job_rules import JobRules
from sim.limit_rules import LimitRules, Troubles
from sim.observer import OPERATOR, Observer
from sim.pod_rules import PodRules
from sim.records import Records, Replica, owner_of
from sim.scenario import Scenario
from sim.users import Users

LAST_STEPS = 60.0
"""Seconds in which pods that were deleted last come to their end."""
SETTLE = 900.0
"""Seconds after everything has ended until the operator has nothing left to do: silent watches are noticed, series of
events are closed."""
QUIET = 3600.0
LOOK = 60.0
"""Seconds in which an operator that has been told of everything anew is through with it."""
POLL = 10.0


class JobWorld(World):
    """One scenario as it plays. ``timeline.violations`` must stay empty."""

    def __init__(self, scenario: Scenario, *, keep_timeline: bool = False) -> None:
        self.scenario = scenario = scenario.played
        super().__init__(scenario.seed, keep_timeline=keep_timeline)
        self.faults = self.server.faults = RandomFaults(self.rng, scenario.rates, applies=_by_operator)
        self.records = Records(self.clock.monotonic, START)
        self._jobs = {job.name: job for job in scenario.jobs}
        self._nodes = FakeNodes(self.direct, self.clock, FakeNodeOptions(scenario.nodes, behaviour=self._behaviour))
        troubles = Troubles(0.0 if scenario.undisturbed else scenario.calm_after)
        self._operator = operator = Process(OPERATOR, _build, self.gateway, self.rng)
        operator.on_absence = troubles.add
        self.processes.append(operator)
        self._users = Users(self.direct, self.clock, self.timeline)
        requests = OperatorRequests(self.gateway)
        self._incidents = Incidents(self.server, self._nodes, operator, requests, self.clock, self.timeline)
        limits = LimitRules(self.records, self.timeline, troubles)
        pod_rules = PodRules(self.records, self.timeline, troubles)
        job_rules = JobRules(self.records, self.timeline, limits)
        self._final = FinalRules(
            self.direct, self.records, self.timeline, limits, self._users, self._incidents.lost_nodes
        )
        self.server.registry.observers.append(Observer(self.records, self.timeline, pod_rules, job_rules))

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: self._final.state(job) for name, job in self._jobs.items()}

    async def run(self, limit: float) -> None:
        """Until everything has ended, or ``limit`` seconds have passed; then what must hold at the end is checked."""
        self.install(_job_types())
        self.direct.create(NAMESPACES, {"metadata": {"name": TEAM}})
        if self.scenario.strangers:
            self._users.settle_strangers(self.scenario.jobs[0], self.scenario.strangers)
        cluster = run_controllers(self.direct, self.server.types, self.clock, self.rng)
        async with self.running(cluster, self._nodes.run()):
            plots = [asyncio.ensure_future(plot) for plot in self._plots()]
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(limit):
                        await asyncio.gather(*plots)
                        while self.timeline.violations == [] and self._final.waits_for(self._jobs):
                            await self.clock.sleep(POLL)
                await self._come_to_rest()
            finally:
                for plot in plots:
                    plot.cancel()
                await asyncio.gather(*plots, return_exceptions=True)

    def _plots(self) -> list[Coroutine[Any, Any, None]]:
        """What plays to its end by itself."""
        scenario = self.scenario
        return [
            *(self._users.use(job) for job in scenario.jobs),
            *(self._users.occupy(scenario.jobs[conflict.job], conflict) for conflict in scenario.conflicts),
            *(self._incidents.play(incident) for incident in scenario.incidents),
            self._calm(),
        ]

    async def _come_to_rest(self) -> None:
        if self.timeline.violations:
            return
        await self.clock.sleep(LAST_STEPS)
        self._final.check(self._jobs)
        if self.timeline.violations:
            return
        await self.clock.sleep(SETTLE)
        sent = len(self.gateway.sent)
        await self.clock.sleep(QUIET)
        self._final.check_quiet(self.gateway.sent[sent:])
        await self._look_again()

    async def _look_again(self) -> None:
        """Every job and pod is looked at once more, and then all of them by an operator that has just started."""
        sent = len(self.gateway.sent)
        self._users.touch_everything(self.scenario.jobs)
        await self.clock.sleep(LOOK)
        self._operator.kill()
        await self.clock.sleep(LOOK)
        self._final.check_nothing_is_written(self.gateway.sent[sent:])

    async def _calm(self) -> None:
        await self.clock.sleep(self.scenario.calm_after)
        self.faults.rates = FaultRates()
        self.timeline.add("incident", "no more faults from now on")

    def _behaviour(self, pod: Mapping[str, Any]) -> Behaviour:
        replica, owner = Replica.of(pod), owner_of(pod)
        if replica is None or owner is None:
            return Behaviour()
        plan = self._jobs[owner["name"]].plan(replica.role, replica.index)
        exit_codes = plan.exit_codes_after(self.records.runs_failed(replica))
        return Behaviour(start_after=1.0, run_seconds=plan.seconds, exit_codes=exit_codes, stop_after=0.5)


async def _build(manager: Manager) -> None:
    build(manager, OperatorOptions(late_kinds=False), await served(manager.client))


@functools.cache
def _job_types() -> tuple[ResourceType, ...]:
    return types_of(all_crds())


def _by_operator(request: Request) -> bool:
    return request.user == OPERATOR
