import asyncio
from typing import Any

import pytest

from kdl_local.controllers.event_expiry import last_seen
from kdl_local.resources import EVENTS
from kdl_runtime.codec.times import format_time
from unit.kdl_local.controllers.plane import OnVirtualTime, Start

CREATED = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, CREATED),
        ({"lastTimestamp": "2026-01-01T00:05:00Z"}, "2026-01-01T00:05:00Z"),
        ({"eventTime": "2026-01-01T00:06:00.000000Z"}, "2026-01-01T00:06:00Z"),
        (
            {"eventTime": "2026-01-01T00:06:00.0Z", "series": {"lastObservedTime": "2026-01-01T00:09:00.5Z"}},
            "2026-01-01T00:09:00Z",
        ),
        ({"lastTimestamp": "1999-01-01T00:00:00Z"}, CREATED),
        ({"lastTimestamp": "never"}, CREATED),
    ],
)
def test_when_an_event_happened_last(event: dict[str, Any], expected: str) -> None:
    assert format_time(last_seen({"metadata": {"creationTimestamp": CREATED}, **event})) == expected


def test_events_go_an_hour_later(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            plane.pod("p")
            await asyncio.sleep(3000)
            assert plane.events("Scheduled") != []
            plane.pod("later")
            await asyncio.sleep(1200)
            assert [event["involvedObject"]["name"] for event in plane.direct.list(EVENTS)] == ["later"]

    on_virtual_time(main)
