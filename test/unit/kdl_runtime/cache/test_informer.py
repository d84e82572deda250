"""What an informer shows and tells, fed by hand through its client's answers."""

import random
from typing import Any, cast

import pytest

from kdl_runtime.cache.collection import Page, WatchEnvironment, WatcherOptions
from kdl_runtime.cache.event import Event
from kdl_runtime.cache.informer import Informer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client, ListOptions, WatchOptions
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import RawList, encode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey
from kdl_testing.virtual_time import run
from unit.kdl_runtime.cache.scripted import Line, ScriptedCollection, Silence, bookmark, event, page, pod

KEY = ObjectKey("ns", "a")
EXPIRED = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


class ScriptedClient:
    """The two methods of a client that watching needs; namespaces share one script."""

    def __init__(self, *answers: RawList | list[Line] | Exception) -> None:
        self.collection = ScriptedCollection(list(answers))
        self.asked: list[tuple[str, str]] = []

    async def list_page(self, _resource: Any, namespace: str, options: ListOptions) -> RawList:
        self.asked.append((namespace, options.label_selector))
        return await self.collection.list(Page(options.resource_version, options.limit or 0, options.continue_))

    def watch(self, _resource: Any, namespace: str, options: WatchOptions) -> Any:
        return self.collection.watch(
            options.resource_version,
            timeout_seconds=options.timeout_seconds or 0,
            initial_events=bool(options.send_initial_events),
        )


class Watched:
    """An informer on scripted answers, and what its handler was told."""

    def __init__(self, *answers: RawList | list[Line] | Exception, **spec: Any) -> None:
        self.client = ScriptedClient(*answers)
        self.clock: Clock = self.client.collection.clock
        self.metrics = Metrics()
        options = WatcherOptions(stream_lists=False)
        environment = WatchEnvironment(self.clock, random.Random(1), self.metrics.for_watch("pods", "pods"), options)
        self.informer: Informer[PartialObject] = Informer(
            WatchSpec(PODS, **spec), cast(Client, self.client), environment
        )
        self.told: list[tuple[str, str, str, bool]] = []
        self.informer.add_handler(self.tell)

    def tell(self, event: Event[PartialObject]) -> None:
        old = event.old.metadata.resource_version if event.old else ""
        new = event.new.metadata.resource_version if event.new else ""
        self.told.append((f"{event.type} {event.object.metadata.name}", old, new, event.initial))

    def synced(self) -> bool:
        return self.informer.synced

    async def steps(self, count: int) -> None:
        for _ in range(count):
            for watcher in self.informer._watchers.values():
                await watcher.step()

    def write(self, obj: dict[str, Any]) -> None:
        self.informer.apply_write(encode(obj))

    def delete(self, obj: dict[str, Any]) -> None:
        self.informer.apply_delete(encode(obj))

    @property
    def shown(self) -> dict[str, str]:
        return {obj.metadata.name: obj.metadata.resource_version for obj in self.informer.list()}


def test_lists_and_changes_become_events() -> None:
    async def main() -> None:
        changes: list[Line] = [
            event("MODIFIED", pod("a", 6)),
            event("ADDED", pod("b", 7)),
            event("DELETED", pod("a", 8)),
        ]
        watched = Watched(page(5, pod("a", 1)), [*changes, Silence(2)])
        assert not watched.synced()
        await watched.steps(1)
        assert watched.synced()
        await watched.steps(1)
        assert watched.told == [
            ("ADDED a", "", "1", True),
            ("MODIFIED a", "1", "6", False),
            ("ADDED b", "", "7", False),
            ("DELETED a", "6", "", False),
        ]
        assert watched.shown == {"b": "7"}

    run(main())


def test_a_new_list_tells_what_the_watch_has_missed() -> None:
    async def main() -> None:
        first = page(5, pod("gone", 1), pod("same", 2), pod("changed", 3), pod("anew", 4))
        second = page(9, pod("same", 2), pod("changed", 7), pod("anew", 8, uid="other"), pod("new", 9))
        watched = Watched(first, [EXPIRED], second)
        await watched.steps(1)
        watched.told.clear()
        await watched.steps(2)
        assert watched.told == [
            ("MODIFIED changed", "3", "7", False),
            ("DELETED anew", "4", "", False),
            ("ADDED anew", "", "8", False),
            ("ADDED new", "", "9", False),
            ("DELETED gone", "1", "", False),
        ]

    run(main())


