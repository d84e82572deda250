import asyncio
from typing import Any

import pytest

from kdl_local.controllers.ownership import Graph, Item, Owners, Reference, Verdict, classify, judge
from kdl_local.resources import CONFIG_MAPS, CRDS, PODS, SECRETS
from kdl_runtime.types import ObjectKey, Resource
from unit.kdl_local.controllers.plane import OnVirtualTime, Plane, Start

WIDGETS = Resource("example.com", "v1", "Widget", "widgets")


def item(uid: str, *owners: Reference, **state: Any) -> Item:
    return Item(PODS, ObjectKey("default", uid), uid, owners, **state)


def ref(uid: str, *, blocks: bool = False) -> Reference:
    return Reference(uid, "v1", "ConfigMap", uid, blocks)


def ids(*uids: str) -> frozenset[str]:
    return frozenset(uids)


@pytest.mark.parametrize(
    ("found", "owners", "has_dependents", "verdict"),
    [
        pytest.param(item("p"), Owners(), False, Verdict(), id="no owners"),
        pytest.param(item("p", ref("a")), Owners(solid=ids("a")), True, Verdict(), id="a living owner"),
        pytest.param(
            item("p", ref("a")),
            Owners(absent=ids("a")),
            True,
            Verdict(delete=True, propagation="Background"),
            id="gone",
        ),
        pytest.param(
            item("p", ref("a"), ref("b")),
            Owners(solid=ids("a"), absent=ids("b")),
            False,
            Verdict(drop=ids("b")),
            id="one of two is gone",
        ),
        pytest.param(
            item("p", ref("a")),
            Owners(waiting=ids("a")),
            True,
            Verdict(delete=True, propagation="Foreground"),
            id="the owner waits, and this has dependents",
        ),
        pytest.param(
            item("p", ref("a")),
            Owners(waiting=ids("a")),
            False,
            Verdict(delete=True, propagation="Background"),
            id="the owner waits",
        ),
        pytest.param(
            item("p", ref("a"), finalizers=ids("orphan")),
            Owners(absent=ids("a")),
            False,
            Verdict(delete=True, propagation="Orphan"),
            id="its own dependents are to stay",
        ),
        pytest.param(item("p", ref("a"), deleting=True), Owners(absent=ids("a")), False, Verdict(), id="under way"),
    ],
)
def test_what_becomes_of_an_object(found: Item, owners: Owners, has_dependents: bool, verdict: Verdict) -> None:
    assert judge(found, owners, has_dependents=has_dependents) == verdict


def test_an_owner_that_waits_only_counts_for_those_that_block_it() -> None:
    owner = item("a", deleting=True, finalizers=ids("foregroundDeletion"))
    assert classify(item("p", ref("a", blocks=True)), lambda _: owner) == Owners(waiting=ids("a"))
    assert classify(item("p", ref("a")), lambda _: owner) == Owners(solid=ids("a"))


def test_dependents_are_known_before_their_owner_and_after_it() -> None:
    graph = Graph()
    graph.put(item("p", ref("a", blocks=True)))
    graph.put(item("q", ref("a"), ref("b")))
    assert [found.uid for found in graph.dependents("a")] == ["p", "q"]
    assert [found.uid for found in graph.blocking("a")] == ["p"]
    graph.put(item("q", ref("b")))
    assert [found.uid for found in graph.dependents("a")] == ["p"]
    graph.remove("p")
    assert graph.dependents("a") == []


# ---- at work


def owner(plane: Plane, name: str = "owner", **metadata: Any) -> dict[str, Any]:
    obj = {"metadata": {"name": name, "namespace": "default", **metadata}}
    created: dict[str, Any] = plane.direct.create(CONFIG_MAPS, obj)
    return created


def owned_by(obj: dict[str, Any], *, blocks: bool = True) -> dict[str, Any]:
    meta = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": blocks,
    }


def secret(plane: Plane, name: str, *owners: dict[str, Any], **metadata: Any) -> None:
    plane.direct.create(
        SECRETS, {"metadata": {"name": name, "namespace": "default", "ownerReferences": list(owners), **metadata}}
    )


def exists(plane: Plane, resource: Resource, name: str) -> bool:
    return plane.direct.find(resource, "default", name) is not None


