"""What an informer shows of the writes of its own process."""

from typing import Any

import pytest

from kdl_runtime.cache.transitions import State
from kdl_runtime.codec.json import RawList
from kdl_testing.virtual_time import run
from unit.kdl_runtime.cache.scripted import Line, Silence, bookmark, event, page, pod
from unit.kdl_runtime.cache.watched import EXPIRED, KEY, Watched


def test_own_writes_are_shown_at_once_and_told_once() -> None:
    async def main() -> None:
        watched = Watched(
            page(5, pod("a", 1)), [event("MODIFIED", pod("a", 6)), event("ADDED", pod("b", 7)), Silence(2)]
        )
        await watched.steps(1)
        watched.write(pod("a", 6))
        watched.write(pod("b", 7))
        assert watched.shown == {"a": "6", "b": "7"}
        told = list(watched.told)
        await watched.steps(1)
        assert watched.told == told
        assert watched.metrics.value("kdl_runtime_watch_lag_seconds_count", resource="pods", watch="pods") == 2

    run(main())


def test_older_events_and_lists_do_not_undo_an_own_write() -> None:
    async def main() -> None:
        late: list[Line] = [event("MODIFIED", pod("a", 6)), EXPIRED]

        def written_meanwhile() -> RawList:
            watched.write(pod("a", 8))
            watched.write(pod("created", 8))
            return page(7, pod("a", 6))

        watched = Watched(page(5, pod("a", 1)), late, written_meanwhile, [event("MODIFIED", pod("a", 9)), Silence(2)])
        await watched.steps(4)
        assert watched.shown == {"a": "8", "created": "8"}
        await watched.steps(1)
        assert watched.shown == {"a": "9", "created": "8"}

    run(main())


def test_a_list_is_asked_to_be_no_older_than_our_own_writes() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)), [EXPIRED], page(8, pod("a", 8)))
        await watched.steps(1)
        watched.write(pod("a", 8))
        await watched.steps(3)
        assert watched.client.collection.requests[-1] == ("list", "8", 0, "")

    run(main())


def test_what_was_written_before_a_backup_was_restored_does_not_stay() -> None:
    async def main() -> None:
        watched = Watched(page(5), [EXPIRED], page(6), page(6, pod("b", 2)))
        await watched.steps(1)
        watched.write(pod("a", 800))
        await watched.steps(5)
        assert watched.client.collection.requests[-2:] == [("list", "800", 0, ""), ("list", "", 500, "")]
        assert watched.shown == {"b": "2"}

    run(main())


def test_what_was_deleted_before_a_backup_was_restored_is_there_again() -> None:
    async def main() -> None:
        restored = page(900, pod("a", 1))
        watched = Watched(page(5, pod("a", 1)), [EXPIRED], restored, restored)
        await watched.steps(1)
        watched.delete(pod("a", 1))
        await watched.steps(3)
        assert watched.shown == {}, "that list may be of a server that lags behind"
        await watched.steps(2)
        assert watched.client.collection.requests[-1] == ("list", "", 500, "")
        assert watched.shown == {"a": "1"}

    run(main())


def test_what_a_later_list_lacks_is_gone_even_if_we_wrote_it() -> None:
    async def main() -> None:
        watched = Watched(page(5), [EXPIRED], page(9))
        await watched.steps(1)
        watched.write(pod("a", 8))
        await watched.steps(3)
        assert watched.shown == {}

    run(main())


def test_progress_lets_the_server_have_the_last_word() -> None:
    async def main() -> None:
        watched = Watched(page(5), [bookmark(8), event("DELETED", pod("a", 9)), Silence(2)])
        await watched.steps(1)
        watched.write(pod("a", 8))
        assert len(watched.informer._pins) == 1
        await watched.steps(1)
        assert len(watched.informer._pins) == 0
        assert watched.shown == {}

    run(main())


def test_a_late_answer_does_not_bring_a_deleted_object_back() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)), [event("DELETED", pod("a", 7)), Silence(2)])
        await watched.steps(2)
        watched.write(pod("a", 6))
        assert watched.shown == {}
        watched.write(pod("a", 61, uid="another"))
        assert watched.shown == {"a": "61"}

    run(main())


def test_events_from_before_an_own_deletion_do_not_bring_the_object_back() -> None:
    async def main() -> None:
        late: list[Line] = [event("MODIFIED", pod("a", 60)), event("ADDED", pod("a", 62, uid="another")), Silence(2)]
        watched = Watched(page(5, pod("a", 1)), late)
        await watched.steps(1)
        watched.delete(pod("a", 1))
        assert watched.shown == {}
        await watched.steps(1)
        assert watched.shown == {"a": "62"}
        assert [what for what, *_ in watched.told] == ["ADDED a", "DELETED a", "ADDED a"]

    run(main())


def test_an_object_may_leave_the_selection_and_come_back() -> None:
    async def main() -> None:
        back: list[Line] = [event("DELETED", pod("a", 7)), event("ADDED", pod("a", 8)), Silence(2)]
        watched = Watched(page(5, pod("a", 1)), back)
        await watched.steps(2)
        assert watched.shown == {"a": "8"}

    run(main())


