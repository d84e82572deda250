"""Plays one scenario of a simulation, from the start to the end of its processes."""

import asyncio
import gc
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from kdl_local.apiserver.storage import Entry
from kdl_local.apiserver.types import ResourceType, ResourceTypes
from kdl_local.controllers.garbage import GarbageCollector
from kdl_runtime.errors import ApiError
from kdl_runtime.manager.manager import ManagerOptions
from kdl_runtime.types import ObjectKey
from kdl_testing import virtual_time
from kdl_testing.sim.faults import Fault, FaultKind, ServerFaults
from kdl_testing.sim.gateway import ACTOR, Sent
from kdl_testing.sim.incidents import Incidents
from kdl_testing.sim.process import ELECTION, Life, Process, ProcessOptions
from kdl_testing.sim.rules import ProcessRules
from kdl_testing.sim.scenario import Action, Scenario, draw
from kdl_testing.sim.simulation import Simulation, Write
from kdl_testing.sim.timeline import Moment
from kdl_testing.sim.world import USER, World, types_of

POLL = 5.0
LONG_PAUSE = "pause-longer-than-the-lease"
SKEWED_LEADER = "leader-whose-clock-is-wrong"
FORMER_LEADER_WRITES = "write-of-a-former-leader"
UNDECODABLE = "undecodable-object"
STOPPING = 60.0
"""Virtual seconds that the orderly end of a process may take."""


@dataclass(frozen=True)
class Played:
    """What a run has shown: it has failed if there are violations.

    ``effects``: how often each fault has met anything, by the values of ``FaultKind`` and the names of this module.
    """

    scenario: Scenario
    violations: tuple[str, ...]
    moments: tuple[Moment, ...] = ()
    effects: Mapping[str, int] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.scenario.seed


def play(simulation: type[Simulation], scenario: Scenario, *, keep_timeline: bool = False) -> Played:
    """``moments`` are there only with ``keep_timeline``."""
    run: _Run | None = None

    async def main() -> None:
        nonlocal run
        run = _Run(simulation, scenario, keep_timeline)
        await run.play()

    found: tuple[str, ...] = ()
    collecting = gc.isenabled()
    gc.disable()
    try:
        virtual_time.run(main())
    except Exception as error:
        # A fault of the simulation, or one that took it down: as bad as a violation, and to be shown like one.
        found = (f"seed {scenario.seed}: {error!r}",)
    finally:
        if collecting:
            gc.enable()
    timeline = run.world.timeline if run else None
    known = tuple(timeline.violations) if timeline else ()
    moments = tuple(timeline.moments) if timeline else ()
    return Played(scenario, (*known, *found), moments, run.effects() if run else {})


def scenario_of(simulation: type[Simulation], seed: int) -> Scenario:
    """What a seed decides."""
    return draw(seed, simulation.settings.dice, simulation.draw)


class _World(World):
    simulation: Simulation

    def expected(self, error: BaseException) -> bool:
        return self.simulation.expected(error)