def test_background(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            plane.pod("p", owners=[owned_by(owner(plane))])
            secret(plane, "s", owned_by(plane.get("p")))
            await asyncio.sleep(1)
            plane.direct.delete(CONFIG_MAPS, "default", "owner", propagation="Background")
            assert not exists(plane, CONFIG_MAPS, "owner")
            await asyncio.sleep(1)
            assert plane.find("p") is None
            assert not exists(plane, SECRETS, "s")

    on_virtual_time(main)


def test_foreground_waits_for_dependents_that_block(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            made = owner(plane)
            secret(plane, "held", owned_by(made), finalizers=["example.com/hold"])
            secret(plane, "loose", owned_by(made, blocks=False), finalizers=["example.com/hold"])
            await asyncio.sleep(1)
            plane.direct.delete(CONFIG_MAPS, "default", "owner", propagation="Foreground")
            await asyncio.sleep(1)
            assert exists(plane, CONFIG_MAPS, "owner")
            assert plane.direct.get(SECRETS, "default", "held")["metadata"]["deletionTimestamp"]
            plane.direct.patch(SECRETS, "default", "held", {"metadata": {"finalizers": None}})
            await asyncio.sleep(1)
            assert not exists(plane, CONFIG_MAPS, "owner")
            assert plane.direct.get(SECRETS, "default", "loose")["metadata"]["deletionTimestamp"]

    on_virtual_time(main)


def test_foreground_without_dependents(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            owner(plane)
            plane.direct.delete(CONFIG_MAPS, "default", "owner", propagation="Foreground")
            await asyncio.sleep(1)
            assert not exists(plane, CONFIG_MAPS, "owner")

    on_virtual_time(main)


def test_orphans_stay_without_their_reference(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            secret(plane, "s", owned_by(owner(plane)))
            await asyncio.sleep(1)
            plane.direct.delete(CONFIG_MAPS, "default", "owner", propagation="Orphan")
            await asyncio.sleep(1)
            assert not exists(plane, CONFIG_MAPS, "owner")
            assert not plane.direct.get(SECRETS, "default", "s")["metadata"].get("ownerReferences")

    on_virtual_time(main)


def test_one_owner_of_two_keeps_an_object(start: Start, on_virtual_time: OnVirtualTime) -> None:
    async def main() -> None:
        async with start() as plane:
            first, second = owner(plane, "first"), owner(plane, "second")
            secret(plane, "s", {**owned_by(first), "controller": False}, owned_by(second))
            await asyncio.sleep(1)
            plane.direct.delete(CONFIG_MAPS, "default", "first")
            await asyncio.sleep(1)
            references = plane.direct.get(SECRETS, "default", "s")["metadata"]["ownerReferences"]
            assert [reference["name"] for reference in references] == ["second"]

    on_virtual_time(main)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        pytest.param({"uid": "never-was"}, False, id="another object has the name"),
        pytest.param({"name": "never-was"}, False, id="never existed"),
        pytest.param({"apiVersion": "example.com/v1", "kind": "Widget"}, True, id="a kind that nobody serves"),
        pytest.param({}, True, id="all in order"),
    ],
)
def test_references_to_what_is_not_there(
    change: dict[str, str], kept: bool, start: Start, on_virtual_time: OnVirtualTime
) -> None:
    async def main() -> None:
        async with start() as plane:
            secret(plane, "s", owned_by(owner(plane)) | change)
            await asyncio.sleep(1)
            assert exists(plane, SECRETS, "s") is kept

    on_virtual_time(main)


def test_custom_resources_own_as_soon_as_their_crd_is_there(start: Start, on_virtual_time: OnVirtualTime) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    crd = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }

    async def main() -> None:
        async with start() as plane:
            plane.direct.create(CRDS, crd)
            await asyncio.sleep(1)
            for name in ("one", "two"):
                plane.direct.create(WIDGETS, {"metadata": {"name": name, "namespace": "default"}})
                plane.pod(name, owners=[owned_by(plane.direct.get(WIDGETS, "default", name))])
            await asyncio.sleep(1)
            plane.direct.delete(WIDGETS, "default", "one", propagation="Foreground")
            await asyncio.sleep(1)
            assert not exists(plane, WIDGETS, "one")
            assert plane.find("one") is None
            assert plane.find("two") is not None
            plane.direct.delete(CRDS, "", "widgets.example.com")
            await asyncio.sleep(1)
            assert plane.find("two") is None

    on_virtual_time(main)
