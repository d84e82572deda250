import asyncio
import random

import pytest

from kdl_local.apiserver import storage
from kdl_local.apiserver.cursor import Cursor
from kdl_local.apiserver.storage import Change, Collection, Store
from kdl_runtime.errors import Expired
from kdl_runtime.types import ObjectKey, Resource

THINGS = Resource("example.com", "v1", "Thing", "things")


def _collection(history_size: int = 100) -> tuple[Store, Collection]:
    store = Store(history_size)
    return store, store.collection(THINGS)


def _put(collection: Collection, name: str, value: int, namespace: str = "a") -> int:
    return collection.put(ObjectKey(namespace, name), {"metadata": {"name": name}, "value": value}).revision


def _shown(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.type, change.entry.key.name) for change in changes]


def test_one_counter_orders_all_collections() -> None:
    store, things = _collection()
    others = store.collection(Resource("", "v1", "Other", "others"))
    revisions = [
        _put(things, "a", 1),
        _put(others, "a", 1),
        _put(things, "b", 1),
        things.remove(ObjectKey("a", "a")).revision,
    ]
    assert revisions == [2, 3, 4, 5]
    assert store.revision == 5


def test_a_put_writes_the_resource_version_and_keeps_the_past() -> None:
    _, things = _collection()
    _put(things, "x", 1)
    before = things.get(ObjectKey("a", "x"))
    _put(things, "x", 2)
    after = things.get(ObjectKey("a", "x"))
    assert before is not None and after is not None
    assert (before.object["value"], before.object["metadata"]["resourceVersion"]) == (1, "2")
    assert (after.object["value"], after.object["metadata"]["resourceVersion"]) == (2, "3")


def test_a_removal_does_not_change_the_stored_state() -> None:
    _, things = _collection()
    _put(things, "x", 1)
    stored = things.get(ObjectKey("a", "x"))
    last = things.remove(ObjectKey("a", "x"))
    assert stored is not None
    assert (stored.object["metadata"]["resourceVersion"], last.object["metadata"]["resourceVersion"]) == ("2", "3")
    assert len(things) == 0


def test_entries_are_in_the_order_of_namespace_and_name() -> None:
    _, things = _collection()
    for namespace, name in (("b", "a"), ("a", "z"), ("a", "b")):
        _put(things, name, 1, namespace)
    assert [entry.key for entry in things.entries()] == [("a", "b"), ("a", "z"), ("b", "a")]
    assert [entry.key.name for entry in things.entries("a")] == ["b", "z"]
    assert things.entries("c") == []


def test_the_past_can_be_seen_again() -> None:
    """Against a model: every state since the beginning is what it was."""
    store, things = _collection(10_000)
    rng = random.Random(5)
    states: dict[int, dict[ObjectKey, int]] = {store.revision: {}}
    current: dict[ObjectKey, int] = {}
    for step in range(300):
        key = ObjectKey(rng.choice("ab"), rng.choice("uvwxyz"))
        if key in current and rng.random() < 0.4:
            things.remove(key)
            del current[key]
        else:
            _put(things, key.name, step, key.namespace)
            current[key] = step
        states[store.revision] = dict(current)
    for revision, state in states.items():
        assert {entry.key: entry.object["value"] for entry in things.entries_at(revision)} == state
        in_a = {key: value for key, value in state.items() if key.namespace == "a"}
        assert {entry.key: entry.object["value"] for entry in things.entries_at(revision, "a")} == in_a


def test_changes_since_a_revision() -> None:
    _, things = _collection()
    first = _put(things, "x", 1)
    second = _put(things, "x", 2)
    things.remove(ObjectKey("a", "x"))
    assert _shown(things.history.after(1)) == [("ADDED", "x"), ("MODIFIED", "x"), ("DELETED", "x")]
    assert _shown(things.history.after(first)) == [("MODIFIED", "x"), ("DELETED", "x")]
    assert _shown(things.history.after(second)) == [("DELETED", "x")]
    assert things.history.after(second + 10) == []


@pytest.mark.parametrize("size", [0, 1, 3, 50])
def test_how_far_a_watch_reaches_back(size: int) -> None:
    store, things = _collection(size)
    revisions = [_put(things, "x", number) for number in range(10)]
    reachable = []
    for revision in [1, *revisions]:
        try:
            things.history.check(revision)
        except Expired:
            continue
        reachable.append(revision)
    assert len(reachable) == min(size, 10) + 1
    assert reachable[-1] == store.revision


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "SLOW_WATCH_BOUND", 8)
    _, things = _collection(4)
    for number in range(1000):
        last = _put(things, "x", number)
    assert len(things.history._changes) < 16
    assert len(things.history.after(last - 4)) == 4
    with pytest.raises(Expired, match="too old resource version"):
        things.history.after(1)


def test_compaction_forgets_the_past_of_every_collection() -> None:
    store, things = _collection()
    revision = _put(things, "x", 1)
    _put(things, "x", 2)
    store.compact()
    with pytest.raises(Expired):
        things.entries_at(revision)
    things.history.check(store.revision)


def test_listeners_are_woken_until_they_leave() -> None:
    _, things = _collection()
    event = asyncio.Event()
    things.history.subscribe(event)
    _put(things, "x", 1)
    assert event.is_set()
    event.clear()
    things.history.unsubscribe(event)
    _put(things, "x", 2)
    assert not event.is_set()


def test_a_restored_store_knows_nothing_of_what_came_later() -> None:
    store, things = _collection()
    _put(things, "kept", 1)
    snapshot = store.snapshot()
    _put(things, "kept", 2)
    later = _put(things, "later", 1)
    store.collection(Resource("", "v1", "Other", "others")).put(ObjectKey("", "x"), {"metadata": {"name": "x"}})
    store.restore(snapshot)
    assert [(entry.key.name, entry.object["value"], entry.revision) for entry in things.entries()] == [("kept", 1, 2)]
    assert len(store.collection(Resource("", "v1", "Other", "others"))) == 0
    assert _put(things, "again", 1) == later - 1
    with pytest.raises(Expired):
        things.history.check(snapshot.revision - 1)


def test_a_restored_store_may_go_on_from_a_later_revision() -> None:
    store, things = _collection()
    _put(things, "kept", 1)
    store.restore(store.snapshot(), revision=1000)
    assert _put(things, "next", 1) == 1001
    with pytest.raises(Expired):
        things.history.check(999)


async def test_a_restore_ends_the_reading_of_changes() -> None:
    store, things = _collection()
    with Cursor(things, _put(things, "x", 1)) as cursor:
        reading = asyncio.ensure_future(cursor.next(60))
        await asyncio.sleep(0)
        store.restore(store.snapshot())
        with pytest.raises(Expired):
            await reading
