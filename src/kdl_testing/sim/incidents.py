"""Lets faults happen to a world."""

import asyncio
import random
from collections.abc import Callable
from typing import cast

from kdl_local.apiserver.faults import RandomFaults
from kdl_local.apiserver.request import Request
from kdl_testing.sim.faults import RATES, Fault, FaultKind, ServerFaults
from kdl_testing.sim.process import Process
from kdl_testing.sim.wire import OF_LISTS, Trouble, WireFault
from kdl_testing.sim.world import USER, World
from kdl_testing.virtual_time import VirtualTimeLoop

BUMP = 100_000
"""Revisions by which a store goes on after a restore that does not let them go back, and that lie between a snapshot
and what comes after it: so many writes nobody makes in a simulation, so that no revision ever means two things to
somebody who cannot know."""
VERSIONS_GO_BACK = "versions-go-back"
"""What a restore that lets resourceVersions go back is called among the effects."""
_WIRE = frozenset(kind.value for kind in WireFault)
_OF_WATCHES = frozenset({FaultKind.EXPIRED_WATCH, FaultKind.DROPPED_WATCH})
_OF_A_PROCESS = frozenset({FaultKind.CRASH, FaultKind.STOP, FaultKind.CUT})


class Incidents:
    """``restored`` is called when the store has been set back."""

    def __init__(self, world: World, faults: ServerFaults, restored: Callable[[], None]) -> None:
        self._world = world
        self._faults = faults
        self._restored = restored

    async def play(self, number: int, fault: Fault) -> None:
        """``number`` of the fault in its scenario: what it does at random depends on nothing but that and the seed."""
        rng = random.Random(f"{self._world.seed}/{number}")
        self._world.timeline.add("incident", str(fault))
        if fault.kind in RATES:
            await self._play_rates(fault, rng)
        elif fault.kind.value in _WIRE:
            await self._play_wire(fault, rng)
        else:
            await self._play_process(fault)
        self._world.timeline.add("incident", f"{fault.kind} is over")

    async def _play_rates(self, fault: Fault, rng: random.Random) -> None:
        process = self._victim(fault)
        user = process.name if process else ""

        def applies(request: Request) -> bool:
            name = request.user
            return name != USER and (not user or name == user or name.startswith(f"{user}/"))

        faults = RandomFaults(rng, RATES[fault.kind](fault.amount), applies)
        self._faults.begin(faults)
        if fault.kind in _OF_WATCHES:
            self._reopen(process)
        try:
            await self._world.clock.sleep(fault.span)
        finally:
            self._faults.end(faults)

    async def _play_wire(self, fault: Fault, rng: random.Random) -> None:
        world, wire = self._world, self._world.gateway.wire
        process = self._victim(fault)
        amount = world.server.store.revision if fault.kind is FaultKind.STALE_LISTS else fault.amount
        trouble = Trouble(WireFault(fault.kind.value), process.name if process else "", amount, rng)
        wire.begin(trouble)
        if trouble.kind in OF_LISTS:
            self._reopen(process)
        try:
            await world.clock.sleep(fault.span)
        finally:
            wire.end(trouble)

    async def _play_process(self, fault: Fault) -> None:
        world, process = self._world, self._process(fault)
        if fault.kind is not FaultKind.OVERLAP and (fault.kind not in _OF_A_PROCESS or process.alive):
            world.timeline.effects[fault.kind] += 1
        match fault.kind:
            case FaultKind.CRASH:
                process.kill(fault.span)
            case FaultKind.STOP:
                process.stop()
            case FaultKind.CUT:
                await process.cut_off(fault.span)
            case FaultKind.BLOCK:
                cast(VirtualTimeLoop, asyncio.get_running_loop()).block(fault.amount)
            case FaultKind.OVERLAP:
                await self._overlap(process, fault)
            case FaultKind.COMPACTION:
                world.server.store.compact()
            case FaultKind.GAP:
                await self._reconnect(fault.span)
                world.server.store.compact()
            case FaultKind.RESTORE:
                await self._restore(fault)

    async def _overlap(self, process: Process, fault: Fault) -> None:
        """Only the election is cut off, for long enough that another takes the lease."""
        leader = next((p for p in self._world.processes if p.life is not None and p.life.leads), process)
        life = leader.life
        if life is None or life.election is None:
            return
        life.election.late = fault.amount
        life.election.transport.sever()
        await self._world.clock.sleep(life.election.options.lease_duration + fault.span)
        if life.runs:
            life.election.transport.heal()
            await self._world.clock.sleep(fault.amount)

    def _reopen(self, process: Process | None) -> None:
        """A watch, or a list, is opened every few minutes only: so that this fault meets some, watches are opened anew
        now."""
        for one in self._world.processes if process is None else [process]:
            if one.life is not None and one.life.runs:
                for informer in one.life.manager.cache.informers:
                    informer.reopen()

    async def _reconnect(self, seconds: float) -> None:
        """Nobody reaches the API server for so long, and every watch ends."""
        lives = [process.life for process in self._world.processes if process.life is not None]
        for life in lives:
            life.sever()
        await self._world.clock.sleep(seconds)
        for life in lives:
            life.heal()

    async def _restore(self, fault: Fault) -> None:
        store = self._world.server.store
        snapshot = store.snapshot()
        store.revision += BUMP
        await self._world.clock.sleep(fault.span)
        store.restore(snapshot, store.revision + BUMP if fault.amount else None)
        self._world.timeline.effects[VERSIONS_GO_BACK] += not fault.amount
        self._world.timeline.add("incident", f"the store is as it was {fault.span:.1f} s ago")
        self._restored()
        await self._reconnect(1.0)

    def _victim(self, fault: Fault) -> Process | None:
        """None for everybody."""
        return None if fault.target % 3 == 0 else self._process(fault)

    def _process(self, fault: Fault) -> Process:
        processes = self._world.processes
        return processes[fault.target % len(processes)]
