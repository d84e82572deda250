"""Delays that double, spread, stop growing and start over."""

import random
from typing import Any

import pytest

from kdl_runtime.backoff import Backoff, BackoffPolicy

EXACT = BackoffPolicy(base=1.0, factor=2.0, cap=10.0, jitter=0.0, reset_after=60.0)


@pytest.mark.parametrize(("failures", "delay"), [(0, 1.0), (1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (10**6, 10.0)])
def test_delays_double_up_to_the_cap(failures: int, delay: float) -> None:
    assert EXACT.delay(failures) == delay


def test_failures_are_counted_until_reset(manual_clock: Any) -> None:
    backoff = Backoff(EXACT, manual_clock, random.Random(1))
    assert [backoff.next() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 10.0]
    backoff.reset()
    assert backoff.next() == 1.0


def test_a_quiet_time_after_the_delay_starts_over(manual_clock: Any) -> None:
    backoff = Backoff(EXACT, manual_clock, random.Random(1))
    assert [backoff.next(), backoff.next()] == [1.0, 2.0]
    manual_clock.advance(2.0 + 60.0)
    assert backoff.next() == 4.0
    manual_clock.advance(4.0 + 60.1)
    assert backoff.next() == 1.0


def test_jitter_spreads_upwards_and_is_reproducible(manual_clock: Any) -> None:
    policy = BackoffPolicy(base=1.0, cap=1.0, jitter=1.0)
    delays = [Backoff(policy, manual_clock, random.Random(seed)).next() for seed in range(50)]
    assert all(1.0 <= delay < 2.0 for delay in delays)
    assert len(set(delays)) == 50
    assert Backoff(policy, manual_clock, random.Random(7)).next() == delays[7]
