"""The recorder against a local API server, on virtual time."""

import asyncio
import random
from typing import Any

import pytest

from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.events.recorder import EventRecorder, event_name, object_reference
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import EVENTS
from unit.kdl_runtime.controller.world import World, in_a_world

JOB = PartialObject("example.com/v1", "Job", ObjectMeta(name="j", namespace="default", uid="u"))


class Recording:
    def __init__(self, world: World) -> None:
        self.world = world
        self.metrics = Metrics()
        self.recorder = EventRecorder(world.client, world.clock, random.Random(1), "example.com/op", "host")
        self.recorder.metrics = self.metrics
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Recording":
        self.task = asyncio.create_task(self.recorder.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def events(self) -> list[dict[str, Any]]:
        return await self.world.stranger.list(EVENTS)

    def count(self, result: str) -> float | None:
        return self.metrics.value("kdl_runtime_events_total", result=result)


def test_an_event_is_written_with_its_series() -> None:
    async def body(world: World) -> None:
        async with Recording(world) as recording:
            recording.recorder.event(JOB, "Normal", "Created", "it was created", related={"kind": "Pod"})
            await world.clock.sleep(1)
            (event,) = await recording.events()
            assert event["note"] == "it was created"
            assert event["action"] == "Created"
            assert event["regarding"]["uid"] == "u"
            assert event["related"] == {"kind": "Pod"}
            assert event["reportingController"] == "example.com/op"
            assert "series" not in event
            for _ in range(4):
                recording.recorder.event(JOB, "Normal", "Created", "it was created", related={"kind": "Pod"})
                await world.clock.sleep(1)
            (event,) = await recording.events()
            assert event["series"]["count"] == 2
            await world.clock.sleep(600)
            (event,) = await recording.events()
            assert event["series"]["count"] == 5
            assert recording.count("written") == 3

    in_a_world(body)


def test_flush_writes_what_is_left() -> None:
    async def body(world: World) -> None:
        async with Recording(world) as recording:
            for _ in range(7):
                recording.recorder.event(JOB, "Warning", "Failed", "it failed")
            assert await recording.recorder.flush(5)
            (event,) = await recording.events()
            assert event["series"]["count"] == 7

    in_a_world(body)


def test_an_outage_delays_events_and_flush_gives_up_in_time() -> None:
    async def body(world: World) -> None:
        async with Recording(world) as recording:
            world.transport.sever()
            recording.recorder.event(JOB, "Normal", "Created", "late")
            await world.clock.sleep(25)
            world.transport.heal()
            await world.clock.sleep(10)
            assert [event["note"] for event in await recording.events()] == ["late"]
            world.transport.sever()
            recording.recorder.event(JOB, "Normal", "Created", "lost")
            await world.clock.sleep(1)
            before = world.clock.monotonic()
            assert not await recording.recorder.flush(3)
            assert world.clock.monotonic() - before == pytest.approx(3)

    in_a_world(body)


def test_too_many_events_are_dropped_and_counted() -> None:
    async def body(world: World) -> None:
        recording = Recording(world)
        for number in range(2000):
            recording.recorder.event(JOB, "Normal", f"Reason{number}", "note")
        dropped = recording.count("dropped") or 0
        assert dropped >= 1000
        async with recording:
            assert await recording.recorder.flush(60)
        assert len(await recording.events()) == 2000 - dropped

    in_a_world(body)


def test_a_refused_event_is_lost_and_counted() -> None:
    async def body(world: World) -> None:
        async with Recording(world) as recording:
            elsewhere = PartialObject("v1", "Pod", ObjectMeta(name="p", namespace="no-such-namespace"))
            recording.recorder.event(elsewhere, "Normal", "Created", "note")
            await world.clock.sleep(1)
            assert recording.count("failed") == 1
            assert await recording.events() == []

    in_a_world(body)


def test_the_type_is_checked() -> None:
    async def body(world: World) -> None:
        with pytest.raises(ValueError, match="event type 'Error' must be Normal or Warning"):
            Recording(world).recorder.event(JOB, "Error", "Created", "note")

    in_a_world(body)


def test_a_reason_is_needed() -> None:
    async def body(world: World) -> None:
        with pytest.raises(ValueError, match="an event needs a reason: one UpperCamelCase word for 'note'"):
            Recording(world).recorder.event(JOB, "Normal", "", "note")

    in_a_world(body)


def test_what_is_too_long_is_cut_to_what_the_api_takes() -> None:
    async def body(world: World) -> None:
        async with Recording(world) as recording:
            recording.recorder.event(JOB, "Normal", "R" * 500, "n" * 5000, action="A" * 500)
            await world.clock.sleep(1)
            (event,) = await recording.events()
            assert [len(event[field]) for field in ("reason", "action", "note")] == [128, 128, 1024]
            assert recording.count("written") == 1

    in_a_world(body)


def test_references_and_names() -> None:
    metadata = {"name": "j", "namespace": "default", "uid": "u"}
    as_dict = {"apiVersion": "example.com/v1", "kind": "Job", "metadata": metadata}
    assert object_reference(JOB) == object_reference(as_dict)
    assert event_name("My_Job", 255) == "my-job.00000000000000ff"
    assert len(event_name("x" * 300, 1)) == 253
    assert event_name("", 1).startswith("event.")


def test_an_event_that_cannot_be_written_stops_no_other() -> None:
    async def body(world: World) -> None:
        async with Recording(world) as recording:
            for number in range(8):
                recording.recorder.event(JOB, "Normal", f"Broken{number}", "half a character: \ud83d")
            await world.clock.sleep(1)
            assert recording.count("failed") == 8
            for number in range(8):
                recording.recorder.event(JOB, "Normal", f"Whole{number}", "a character: \U0001f600")
            await world.clock.sleep(1)
            assert {event["reason"] for event in await recording.events()} == {f"Whole{number}" for number in range(8)}

    in_a_world(body)
