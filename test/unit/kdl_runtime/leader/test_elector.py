"""Candidates on one API server, on virtual time."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.request import Request
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.leader.elector import LeaderElector, LeadershipLostError
from kdl_runtime.resources.registry import LEASES
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run
from unit.kdl_runtime.leader.candidates import KEY, OPTIONS, Cluster, now


def test_one_leads_and_the_other_takes_over_at_once_when_it_is_released() -> None:
    async def main() -> None:
        cluster = Cluster()
        first, second = cluster.candidate("first"), cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(100)
        assert (first.elector.leading, second.elector.leading) == (True, False)
        assert (await cluster.record()).holder == second.elector.leader == "first"
        before = now()
        await first.elector.stop(release=True)
        await second.elected.wait()
        assert now() - before < 0.01
        record = await cluster.record()
        assert (record.holder, record.transitions) == ("second", 2 - 1)
        await second.elector.stop(release=False)
        assert (await cluster.record()).holder == "second"

    run(main())


def test_who_releases_the_lease_does_not_lead_meanwhile() -> None:
    """The next one may lead before the answer to the release has come."""

    async def main() -> None:
        cluster = Cluster()
        first = cluster.candidate("first")
        first.start()
        await first.elected.wait()
        led_in: list[bool] = []

        def note(request: Request) -> bool:
            led_in.append(first.elector.leading)
            return False

        cluster.refuse = note
        await first.elector.stop(release=True)
        assert led_in == [False, False], "a read and a write"
        assert (await cluster.record()).holder == ""

    run(main())


def test_who_waits_watches_and_asks_for_nothing() -> None:
    async def main() -> None:
        cluster = Cluster()
        first, second = cluster.candidate("first"), cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(1)
        cluster.requests.clear()
        await cluster.clock.sleep(100)
        assert set(cluster.requests) == {"PUT"}
        assert len(cluster.requests) == pytest.approx(50, abs=2)
        for candidate in (first, second):
            await candidate.elector.stop(release=False)

    run(main())


def test_a_leader_that_vanishes_is_followed_when_its_lease_runs_out() -> None:
    async def main() -> None:
        cluster = Cluster()
        first, second = cluster.candidate("first"), cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(31)
        first.transport.sever()
        before = now()
        assert isinstance(await first.lost, LeadershipLostError)
        stopped = now()
        await second.elected.wait()
        assert stopped - before <= OPTIONS.renew_deadline
        assert OPTIONS.lease_duration - 3 <= now() - before <= OPTIONS.lease_duration + 5
        assert now() - stopped >= OPTIONS.lease_duration - OPTIONS.renew_deadline - OPTIONS.retry_period
        assert (await cluster.record()).holder == "second"
        await second.elector.stop(release=False)

    run(main())


def test_a_short_outage_costs_nothing() -> None:
    async def main() -> None:
        cluster = Cluster()
        leader = cluster.candidate("first")
        leader.start()
        await leader.elected.wait()
        leader.transport.sever()
        await cluster.clock.sleep(7)
        leader.transport.heal()
        await cluster.clock.sleep(60)
        assert leader.elector.leading
        leader.elector.check()
        assert (await cluster.record()).transitions == 0
        await leader.elector.stop(release=True)
        assert (await cluster.record()).holder == ""

    run(main())


def test_a_leader_whose_lease_was_given_to_another_ends_at_its_next_renewal() -> None:
    async def main() -> None:
        cluster = Cluster()
        leader = cluster.candidate("first")
        leader.start()
        await leader.elected.wait()
        usurper = Client(DirectTransport(cluster.server), cluster.clock)
        lease = await usurper.get(LEASES, KEY)
        lease["spec"]["holderIdentity"] = "usurper"
        await usurper.update(LEASES, lease)
        before = now()
        assert "held by usurper" in str(await leader.lost)
        assert now() - before <= OPTIONS.retry_period
        await leader.elector.stop(release=True)
        assert (await cluster.record()).holder == "usurper"

    run(main())


def test_where_watching_is_not_allowed_the_lease_is_read_every_retry_period() -> None:
    async def main() -> None:
        cluster = Cluster()
        cluster.refuse = lambda request: bool(request.query.get("watch"))
        first, second = cluster.candidate("first"), cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(30)
        before = now()
        await first.elector.stop(release=True)
        await second.elected.wait()
        assert now() - before <= OPTIONS.retry_period * 2.2
        await second.elector.stop(release=False)

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_never_two_lead_whatever_the_network_does(seed: int) -> None:
    """Three candidates that are cut off at random; a leader counts as one until it has told so."""

    async def main() -> None:
        rng = random.Random(seed)
        cluster = Cluster()
        candidates = [cluster.candidate(f"{seed}-{number}") for number in range(3)]
        terms = 0
        for candidate in candidates:
            candidate.start()
        for _ in range(300):
            await cluster.clock.sleep(rng.uniform(0.1, 6))
            leading = [candidate for candidate in candidates if candidate.elector.leading]
            assert len(leading) <= 1
            victim = rng.randrange(len(candidates))
            candidates[victim].transport.heal() if rng.random() < 0.5 else candidates[victim].transport.sever()
            if candidates[victim].lost.done():
                terms += 1
                candidates[victim] = cluster.candidate(f"{seed}-{victim}-{terms}")
                candidates[victim].start()
        assert terms > 0
        for candidate in candidates:
            await candidate.elector.stop(release=False)

    run(main())


def test_a_deleted_lease_is_made_anew() -> None:
    async def main() -> None:
        cluster = Cluster()
        first, second = cluster.candidate("first"), cluster.candidate("second")
        first.start()
        await first.elected.wait()
        second.start()
        await cluster.clock.sleep(1)
        await Client(DirectTransport(cluster.server), cluster.clock).delete(LEASES, KEY)
        await cluster.clock.sleep(20)
        assert [candidate.elector.leading for candidate in (first, second)].count(True) == 1
        assert (await cluster.record()).holder in ("first", "second")
        for candidate in (first, second):
            await candidate.elector.stop(release=False)

    run(main())


def test_a_candidate_without_rights_says_so_and_goes_on_trying(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        cluster = Cluster()
        cluster.refuse = lambda _request: True
        candidate = cluster.candidate("first")
        candidate.start()
        await cluster.clock.sleep(30)
        assert not candidate.elected.is_set()
        cluster.refuse = lambda _request: False
        await asyncio.wait_for(candidate.elected.wait(), 10)
        await candidate.elector.stop(release=False)

    run(main())
    assert "the lease could not be read or written" in capsys.readouterr().out


def test_a_fault_of_ones_own_ends_the_election_with_it() -> None:
    class Broken:
        async def get(self, *_arguments: Any) -> dict[str, Any]:
            raise LookupError("why")

    async def main() -> None:
        clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        elector = LeaderElector(Broken(), replace(OPTIONS, identity="me"), clock, random.Random(1))  # type: ignore[arg-type]
        lost: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        elector.start(lambda: None, lost.set_result)
        assert isinstance(await lost, LookupError)

    run(main())


def test_a_lease_that_ran_out_unnoticed_fails_the_check() -> None:
    async def main() -> None:
        cluster = Cluster()
        leader = cluster.candidate("first")
        await leader.elector.acquire()
        leader.elector.check()
        await cluster.clock.sleep(OPTIONS.lease_duration + 3)
        with pytest.raises(LeadershipLostError, match="ran out 3 s ago and still we lead"):
            leader.elector.check()

    run(main())
