"""A clock that moves when a test says so."""

from datetime import UTC, datetime, timedelta

import pytest


class ManualClock:
    """Sleeping moves it at once; ``slept`` lists for how long."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000.0)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def manual_clock() -> ManualClock:
    return ManualClock()
