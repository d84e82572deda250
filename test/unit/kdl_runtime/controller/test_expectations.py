"""What is awaited, what lowers it, and when it is given up."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kdl_runtime.cache.event import Event, EventType
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.codec.meta import ObjectMeta, OwnerReference, PartialObject
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.expectations import EXPIRY, Expectations
from kdl_runtime.controller.ownership import set_controller_reference
from kdl_runtime.errors import Forbidden, TransportError
from kdl_runtime.resources.registry import CONFIGMAPS, SECRETS
from kdl_runtime.types import Request, Resource
from unit.kdl_runtime.controller.world import World, in_a_world

OWNER = Request("ns", "job")
OTHER = Request("ns", "other")
JOBS = Resource("example.com", "v1", "Job", "jobs")

STEPS: list[tuple[str, Callable[[Expectations], object], bool]] = [
    # what happens one after the other, and whether all has come then
    ("nothing is awaited at first", lambda e: None, True),
    ("a creation is", lambda e: e.expect_creations(OWNER, 2), False),
    ("another owner's child does not matter", lambda e: e.creation_seen(OTHER), False),
    ("one has come", lambda e: e.creation_seen(OWNER), False),
    ("the other has failed", lambda e: e.creation_seen(OWNER), True),
    ("one too many is no credit", lambda e: e.creation_seen(OWNER), True),
    ("a creation after it counts", lambda e: e.expect_creations(OWNER, 1), False),
    ("and another on top of it", lambda e: e.expect_creations(OWNER, 1), False),
    ("one comes", lambda e: e.creation_seen(OWNER), False),
    ("deletions are awaited beside it", lambda e: e.expect_deletions(OWNER, ["u1", "u2"]), False),
    ("the second comes", lambda e: e.creation_seen(OWNER), False),
    ("a deletion begins", lambda e: e.deletion_seen(OWNER, "u1"), False),
    ("and ends: one deletion, not two", lambda e: e.deletion_seen(OWNER, "u1"), False),
    ("of somebody else", lambda e: e.deletion_seen(OWNER, "u3"), False),
    ("the other deletion", lambda e: e.deletion_seen(OWNER, "u2"), True),
    ("awaited again", lambda e: e.expect_creations(OWNER, 5), False),
    ("forgotten with the owner", lambda e: e.forget(OWNER), True),
]


def test_step_by_step(manual_clock: Any) -> None:
    expectations = Expectations(manual_clock)
    for what, step, satisfied in STEPS:
        step(expectations)
        manual_clock.advance(1)
        assert expectations.satisfied(OWNER) is satisfied, what
    assert len(expectations) == 0


def test_what_does_not_come_is_given_up_after_five_minutes(manual_clock: Any) -> None:
    expectations = Expectations(manual_clock)
    expectations.expect_creations(OWNER, 1)
    manual_clock.advance(EXPIRY - 1)
    expectations.expect_creations(OWNER, 1)
    assert not expectations.satisfied(OWNER)
    manual_clock.advance(2)
    assert expectations.satisfied(OWNER)
    expectations.expect_creations(OWNER, 1)
    manual_clock.advance(EXPIRY + 1)
    expectations.expect_deletions(OWNER, ["u"])
    assert not expectations.satisfied(OWNER)
    expectations.deletion_seen(OWNER, "u")
    assert expectations.satisfied(OWNER), "what had expired does not come back"


def child(uid: str, owner: str = "job", *, kind: str = "Job", group: str = "example.com", **meta: Any) -> PartialObject:
    references = (OwnerReference(f"{group}/v1", kind, owner, "o", controller=True),)
    return PartialObject("v1", "Pod", ObjectMeta(uid, "ns", uid, owner_references=references, **meta))


GOING = {"deletion_timestamp": "2026-01-31T12:00:00Z"}
LIVING, DYING = child("u1"), child("u1", **GOING)


@pytest.mark.parametrize(
    ("event", "creations", "deletions"),
    [
        (Event(EventType.ADDED, None, LIVING), 1, 0),
        (Event(EventType.ADDED, None, DYING), 0, 1),
        (Event(EventType.MODIFIED, LIVING, LIVING), 0, 0),
        (Event(EventType.MODIFIED, LIVING, DYING), 0, 1),
        (Event(EventType.DELETED, LIVING, None), 0, 1),
        (Event(EventType.ADDED, None, child("u1", "other")), 0, 0),
        (Event(EventType.ADDED, None, child("u1", kind="Task")), 0, 0),
        (Event(EventType.ADDED, None, child("u1", group="batch")), 0, 0),
        (Event(EventType.ADDED, None, PartialObject()), 0, 0),
    ],
)
def test_events_of_children_lower_what_is_awaited(
    event: Event[Any], creations: int, deletions: int, manual_clock: Any
) -> None:
    awaits_creation, awaits_deletion = Expectations(manual_clock), Expectations(manual_clock)
    awaits_creation.expect_creations(OWNER, 1)
    awaits_deletion.expect_deletions(OWNER, ["u1"])
    for expectations in (awaits_creation, awaits_deletion):
        expectations.observer(JOBS)(event)
    assert awaits_creation.satisfied(OWNER) is bool(creations)
    assert awaits_deletion.satisfied(OWNER) is bool(deletions)


@pytest.mark.parametrize("error", [Forbidden("no"), TransportError("cut"), asyncio.CancelledError()])
async def test_what_has_failed_is_not_awaited(error: BaseException, manual_clock: Any) -> None:
    expectations = Expectations(manual_clock)
    with pytest.raises(type(error)):
        async with expectations.creation(OWNER):
            assert not expectations.satisfied(OWNER)
            raise error
    assert expectations.satisfied(OWNER)
    with pytest.raises(type(error)):
        async with expectations.deletion(OWNER, "u1"):
            assert not expectations.satisfied(OWNER)
            raise error
    assert expectations.satisfied(OWNER)
    async with expectations.deletion(OWNER, "u1"):
        pass
    assert not expectations.satisfied(OWNER)


def test_children_with_generated_names_are_made_once() -> None:
    """The writer is another client, whose writes the cache sees only when their events come."""

    async def body(world: World) -> None:
        maps = world.manager.cache.declare(WatchSpec(CONFIGMAPS))
        secrets = world.manager.cache.declare(WatchSpec(SECRETS))
        expectations = Expectations(world.clock)
        secrets.add_handler(expectations.observer(CONFIGMAPS))
        asked_for: list[int] = []

        async def reconcile(request: Request) -> None:
            owner = maps.object(request)
            if owner is None or len(asked_for) == 3:
                return
            missing = 3 - len(secrets.list())
            asked_for.append(missing if expectations.satisfied(request) else 0)
            for _ in range(asked_for[-1]):
                secret: dict[str, Any] = {"metadata": {"namespace": "default", "generateName": "a-"}}
                set_controller_reference(owner, CONFIGMAPS, secret)
                async with expectations.creation(request):
                    await world.stranger.create(SECRETS, secret)
            controller.enqueue(request)

        controller = Controller("c", reconcile).for_(maps).owns(secrets)
        world.manager.add(controller)
        await world.start()
        await world.stranger.create(CONFIGMAPS, {"metadata": {"namespace": "default", "name": "a"}})
        await world.clock.sleep(5)
        assert len(asked_for) == 3
        assert sum(asked_for) == 3
        assert len(await world.stranger.list(SECRETS)) == 3

    in_a_world(body)
