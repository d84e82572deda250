"""What an informer shows and tells, fed by hand through its client's answers."""

import pytest

from kdl_runtime.cache.event import Event
from kdl_runtime.codec.json import encode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.codec.selectors import LabelSelector
from kdl_runtime.types import ObjectKey
from kdl_testing.virtual_time import run
from unit.kdl_runtime.cache.scripted import Line, Silence, event, page, pod
from unit.kdl_runtime.cache.watched import EXPIRED, KEY, Watched


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
        await watched.steps(3)
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
        await watched.steps(4)
        assert watched.shown == {"a": "1"}
        assert watched.metrics.value("kdl_runtime_undecodable_objects_total", resource="pods", watch="pods") == 2

    run(main())


def test_an_undecodable_object_under_the_name_of_one_that_is_gone_does_not_keep_that_one() -> None:
    async def main() -> None:
        other = pod("a", 8, uid="other") | {"kind": 7}
        watched = Watched(page(5, pod("a", 1)), [EXPIRED], page(9, other))
        await watched.steps(1)
        watched.told.clear()
        await watched.steps(3)
        assert watched.told == [("DELETED a", "1", "", False)]
        assert watched.shown == {}

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


def test_a_watch_that_leaves_namespaces_out() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)), except_namespaces=("kube-system", "other"), field_selector="spec.x=y")
        await watched.steps(1)
        assert watched.client.fields == ["spec.x=y,metadata.namespace!=kube-system,metadata.namespace!=other"]
        watched.write(pod("b", 6, namespace="other") | {"spec": {"x": "y"}})
        watched.write(pod("c", 6) | {"spec": {"x": "y"}})
        assert watched.shown == {"a": "1", "c": "6"}

    run(main())


def test_objects_by_labels_and_by_index_in_a_namespace() -> None:
    async def main() -> None:
        objects = [pod(name, 1, namespace=space, labels={"n": name}) for space in ("n1", "n2") for name in "ab"]
        watched = Watched(page(5, *objects), indexes={"label": lambda obj: obj.metadata.labels.values()})
        await watched.steps(1)
        informer = watched.informer
        assert [obj.key for obj in informer.matching("n in (b,c)", "n2")] == [ObjectKey("n2", "b")]
        assert len(informer.matching(LabelSelector.parse("n"))) == 4
        assert [obj.key for obj in informer.by_index("label", "a", "n1")] == [ObjectKey("n1", "a")]
        assert len(informer.by_index("label", "a")) == 2

    run(main())


def test_metrics_say_how_large_and_how_silent_a_watch_is() -> None:
    async def main() -> None:
        watched = Watched(page(5, pod("a", 1)), [event("MODIFIED", pod("a", 16)), Silence(30)], [Silence(30)])
        metrics = watched.metrics

        def value(name: str) -> float | None:
            return metrics.value(f"kdl_runtime_{name}", resource="pods", watch="pods")

        assert value("cache_bytes") == 0
        await watched.steps(1)
        assert value("cache_bytes") == len(encode(pod("a", 1)))
        await watched.steps(1)
        assert value("cache_bytes") == len(encode(pod("a", 16)))
        assert value("watch_silence_seconds") == 0
        await watched.clock.sleep(90)
        assert value("watch_silence_seconds") == 90
        watched.delete(pod("a", 16))
        assert value("cache_bytes") == 0

    run(main())