def test_an_undecodable_object_keeps_its_last_good_state() -> None:
    async def main() -> None:
        bad = pod("a", 8) | {"kind": 7}
        watched = Watched(page(5, pod("a", 1)), [event("MODIFIED", bad), EXPIRED], page(9, bad))
        await watched.steps(3)
        assert watched.shown == {"a": "1"}
        assert watched.metrics.value("kdl_runtime_undecodable_objects_total", resource="pods", watch="pods") == 2

    run(main())


def test_a_late_handler_is_told_what_is_there() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)))
        await watched.steps(1)
        told: list[tuple[str, bool]] = []
        watched.informer.add_handler(lambda event: told.append((event.object.metadata.name, event.initial)))
        assert told == [("a", True)]

    run(main())


def test_a_failing_handler_harms_no_other() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)))

        def broken(_event: Event[PartialObject]) -> None:
            raise RuntimeError("a bug")

        watched.informer._handlers.insert(0, broken)
        await watched.steps(1)
        assert watched.told == [("ADDED a", "", "1", True)]
        assert watched.shown == {"a": "1"}

    run(main())


def test_reads_give_shared_projections_and_private_objects() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)))
        await watched.steps(1)
        informer = watched.informer
        assert informer.get(KEY) is informer.list("ns")[0]
        first, second = informer.object(KEY), informer.object(KEY)
        assert first == {"apiVersion": "v1", "kind": "Pod", **pod("a", 1)}
        assert first is not second
        assert informer.raw(KEY) == encode(pod("a", 1))
        assert informer.object(ObjectKey("ns", "none")) is None

    run(main())


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
        watched = Watched(
            page(5, pod("a", 1)), late, page(7, pod("a", 6)), [event("MODIFIED", pod("a", 9)), Silence(2)]
        )
        await watched.steps(1)
        watched.write(pod("a", 8))
        watched.write(pod("created", 8))
        await watched.steps(2)
        assert watched.shown == {"a": "8", "created": "8"}
        await watched.steps(1)
        assert watched.shown == {"a": "9", "created": "8"}

    run(main())


def test_what_a_later_list_lacks_is_gone_even_if_we_wrote_it() -> None:
    async def main() -> None:
        watched = Watched(page(5), [EXPIRED], page(9))
        await watched.steps(1)
        watched.write(pod("a", 8))
        await watched.steps(2)
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


def test_a_list_from_the_past_does_not_bring_a_deleted_object_back() -> None:
    async def main() -> None:
        gone: list[Line] = [event("DELETED", pod("a", 7)), EXPIRED]
        watched = Watched(page(5, pod("a", 1)), gone, page(6, pod("a", 1)), page(8))
        await watched.steps(5)
        assert watched.told[1:] == [("DELETED a", "1", "", False)]
        assert watched.shown == {}

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


def test_each_namespace_has_a_watch_of_its_own() -> None:
    async def main() -> None:
        watched = Watched(
            page(5, pod("a", 1, namespace="n1")), page(6, pod("b", 2, namespace="n2")), namespaces=("n1", "n2")
        )
        first, second = watched.informer._watchers.values()
        await first.step()
        assert not watched.synced()
        await second.step()
        assert watched.synced()
        assert [namespace for namespace, _ in watched.client.asked] == ["n1", "n2"]
        assert watched.shown == {"a": "1", "b": "2"}

    run(main())


def test_a_watcher_that_stops_moving_is_not_alive() -> None:
    async def main() -> None:
        watched = Watched(page(5))
        await watched.steps(1)
        await watched.clock.sleep(1000)
        watched.informer.check_alive()
        await watched.clock.sleep(1000)
        with pytest.raises(Exception, match="the watch on pods has not moved for 2000 s"):
            watched.informer.check_alive()

    run(main())
