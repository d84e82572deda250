"""The operator, an API server, a scheduler and nodes in one process on virtual time, and what goes wrong among them."""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from kdl_local.apiserver.crd import resource_types
from kdl_local.apiserver.faults import FaultRates, RandomFaults
from kdl_local.apiserver.request import Request
from kdl_local.apiserver.server import ApiServer
from kdl_local.apiserver.types import ResourceType
from kdl_local.controllers.all import run_controllers
from kdl_local.node.fake import FakeNodeOptions, FakeNodes
from kdl_local.node.fake_pod import Behaviour
from kdl_local.resources import CRDS, NAMESPACES
from kdl_runtime.clock import LoopClock
from kdl_workloads.crds import all_crds
from sim.final_rules import FinalRules
from sim.gateway import Gateway
from sim.incidents import TEAM, Incidents
from sim.job_rules import JobRules
from sim.limit_rules import LimitRules, Troubles
from sim.observer import OPERATOR, Observer
from sim.operator_process import OperatorProcess
from sim.pod_rules import PodRules
from sim.records import Records, Replica, owner_of
from sim.scenario import Scenario
from sim.timeline import Timeline
from sim.users import Users

START = datetime(2026, 1, 1, tzinfo=UTC)
LAST_STEPS = 60.0
"""Seconds in which pods that were deleted last come to their end."""
SETTLE = 900.0
"""Seconds after everything has ended until the operator has nothing left to do: silent watches are noticed, series of
events are closed."""
QUIET = 3600.0
POLL = 10.0


class World:
    """One scenario as it plays. ``timeline.violations`` must stay empty."""

    def __init__(self, scenario: Scenario, *, keep_timeline: bool = False) -> None:
        self.scenario = scenario
        self.clock = LoopClock(START)
        self.rng = random.Random(scenario.seed)
        self.timeline = Timeline(scenario.seed, self.clock.monotonic, keep_timeline)
        self.records = Records(self.clock.monotonic, START)
        self.faults = RandomFaults(self.rng, scenario.rates, applies=_by_operator)
        self.server = ApiServer(self.clock, self.rng, faults=self.faults)
        self.direct = self.server.direct
        self._jobs = {job.name: job for job in scenario.jobs}
        self._nodes = FakeNodes(self.direct, self.clock, FakeNodeOptions(scenario.nodes, behaviour=self._behaviour))
        self.gateway = Gateway(self.server, self.clock.monotonic, self.timeline)
        troubles = Troubles(0.0 if scenario.undisturbed else scenario.calm_after)
        self._operator = OperatorProcess(self.gateway, self.clock, self.rng, troubles)
        self._users = Users(self.direct, self.clock, self.timeline)
        self._incidents = Incidents(self.server, self._nodes, self._operator, self.gateway, self.clock, self.timeline)
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
        _install_crds(self.server)
        self.direct.create(NAMESPACES, {"metadata": {"name": TEAM}})
        if self.scenario.strangers:
            self._users.settle_strangers(self.scenario.jobs[0], self.scenario.strangers)
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        with _captured_logs(self._logged):
            async with self._running() as plots:
                with suppress(TimeoutError):
                    async with asyncio.timeout(limit):
                        await asyncio.gather(*plots)
                        while self.timeline.violations == [] and self._final.waits_for(self._jobs):
                            await self.clock.sleep(POLL)
                await self._come_to_rest()

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

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[list["asyncio.Task[None]"]]:
        """Everything in motion; yields what plays to its end by itself."""
        scenario = self.scenario
        parts: list[Coroutine[Any, Any, None]] = [
            run_controllers(self.direct, self.server.types, self.clock, self.rng),
            self._nodes.run(),
            self._operator.run(),
        ]
        plots: list[Coroutine[Any, Any, None]] = [
            *(self._users.use(job) for job in scenario.jobs),
            *(self._users.occupy(scenario.jobs[conflict.job], conflict) for conflict in scenario.conflicts),
            *(self._incidents.play(incident) for incident in scenario.incidents),
            self._calm(),
        ]
        lasting, passing = [asyncio.ensure_future(p) for p in parts], [asyncio.ensure_future(p) for p in plots]
        try:
            yield passing
            for task in lasting:
                if task.done():
                    task.result()
        finally:
            for task in (*lasting, *passing):
                task.cancel()
            await asyncio.gather(*lasting, *passing, return_exceptions=True)

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

    # ---- what the operator says of itself

    def _logged(self, event: MutableMapping[str, Any]) -> None:
        level, text = event.get("log_level", ""), str(event.get("event", ""))
        if level in ("warning", "error", "critical"):
            details = {key: value for key, value in event.items() if key not in ("log_level", "event", "timestamp")}
            self.timeline.add("operator log", f"{level}: {text} {details}")
        error = event.get("exc_info")
        if level == "error" and isinstance(error, BaseException):
            self.timeline.violated("operator", f"{text}: {type(error).__name__}: {error}")

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.timeline.violated("event loop", f"{context['message']}: {context.get('exception')!r}")


@contextmanager
def _captured_logs(sink: Callable[[MutableMapping[str, Any]], None]) -> Iterator[None]:
    """Everything that is logged through structlog goes to ``sink`` and nowhere else."""

    def process(_: object, method: str, event: MutableMapping[str, Any]) -> Any:
        sink({**event, "log_level": method})
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    kept = list(processors)
    processors[:] = [process]
    try:
        yield
    finally:
        processors[:] = kept


@functools.cache
def _job_types() -> tuple[ResourceType, ...]:
    """Made once in a process: compiling the schemas takes longer than many a simulation."""
    server = ApiServer(LoopClock(START), random.Random(0))
    return tuple(type_ for crd in all_crds() for type_ in resource_types(server.direct.create(CRDS, crd)))


def _install_crds(server: ApiServer) -> None:
    for type_ in _job_types():
        server.types.add(type_)


def _by_operator(request: Request) -> bool:
    return request.user == OPERATOR
