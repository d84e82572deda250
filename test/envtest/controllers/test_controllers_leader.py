"""Who leads, with candidates in processes of their own, on both servers. Prints how long a hand-over takes."""

import asyncio
import json
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

from envtest.controllers import candidate
from envtest.controllers.world import World, until
from kdl_runtime.leader.lease import JITTER
from kdl_runtime.resources.registry import LEASES

LEASE = 15.0
"""The default. It is also what tells a release from an expiry: a hand-over that takes less was none of the latter."""
SLACK = 5.0
"""Seconds for a busy machine: to start a request, to answer it, to write a line."""


class Candidate:
    """A process, and what it has told so far."""

    def __init__(self, identity: str, process: Process) -> None:
        self.identity = identity
        self.process = process
        self.told: list[tuple[str, float]] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            record = json.loads(line)
            self.told.append((record["what"], record["at"]))

    def times(self, what: str) -> list[float]:
        return [at for told, at in self.told if told == what]

    async def has_told(self, what: str, seconds: float = 60.0) -> float:
        """When it first told that."""

        async def told() -> bool:
            return bool(self.times(what))

        await until(told, f"{self.identity} has told: {what}", seconds)
        return self.times(what)[0]

    async def end(self) -> None:
        """Wait until it has ended, and has told everything."""
        await asyncio.wait_for(self.process.wait(), 60)
        await self._reader


@asynccontextmanager
async def candidates(world: World, *identities: str) -> AsyncIterator[list[Candidate]]:
    """The first leads, and the others wait for it."""
    found: list[Candidate] = []
    try:
        for identity in identities:
            arguments = (str(world.cluster.kubeconfig), world.namespace, identity, str(LEASE))
            process = await asyncio.create_subprocess_exec(
                sys.executable, candidate.__file__, *arguments, stdout=subprocess.PIPE
            )
            found.append(Candidate(identity, process))
            await found[-1].has_told("leads" if len(found) == 1 else "starts")
        await asyncio.sleep(1.0)
        assert not any(one.times("leads") for one in found[1:])
        yield found
    finally:
        for one in found:
            with suppress(ProcessLookupError):
                one.process.kill()
            await one.end()


async def holder(world: World) -> str:
    lease = await world.user.get(LEASES, world.key(candidate.LEASE))
    return str(lease["spec"].get("holderIdentity") or "")


async def test_a_lease_that_is_released_is_taken_at_once(world: World) -> None:
    async with candidates(world, "first", "second") as (first, second):
        assert await holder(world) == "first"
        first.process.terminate()
        led = await second.has_told("leads", LEASE + SLACK)
        await first.end()
        ended = await first.has_told("ends")
        print(f"led {led - ended:.2f} s after the work of the former leader had ended")
        assert first.process.returncode == 0
        assert max(first.times("works")) <= ended < led
        assert led - ended < LEASE / 2, "nobody has waited for the lease to expire"
        assert await holder(world) == "second"


async def test_a_lease_whose_holder_is_killed_is_taken_when_it_has_expired(world: World) -> None:
    async with candidates(world, "first", "second") as (first, second):
        first.process.kill()
        await first.end()
        last = max(first.times("works"))
        # The last renewal may be a retry period older than the last work; attempts are spread by the jitter.
        retry = candidate.election(world.namespace, "x", LEASE).retry_period
        latest = LEASE + retry * (1 + JITTER)
        led = await second.has_told("leads", latest + SLACK)
        print(f"led {led - last:.2f} s after the last work of the one that was killed")
        assert LEASE - retry * (1 + JITTER) <= led - last <= latest + SLACK
        assert await holder(world) == "second"


async def test_only_one_of_three_leads_at_any_time(world: World) -> None:
    """Through two hand-overs."""
    async with candidates(world, "first", "second", "third") as found:
        leader = found[0]
        for _ in range(2):
            leader.process.terminate()
            await leader.end()
            others = [one for one in found if one.process.returncode is None]

            async def somebody_leads(others: list[Candidate] = others) -> bool:
                return any(one.times("leads") for one in others)

            await until(somebody_leads, "another leads", LEASE + SLACK)
            leader = next(one for one in others if one.times("leads"))
            await asyncio.sleep(0.5)
        spans = sorted((min(one.times("works")), max(one.times("works"))) for one in found if one.times("works"))
        assert len(spans) == 3
        assert all(before[1] < after[0] for before, after in pairwise(spans))