class _Run:
    def __init__(self, kind: type[Simulation], scenario: Scenario, keep_timeline: bool) -> None:
        self._settings = kind.settings
        self._scenario = scenario
        self._faults = faults = ServerFaults()
        self.world = world = _World(
            scenario.seed, keep_timeline=keep_timeline, options=self._settings.server, faults=faults
        )
        world.gateway.latency = partial(random.Random(f"{scenario.seed}/latency").uniform, *self._settings.latency)
        types = _types(kind)
        world.install(types)
        self._collected = [*types, *(t for r in self._settings.collected if (t := world.server.types.of(r)))]
        self.simulation = world.simulation = kind(world, scenario)
        self._anew = asyncio.Event()
        self._incidents = Incidents(world, faults, self._restored)
        self._rules: dict[str, ProcessRules] = {}
        self._lives: list[tuple[Process, Life]] = []
        self._last: dict[tuple[str, str, ObjectKey], Write] = {}
        skews = [0.0, *(replica.skew for replica in scenario.replicas)]
        for number, skew in enumerate(skews):
            self._add_process(f"process-{number}", skew, elects=len(skews) > 1)
        world.server.registry.observers.append(self._observe)

    def _add_process(self, name: str, skew: float, *, elects: bool) -> None:
        world, settings = self.world, self._settings
        rules = self._rules[name] = ProcessRules(world, name)
        options = replace(self._manager_options(), tracer=rules)
        process = Process(
            name,
            self.simulation.build,
            world.gateway,
            world.rng,
            ProcessOptions(options, settings.election if elects else None, skew=skew),
        )

        def begun(life: Life) -> None:
            rules.attach(life)
            self._lives.append((process, life))

        process.on_start = begun
        world.processes.append(process)

    def _manager_options(self) -> ManagerOptions:
        options, size = self._settings.manager, self._scenario.page_size
        if size is None or options.watcher is None:
            return options
        return replace(options, watcher=replace(options.watcher, stream_lists=False, page_size=size))

    def _observe(self, type_: ResourceType, entry: Entry, gone: bool) -> None:
        resource, obj = type_.resource, entry.object
        identity = (resource.group, resource.plural, entry.key)
        last = self._last.pop(identity, None)
        before = last.after if last is not None else None
        write = Write(ACTOR.get(), resource, entry.key, before, None if gone else obj)
        if not gone:
            self._last[identity] = write
        self._note_leaders(write.actor)
        if self.world.timeline.keep and resource.plural != "leases":
            what = "deletes" if gone else "changes" if before else "creates"
            version = obj["metadata"]["resourceVersion"]
            self.world.timeline.add(write.actor, f"{what} {resource.plural} {entry.key} ({version})")
        self.simulation.written(write)

    def _note_leaders(self, actor: str) -> None:
        """Of those that know what they may know, one leads. A restore may take the lease away from it unnoticed."""
        leading = [of.name for of in self.world.processes if of.life is not None and of.life.leads]
        if len(leading) > 1 and not any(rules.restored for rules in self._rules.values()):
            self.world.violated(", ".join(leading), "lead at the same time")
        believing = [of for of in self.world.processes if of.life is not None and of.life.believes]
        if len(believing) > 1:
            former = [of.name for of in believing if of.life is not None and not of.life.leads]
            self.world.timeline.effects[FaultKind.OVERLAP] += 1
            self.world.timeline.effects[FORMER_LEADER_WRITES] += actor in former

    def effects(self) -> Mapping[str, int]:
        """What has had an effect until now."""
        wire = self.world.gateway.wire
        found = self.world.timeline.effects + wire.effects + self._faults.effects
        found[LONG_PAUSE] += (
            len(self.world.processes) > 1 and wire.longest_pause > self._settings.election.lease_duration
        )
        for process, life in self._lives:
            found[SKEWED_LEADER] += life.election is not None and life.election.led and process.options.skew != 0
            found[UNDECODABLE] += sum(
                int(sample.value)
                for metric in life.manager.metrics.undecodable_objects.collect()
                for sample in metric.samples
                if sample.name.endswith("_total")
            )
        return +found

    def _restored(self) -> None:
        self._last.clear()
        self._anew.set()
        for rules in self._rules.values():
            rules.restored = True
        self.simulation.restored()

    # ---- the course of events

    async def play(self) -> None:
        world = self.world
        async with world.running(self._collect()):
            await asyncio.gather(
                *(self._act(action) for action in self._scenario.actions),
                *(self._happen(number, fault) for number, fault in self._scenario.faults),
            )
            world.timeline.add("incident", "nothing goes wrong any more")
            await self._come_to_rest()

    async def _collect(self) -> None:
        """The cluster's collection of garbage. It begins anew after a restore, with the whole control plane: it follows
        what is there, and would miss what is there again."""
        while True:
            self._anew.clear()
            collector = GarbageCollector(self.world.direct, ResourceTypes(self._collected), self.world.clock)
            running = asyncio.ensure_future(collector.run())
            anew = asyncio.ensure_future(self._anew.wait())
            try:
                await asyncio.wait((running, anew), return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    running.result()
            finally:
                for task in (running, anew):
                    task.cancel()
                await asyncio.gather(running, anew, return_exceptions=True)

    async def _act(self, action: Action) -> None:
        await self.world.clock.sleep(action.at)
        self.world.timeline.add(USER, str(action))
        ACTOR.set(USER)
        try:
            await self.simulation.act(action)
        except ApiError as error:
            self.world.timeline.add(USER, f"{type(error).__name__}: {error}")

    async def _happen(self, number: int, fault: Fault) -> None:
        await self.world.clock.sleep(fault.at)
        await self._incidents.play(number, fault)

    async def _come_to_rest(self) -> None:
        """Until all is as it should be, and nothing is asked for any more. What went wrong may show late: a watch that
        is silent is noticed some time after, and so is a lease that is lost."""
        world = self.world
        begin = world.now
        left = [("at the end", "has not been looked at")]
        while left and not world.timeline.violations:
            if world.now > begin + self._settings.limit:
                for subject, text in left:
                    world.violated(subject, text)
                return
            # What takes long is looked at less often.
            await world.clock.sleep(max(POLL, (world.now - begin) / 10))
            left = self._restlessness() or await self._stay_quiet()
        if not world.timeline.violations:
            await self._stop()

    def _restlessness(self) -> list[tuple[str, str]]:
        return [("at the end", text) for text in self._problems()]

    async def _stay_quiet(self) -> list[tuple[str, str]]:
        """Some time in which nothing happens, and what is told of it that should not be."""
        world = self.world
        sent = len(world.gateway.sent)
        await world.clock.sleep(self._settings.quiet)
        later = [request for request in world.gateway.sent[sent:] if not _is_beat(request)]
        if later:
            some = ", ".join(f"{request.user}: {request}" for request in later[:5])
            return [("at rest", f"{len(later)} requests are sent while nothing happens: {some}")]
        return [("at rest", text) for text in self._problems()]

    async def _stop(self) -> None:
        for process in self.world.processes:
            try:
                async with asyncio.timeout(STOPPING):
                    await process.finish()
            except TimeoutError:
                self.world.violated(process.name, "does not end when it is asked to")
                continue
            work = process.life.work if process.life is not None else None
            if work is not None and (error := work.exception()) is not None:
                self.world.violated(process.name, f"ends with {type(error).__name__}: {error}")

    def _problems(self) -> Iterator[str]:
        processes = self.world.processes
        leaders = sum(process.life is not None and process.life.leads for process in processes)
        if leaders != 1:
            yield f"{leaders} processes lead"
        for process in processes:
            yield from self._rules[process.name].problems(process, dict(self._settings.reconciled))
        yield from self.simulation.problems()


def _is_beat(request: Sent) -> bool:
    """Renewals of the lease go on, and series of events are closed some time later."""
    return request.user.endswith(ELECTION) or "/events" in request.path


def _types(kind: type[Simulation]) -> Sequence[ResourceType]:
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = types_of(kind.definitions)
    return found


_known: dict[type[Simulation], Sequence[ResourceType]] = {}
