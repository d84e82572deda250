"""An informer whose server tells things out of order, or has gone back in time."""

from typing import Any

import pytest

from kdl_testing.virtual_time import run
from unit.kdl_runtime.cache.scripted import Line, Silence, event, page, pod
from unit.kdl_runtime.cache.watched import EXPIRED, Watched


def test_a_list_from_the_past_does_not_bring_a_deleted_object_back() -> None:
    async def main() -> None:
        gone: list[Line] = [event("DELETED", pod("a", 7)), EXPIRED]
        watched = Watched(page(5, pod("a", 1)), gone, page(6, pod("a", 1)), page(8))
        await watched.steps(6)
        assert watched.told[1:] == [("DELETED a", "1", "", False)]
        assert watched.shown == {}

    run(main())


def test_a_restored_object_is_shown_although_its_deletion_was_seen() -> None:
    async def main() -> None:
        gone: list[Line] = [event("DELETED", pod("a", 7)), EXPIRED]
        watched = Watched(page(5, pod("a", 1)), gone, page(900, pod("a", 1)))
        await watched.steps(2)
        assert watched.shown == {}
        await watched.steps(2)
        assert watched.shown == {"a": "1"}

    run(main())


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([[event("DELETED", pod("a", 9)), EXPIRED]], id="by an event"),
        pytest.param([[EXPIRED], page(9), [EXPIRED]], id="by a list"),
    ],
)
def test_so_it_is_after_an_own_deletion_that_the_server_has_told(told: list[Any]) -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)), *told, page(90, pod("a", 1)))
        await watched.steps(1)
        watched.delete(pod("a", 1))
        while watched.client.collection.answers:
            assert watched.shown == {}
            await watched.steps(1)
        assert watched.shown == {"a": "1"}

    run(main())


def test_data_that_went_back_lose_no_object_to_pins_and_tombstones() -> None:
    async def main() -> None:
        first = page(500, pod("a", 400), pod("b", 410))
        then = [pod("a", 3), pod("b", 4)]
        lines: list[Line] = [event("MODIFIED", pod("a", 6)), Silence(2)]
        watched = Watched(first, [EXPIRED], page(5, *then), page(5, *then), lines)
        await watched.steps(1)
        watched.write(pod("a", 501))
        watched.delete(pod("b", 410))
        await watched.steps(5)
        assert watched.shown == {"a": "3", "b": "4"}
        watched.write(pod("b", 7))
        await watched.steps(1)
        assert watched.shown == {"a": "6", "b": "7"}

    run(main())


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(event("MODIFIED", pod("a", 6)), id="an older state"),
        pytest.param(event("DELETED", pod("a", 6)), id="an older deletion"),
    ],
)
def test_a_watch_without_order_leads_to_the_most_recent_list(late: Line) -> None:
    async def main() -> None:
        lines: list[Line] = [event("MODIFIED", pod("a", 7)), late]
        watched = Watched(page(5, pod("a", 1)), lines, page(9, pod("a", 7)))
        await watched.steps(4)
        assert watched.client.collection.requests[2] == ("list", "", 500, "")
        assert watched.shown == {"a": "7"}
        assert len(watched.told) == 2

    run(main())


def test_old_news_of_a_predecessor_are_no_disorder() -> None:
    async def main() -> None:
        late: list[Line] = [
            event("MODIFIED", pod("a", 6)),
            event("DELETED", pod("a", 7)),
            event("ADDED", pod("a", 9, uid="new")),
            event("DELETED", pod("a", 8)),
            Silence(2),
        ]
        watched = Watched(page(5, pod("a", 1)), late)
        await watched.steps(2)
        assert watched.shown == {"a": "9"}
        assert watched.informer.trouble == ""

    run(main())
