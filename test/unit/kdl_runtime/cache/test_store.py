from collections.abc import Iterable
from typing import Any

import pytest

from kdl_runtime.cache.index import OWNER_INDEX, owner_uid_index
from kdl_runtime.cache.store import Store
from kdl_runtime.codec.json import decoder, encode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import NotDeclaredError
from kdl_runtime.types import ObjectKey
from unit.kdl_runtime.cache.scripted import pod


def put(store: Store[PartialObject], obj: dict[str, Any]) -> PartialObject:
    raw = encode(obj)
    decoded = decoder(PartialObject)(raw)
    store.put(decoded, raw)
    return decoded


def by_app(obj: PartialObject) -> Iterable[str]:
    return (obj.metadata.labels["app"],) if "app" in obj.metadata.labels else ()


@pytest.fixture
def store() -> Store[PartialObject]:
    return Store({"app": by_app, OWNER_INDEX: owner_uid_index})


def names(objects: Iterable[PartialObject]) -> list[str]:
    return [obj.metadata.name for obj in objects]


def test_an_object_is_kept_as_bytes_and_projection(store: Store[PartialObject]) -> None:
    obj = put(store, pod("a", 1))
    key = ObjectKey("ns", "a")
    assert store.get(key) is obj
    assert store.raw(key) == encode(pod("a", 1))
    assert key in store
    assert len(store) == 1


def test_removing_gives_the_last_state_once(store: Store[PartialObject]) -> None:
    obj = put(store, pod("a", 1))
    assert store.remove(obj.key) is obj
    assert store.remove(obj.key) is None
    assert store.get(obj.key) is None
    assert store.raw(obj.key) is None
    assert store.list("ns") == []


def test_lists_are_in_the_order_of_arrival(store: Store[PartialObject]) -> None:
    for name, namespace in (("c", "ns"), ("a", "other"), ("b", "ns")):
        put(store, pod(name, 1, namespace=namespace))
    put(store, pod("c", 2))
    assert names(store.list()) == ["c", "a", "b"]
    assert names(store.list("ns")) == ["c", "b"]
    assert names(store.list("none")) == []
    assert store.keys("ns") == [ObjectKey("ns", "c"), ObjectKey("ns", "b")]


def test_an_index_follows_every_change(store: Store[PartialObject]) -> None:
    put(store, pod("a", 1, labels={"app": "x"}))
    put(store, pod("b", 2, labels={"app": "x"}))
    assert names(store.by_index("app", "x")) == ["a", "b"]
    put(store, pod("a", 3, labels={"app": "y"}))
    assert names(store.by_index("app", "x")) == ["b"]
    assert names(store.by_index("app", "y")) == ["a"]
    put(store, pod("a", 4))
    assert names(store.by_index("app", "y")) == []
    store.remove(ObjectKey("ns", "b"))
    assert store.by_index("app", "x") == []


def test_the_owner_index_knows_only_the_controller(store: Store[PartialObject]) -> None:
    owner = {"apiVersion": "v1", "kind": "Job", "name": "j"}
    references = [{**owner, "uid": "u1"}, {**owner, "uid": "u2", "controller": True}]
    put(store, pod("a", 1, ownerReferences=references))
    assert names(store.by_index(OWNER_INDEX, "u2")) == ["a"]
    assert names(store.by_index(OWNER_INDEX, "u1")) == []


def test_an_unknown_index_is_an_error_that_names_the_known(store: Store[PartialObject]) -> None:
    with pytest.raises(NotDeclaredError, match=r"'node'.*app, owner.*WatchSpec.indexes"):
        store.by_index("node", "n1")