@pytest.mark.parametrize(
    ("remains", "shown"),
    [
        pytest.param({"metadata": {"name": "a", "namespace": "ns", "uid": "uid-a"}}, {}, id="only acknowledged"),
        pytest.param(pod("a", 1), {}, id="as it was"),
        pytest.param(pod("a", 6, deletionTimestamp="2026-01-31T12:00:00Z"), {"a": "6"}, id="kept by a finalizer"),
        pytest.param(pod("a", 1, uid="other"), {"a": "1"}, id="another object"),
        pytest.param({"metadata": {"name": "a", "namespace": "ns"}}, {"a": "1"}, id="of unknown UID"),
    ],
)
def test_an_own_deletion_is_shown_at_once(remains: dict[str, Any], shown: dict[str, str]) -> None:
    async def main() -> None:
        late: list[Line] = [event("MODIFIED", pod("a", 2)), Silence(2)] if not shown else [Silence(2)]
        watched = Watched(page(5, pod("a", 1)), late)
        await watched.steps(1)
        watched.delete(remains)
        assert watched.shown == shown
        await watched.steps(1)
        assert watched.shown == shown

    run(main())


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ({"label_selector": "app=x"}, True),
        ({"label_selector": "app=y"}, False),
        ({"field_selector": "metadata.name=a"}, True),
        ({"field_selector": "metadata.name=b"}, False),
        ({"field_selector": "spec.nodeName=n1"}, True),
        ({"field_selector": "spec.nodeName="}, False),
        ({"namespaces": ("ns",)}, True),
        ({"namespaces": ("other",)}, False),
    ],
)
def test_an_own_write_is_shown_only_where_it_is_selected(spec: dict[str, Any], shown: bool) -> None:
    async def main() -> None:
        watched = Watched(page(5), **spec)
        watched.write(pod("a", 6, labels={"app": "x"}) | {"spec": {"nodeName": "n1"}})
        assert watched.shown == ({"a": "6"} if shown else {})

    run(main())


def test_versions_that_are_no_numbers_cost_only_read_your_writes() -> None:
    async def main() -> None:
        watched = Watched(page("v5", pod("a", "v1")), [event("MODIFIED", pod("a", "v6")), Silence(2)])
        await watched.steps(1)
        watched.write(pod("a", "v6"))
        assert watched.shown == {"a": "v1"}
        await watched.steps(1)
        assert watched.shown == {"a": "v6"}

    run(main())


def test_a_list_shows_what_is_older_than_a_pin_that_it_covers() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)), [EXPIRED], page(900, pod("a", 3)))
        await watched.steps(1)
        watched.write(pod("a", 8))
        await watched.steps(3)
        assert watched.shown == {"a": "3"}

    run(main())


def test_a_late_answer_about_what_has_gone_in_silence_shows_nothing() -> None:
    async def main() -> None:
        watched = Watched(page(5), [bookmark(20), Silence(2)])
        await watched.steps(2)
        watched.write(pod("a", 14))
        assert watched.shown == {}
        watched.write(pod("a", 21))
        assert watched.shown == {"a": "21"}

    run(main())


def test_an_own_write_that_leaves_the_selection_is_gone_at_once() -> None:
    async def main() -> None:
        back: list[Line] = [event("DELETED", pod("a", 6)), event("ADDED", pod("a", 8, labels={"app": "x"})), Silence(2)]
        watched = Watched(page(5, pod("a", 1, labels={"app": "x"})), back, label_selector="app=x")
        await watched.steps(1)
        watched.write(pod("a", 6, labels={"app": "y"}))
        assert watched.shown == {}
        await watched.steps(1)
        assert watched.shown == {"a": "8"}

    run(main())


def test_what_a_server_no_longer_has_is_gone() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)))
        await watched.steps(1)
        watched.informer.apply_absence(KEY, "another")
        assert watched.shown == {"a": "1"}
        watched.informer.apply_absence(KEY, "uid-a")
        assert watched.shown == {}

    run(main())


def test_progress_of_one_namespace_says_nothing_of_another() -> None:
    async def main() -> None:
        one, two = pod("a", 1, namespace="n1"), pod("b", 2, namespace="n2")
        watched = Watched(page(5, one), page(6, two), [bookmark(50), Silence(2)], page(7, two), namespaces=("n1", "n2"))
        first, second = watched.informer._watchers.values()
        await first.step()
        await second.step()
        watched.write(pod("b", 20, namespace="n2"))
        await first.step()
        second.liveness.state = State.LIST
        await second.step()
        assert watched.shown == {"a": "1", "b": "20"}

    run(main())


def test_a_watch_of_metadata_keeps_no_more_of_own_writes() -> None:
    async def main() -> None:
        watched = Watched(page(5), metadata_only=True)
        await watched.steps(1)
        watched.write(pod("a", 6) | {"apiVersion": "v1", "kind": "Pod", "spec": {"x": "y"}})
        assert watched.informer.object(KEY) == {"apiVersion": "v1", "kind": "Pod", **pod("a", 6)}

    run(main())
