"""Clocks that differ, an API server that stands still, and processes that stood still and do not know it."""

import random
from datetime import timedelta

import pytest

from kdl_runtime.client.client import Client
from kdl_runtime.leader.elector import LeadershipLostError
from kdl_runtime.resources.registry import LEASES
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run
from unit.kdl_runtime.leader.candidates import KEY, OPTIONS, Candidate, Cluster, SkewedClock, now


def leading(*candidates: Candidate) -> int:
    return [candidate.elector.leading for candidate in candidates].count(True)


@pytest.mark.parametrize("hours", [-24, 24])
def test_the_time_of_day_of_others_does_not_matter(hours: int) -> None:
    async def main() -> None:
        cluster = Cluster()
        first = cluster.candidate("first", clock=SkewedClock(timedelta(hours=hours)))
        second = cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(300)
        assert (first.elector.leading, second.elector.leading) == (True, False)
        first.transport.sever()
        before = now()
        await second.elected.wait()
        assert now() - before == pytest.approx(OPTIONS.lease_duration, abs=5)
        assert (await cluster.record()).transitions == 1
        await second.elector.stop(release=True)

    run(main())


@pytest.mark.parametrize("rate", [0.7, 1.0, 1.4])
def test_a_follower_whose_clock_runs_faster_waits_long_enough(rate: float) -> None:
    """The tolerance is the ratio of lease duration and renew deadline: 1.5."""

    async def main() -> None:
        cluster = Cluster()
        cluster.refuse = lambda request: bool(request.query.get("watch"))
        first, second = cluster.candidate("first"), cluster.candidate("second", clock=SkewedClock(rate=rate))
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(100)
        first.transport.sever()
        while not second.elected.is_set():
            assert leading(first, second) <= 1
            await cluster.clock.sleep(0.1)
        assert leading(first, second) == 1
        assert isinstance(await first.lost, LeadershipLostError)
        await second.elector.stop(release=True)

    run(main())


@pytest.mark.parametrize("seconds", [3.0, 9.0, 14.0, 16.0, 40.0, 300.0])
def test_an_api_server_that_stands_still_leaves_at_most_one_leader(seconds: float) -> None:
    """What was asked during the pause is done after it, also for those who have given up."""

    async def main() -> None:
        cluster = Cluster()
        first, second = cluster.candidate("first"), cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(31)
        cluster.pause()
        paused = now()
        while now() < paused + seconds:
            await cluster.clock.sleep(0.5)
            assert leading(first, second) <= 1
            if now() > paused + OPTIONS.renew_deadline:
                assert not first.elector.leading
        assert first.elector.leading is (seconds < OPTIONS.renew_deadline - OPTIONS.retry_period)
        cluster.resume()
        for _ in range(100):
            await cluster.clock.sleep(0.5)
            assert leading(first, second) <= 1
        assert leading(first, second) == 1
        for candidate in (first, second):
            await candidate.elector.stop(release=False)

    run(main())


@pytest.mark.parametrize("second_ends", [False, True])
def test_who_stood_still_finds_out_before_it_writes_the_lease(second_ends: bool) -> None:
    """For a moment two believe that they lead. The one that slept has its lease run out for its health check, ends at
    its first step, and does not take the lease back, not even when nobody holds it any more."""

    async def main() -> None:
        cluster = Cluster()
        clock = SkewedClock()
        first, second = cluster.candidate("first", clock=clock), cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(31)
        clock.freeze()
        await second.elected.wait()
        assert leading(first, second) == 2
        await cluster.clock.sleep(5)
        with pytest.raises(LeadershipLostError, match="still we lead"):
            first.elector.check()
        if second_ends:
            await second.elector.stop(release=True)
        before = await cluster.record()
        woken = now()
        clock.thaw()
        reason = str(await first.lost)
        assert now() - woken < 0.1
        assert ("given up by another process" if second_ends else "held by second") in reason
        assert not first.elector.leading
        await first.elector.stop(release=True)
        assert await cluster.record() == before
        await second.elector.stop(release=False)

    run(main())


def test_a_renewal_that_somebody_has_come_before_takes_the_slow_path() -> None:
    async def main() -> None:
        cluster = Cluster()
        leader = cluster.candidate("first")
        slow: list[float] = []
        leader.elector.on_slow_path = lambda: slow.append(now())
        leader.start()
        await leader.elected.wait()
        await cluster.clock.sleep(20)
        assert slow == []
        somebody = Client(DirectTransport(cluster.server), cluster.clock)
        lease = await somebody.get(LEASES, KEY)
        lease["metadata"]["labels"] = {"a": "b"}
        await somebody.update(LEASES, lease)
        await cluster.clock.sleep(20)
        assert len(slow) == 1
        assert leader.elector.leading
        assert (await somebody.get(LEASES, KEY))["metadata"]["labels"] == {"a": "b"}
        await leader.elector.stop(release=True)

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_of_those_that_are_awake_one_at_most_leads_whatever_stands_still(seed: int) -> None:
    """Three candidates on clocks of their own; the API server and processes stand still at random."""

    async def main() -> None:
        rng = random.Random(seed)
        cluster = Cluster()
        clocks: list[SkewedClock] = []
        candidates: list[Candidate] = []

        def begin(number: int, term: int) -> None:
            clock = SkewedClock(timedelta(seconds=rng.uniform(-1000, 1000)), rng.uniform(0.9, 1.1))
            candidate = cluster.candidate(f"{seed}-{number}-{term}", clock=clock)
            clocks[number : number + 1], candidates[number : number + 1] = [clock], [candidate]
            candidate.start()

        for number in range(3):
            begin(number, 0)
        frozen: set[int] = set()
        terms = 0
        for step in range(300):
            await cluster.clock.sleep(rng.uniform(0.1, 6))
            awake = [candidate for number, candidate in enumerate(candidates) if number not in frozen]
            assert leading(*awake) <= 1
            victim = rng.randrange(3)
            match rng.randrange(4):
                case 0:
                    clocks[victim].freeze()
                    frozen.add(victim)
                case 1:
                    clocks[victim].thaw()
                    # Its first step may take one request.
                    cluster.resume()
                    await cluster.clock.sleep(0.01)
                    frozen.discard(victim)
                case 2:
                    cluster.pause()
                case 3:
                    cluster.resume()
            if candidates[victim].lost.done():
                terms += 1
                begin(victim, step)
                frozen.discard(victim)
        assert terms > 0
        cluster.resume()
        for clock, candidate in zip(clocks, candidates, strict=True):
            clock.thaw()
            await candidate.elector.stop(release=False)

    run(main())
