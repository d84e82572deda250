"""An election beside an event loop that may stand still, in real time and with short leases."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kdl_local.apiserver.server import ApiServer
from kdl_local.cluster import ClusterOptions, LocalCluster
from kdl_runtime.client.client import Client
from kdl_runtime.clock import SystemClock
from kdl_runtime.errors import KdlError
from kdl_runtime.leader.elector import LeaderElector, LeadershipLostError
from kdl_runtime.leader.lease import ElectionOptions
from kdl_runtime.leader.thread import ElectionThread, elector_of
from kdl_runtime.transport.config import ClusterConfig, Source
from kdl_runtime.transport.kubeconfig import load_config
from kdl_testing.direct import DirectTransport

OPTIONS = ElectionOptions("default", "operator", "me", lease_duration=1.0, renew_deadline=0.6, retry_period=0.1)


class Electors:
    """Makes electors on a server of their own, and keeps the transport of the last."""

    def __init__(self) -> None:
        self.transport: DirectTransport | None = None
        self.closed = threading.Event()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[LeaderElector]:
        clock = SystemClock()
        server = ApiServer(clock, random.Random(1))
        self.transport = DirectTransport(server)
        try:
            yield LeaderElector(Client(self.transport, clock), OPTIONS, clock, random.Random(1))
        finally:
            self.closed.set()


async def test_callbacks_come_in_the_loop_that_asked_and_a_blocked_loop_keeps_the_lease() -> None:
    electors = Electors()
    election = ElectionThread("operator", electors)
    home, elected = threading.current_thread(), asyncio.Event()

    def on_elected() -> None:
        assert threading.current_thread() is home
        elected.set()

    lost: list[BaseException] = []
    election.start(on_elected, lost.append)
    await asyncio.wait_for(elected.wait(), 30)
    time.sleep(2.5 * OPTIONS.lease_duration)  # noqa: ASYNC251  # the very thing that must not matter
    election.check()
    await asyncio.sleep(0)
    assert lost == []
    await election.stop(release=True)
    assert electors.closed.is_set()
    await election.stop(release=True)


async def test_a_process_that_does_not_end_after_losing_the_lease_is_ended() -> None:
    electors, codes, ended = Electors(), list[int](), threading.Event()

    def exit_process(code: int) -> None:
        codes.append(code)
        ended.set()

    election = ElectionThread("operator", electors, exit_process)
    elected, lost = asyncio.Event(), asyncio.get_running_loop().create_future()
    election.start(elected.set, lost.set_result)
    await asyncio.wait_for(elected.wait(), 30)
    assert electors.transport is not None
    electors.transport.sever()
    assert isinstance(await asyncio.wait_for(lost, 30), LeadershipLostError)
    assert await asyncio.to_thread(ended.wait, 30)
    assert codes == [1]
    with pytest.raises(KdlError, match="has ended"):
        await _until_raised(election)
    await election.stop(release=False)


async def test_a_process_that_ends_after_losing_the_lease_is_left_alone() -> None:
    electors, codes = Electors(), list[int]()
    election = ElectionThread("operator", electors, codes.append)
    elected, lost = asyncio.Event(), asyncio.get_running_loop().create_future()
    election.start(elected.set, lost.set_result)
    await asyncio.wait_for(elected.wait(), 30)
    assert electors.transport is not None
    electors.transport.sever()
    await asyncio.wait_for(lost, 30)
    await election.stop(release=False)
    assert codes == []


async def test_an_election_that_cannot_begin_is_told(tmp_path: Path) -> None:
    config = ClusterConfig("https://127.0.0.1:1", ca=Source(path=tmp_path / "missing.crt"))

    @asynccontextmanager
    async def make() -> AsyncIterator[LeaderElector]:
        config.ca.read()
        async with elector_of(config, OPTIONS)() as elector:
            yield elector

    election = ElectionThread("operator", make, lambda _code: None)
    lost: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    election.start(lambda: None, lost.set_result)
    assert "missing.crt" in str(await asyncio.wait_for(lost, 30))
    await election.stop(release=False)


async def test_the_next_leads_within_a_second_of_a_release_over_real_connections() -> None:
    """With the default times; each candidate has a thread and connections of its own."""
    async with LocalCluster(ClusterOptions(process_node=False)) as cluster:
        config = load_config(str(cluster.kubeconfig))
        elections, elected = [], [asyncio.Event(), asyncio.Event()]
        for number, event in enumerate(elected):
            options = ElectionOptions("default", "operator", f"candidate-{number}")
            elections.append(ElectionThread("operator", elector_of(config, options)))
            elections[-1].start(event.set, lambda error: pytest.fail(str(error)))
            if number == 0:
                await asyncio.wait_for(event.wait(), 30)
        await asyncio.sleep(1)
        assert not elected[1].is_set()
        before = time.monotonic()
        await elections[0].stop(release=True)
        await asyncio.wait_for(elected[1].wait(), 30)
        assert time.monotonic() - before < 1
        await elections[1].stop(release=True)


async def test_stopping_what_has_not_begun_is_harmless() -> None:
    election = ElectionThread("operator", Electors())
    await election.stop(release=True)
    election.start(lambda: None, lambda _error: None)
    await election.stop(release=True)


async def _until_raised(election: ElectionThread) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        election.check()
        await asyncio.sleep(0.01)
