"""The watcher as a table: what the API answers, what is asked of it, and what the sink is told."""

import asyncio
import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from kdl_runtime.cache.collection import Decoded, WatchEnvironment, WatcherOptions
from kdl_runtime.cache.decode import ObjectDecoder
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.cache.transitions import State
from kdl_runtime.cache.watcher import YIELD_EVERY, Watcher
from kdl_runtime.codec.json import RawList
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import (
    Expired,
    Forbidden,
    InternalError,
    Invalid,
    NotFound,
    Timeout,
    TooManyRequests,
    TransportError,
)
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey
from kdl_testing.virtual_time import run
from unit.kdl_runtime.cache.scripted import Line, ScriptedCollection, Silence, bookmark, event, page, pod

STREAM = [("watch", "", True)]
EXPIRED = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


class Projection(PartialObject, frozen=True):
    spec: dict[str, int] | None = None


SPEC = WatchSpec(PODS, Projection)


class RecordingSink:
    def __init__(self) -> None:
        self.told: list[Any] = []

    async def replace(
        self, items: Iterable[Decoded[Projection]], kept: Mapping[ObjectKey, str], resource_version: str
    ) -> bool:
        names = [item.obj.metadata.name for item in items]
        self.told.append(("replace", names + [f"?{key.name}" for key in kept], resource_version))
        return True

    def apply(self, item: Decoded[Projection]) -> None:
        self.told.append(("apply", item.obj.metadata.name, item.obj.metadata.resource_version))

    def delete(self, gone: PartialObject) -> None:
        self.told.append(("delete", gone.metadata.name))

    def advance(self, resource_version: str) -> None:
        self.told.append(("advance", resource_version))

    def written(self) -> str:
        return ""

    def trust(self, asked: float) -> None: ...

    def rewind(self) -> None:
        self.told.append(("rewind",))


class Run:
    """A watcher that was stepped so often as the script has answers, and a little more for pauses."""

    watcher: Watcher[Projection]

    def __init__(self, answers: Sequence[RawList | Sequence[Line] | Exception], options: WatcherOptions) -> None:
        self.collection = ScriptedCollection(list(answers))
        self.sink = RecordingSink()
        self.metrics = Metrics()
        self.seconds = 0.0
        self.states: list[State] = []
        run(self._main(options))

    async def _main(self, options: WatcherOptions) -> None:
        clock = self.collection.clock
        metrics = self.metrics.for_watch("pods", "pods")
        environment = WatchEnvironment(clock, random.Random(1), metrics, options)
        decoder = ObjectDecoder(SPEC, metrics.undecodable)
        self.watcher = Watcher(self.collection, self.sink, decoder, environment)
        while self.collection.answers or self.watcher.state is State.BACK_OFF or self.collection.open_watches:
            self.states.append(self.watcher.state)
            await self.watcher.step()
        self.states.append(self.watcher.state)
        self.seconds = clock.monotonic()


def stream(*answers: RawList | Sequence[Line] | Exception) -> Run:
    return Run(answers, WatcherOptions())


def listing(*answers: RawList | Sequence[Line] | Exception) -> Run:
    return Run(answers, WatcherOptions(stream_lists=False))


LIVE = [Silence(2)]
"""A watch that lives for a moment, so that its end is no failure."""


def test_a_streamed_list_goes_on_as_a_watch() -> None:
    ran = stream([event("ADDED", pod("a", 1)), bookmark(5, end=True), event("MODIFIED", pod("a", 6))])
    assert ran.collection.requests == STREAM
    assert ran.sink.told == [("replace", ["a"], "5"), ("apply", "a", "6")]
    assert ran.states == [State.STREAM_LIST, State.WATCH, State.WATCH]
    assert ran.watcher.liveness.synced
    assert ran.metrics.value("kdl_runtime_watch_lists_total", resource="pods", watch="pods", mode="stream") == 1


def test_changes_during_a_streamed_list_are_part_of_it() -> None:
    lines = [event("ADDED", pod("a", 1)), event("ADDED", pod("b", 2)), event("MODIFIED", pod("a", 3)), bookmark(3)]
    ran = stream([*lines, event("DELETED", pod("b", 4)), bookmark(5, end=True), *LIVE])
    assert ran.sink.told == [("replace", ["a"], "5")]


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Invalid("sendInitialEvents is forbidden"), id="a server that refuses"),
        pytest.param([event("ADDED", pod("a", 1)), Silence(61)], id="a server that never sends the bookmark"),
        pytest.param([event("ADDED", pod("a", 1))], id="a server that ends the stream early"),
        pytest.param([event("MODIFIED", pod("a", n)) for n in range(3)] + [Silence(59)] * 2, id="no progress"),
    ],
)
def test_without_a_complete_stream_the_watcher_lists_from_then_on(failure: Any) -> None:
    ran = stream(failure, page(5, pod("a", 1)), [*LIVE, EXPIRED], page(9), LIVE)
    assert ran.collection.requests[1:] == [
        ("list", "0", 500, ""),
        ("watch", "5", False),
        ("list", "5", 0, ""),
        ("watch", "9", False),
    ]
    assert ran.sink.told == [("replace", ["a"], "5"), ("replace", [], "9")]


@pytest.mark.parametrize("error", [TooManyRequests("later"), TransportError("connection refused")])
def test_an_unreachable_server_is_asked_again_for_a_stream(error: Exception) -> None:
    ran = stream(error, error, [bookmark(1, end=True), *LIVE])
    assert ran.collection.requests == STREAM * 3
    assert 0.8 + 1.6 <= ran.seconds <= 2 * (0.8 + 1.6) + 2
    assert ran.states[:4] == [State.STREAM_LIST, State.BACK_OFF, State.STREAM_LIST, State.BACK_OFF]


def test_the_server_may_ask_for_a_longer_pause() -> None:
    ran = stream(TooManyRequests("later", retry_after=45), [bookmark(1, end=True), *LIVE])
    assert ran.seconds >= 45


def test_pages_are_one_list() -> None:
    ran = listing(page(5, pod("a", 1), more="t1"), page(5, pod("b", 2), more="t2"), page(5, pod("c", 3)), LIVE)
    assert ran.collection.requests == [
        ("list", "0", 500, ""),
        ("list", "", 500, "t1"),
        ("list", "", 500, "t2"),
        ("watch", "5", False),
    ]
    assert ran.sink.told == [("replace", ["a", "b", "c"], "5")]


def test_a_server_that_pages_from_its_cache_is_asked_for_pages_again() -> None:
    ran = listing(page(5, more="t"), page(5), [*LIVE, EXPIRED], page(9), LIVE)
    assert ran.collection.requests[3] == ("list", "5", 500, "")


def test_an_expired_page_leads_to_a_list_without_pages() -> None:
    ran = listing(page(5, pod("a", 1), more="t"), Expired("token"), page(7, pod("b", 6)), LIVE)
    assert ran.collection.requests[2] == ("list", "", 0, "")
    assert ran.sink.told == [("replace", ["b"], "7")]


def test_an_expired_list_asks_for_the_most_recent_state() -> None:
    ran = listing(page(5), [*LIVE, EXPIRED], Expired("no longer"), page(9), LIVE)
    assert ran.collection.requests[2:4] == [("list", "5", 0, ""), ("list", "", 500, "")]


@pytest.mark.parametrize(
    ("lines", "following"),
    [
        pytest.param([event("ADDED", pod("a", 6)), *LIVE], ("watch", "6", False), id="a clean end"),
        pytest.param([bookmark(8), *LIVE], ("watch", "8", False), id="a bookmark moves the version"),
        pytest.param([event("DELETED", pod("a", 7)), *LIVE], ("watch", "7", False), id="so does a deletion"),
        pytest.param([TransportError("reset")], ("watch", "5", False), id="a broken connection"),
        pytest.param(TooManyRequests("later"), ("watch", "5", False), id="too many requests"),
        pytest.param([], ("watch", "5", False), id="an end at once"),
        pytest.param([Silence(700)], ("watch", "5", False), id="a server that does not end it"),
        pytest.param([bookmark(8), Silence(200)], ("watch", "8", False), id="silence where bookmarks should be"),
        pytest.param([bookmark(8), bookmark(6), *LIVE], ("watch", "8", False), id="bookmarks out of order"),
        pytest.param([bookmark(8), bookmark(8), *LIVE], ("watch", "8", False), id="the same bookmark twice"),
        pytest.param(NotFound("the CRD is gone"), ("wait",), id="no longer served"),
        pytest.param([EXPIRED], ("list", "5", 0, ""), id="expired"),
        pytest.param(Forbidden("not any more"), ("list", "5", 0, ""), id="refused"),
        pytest.param([event("FUTURE", pod("a", 9)), *LIVE], ("watch", "5", False), id="an unknown type is left out"),
    ],
)
def test_what_follows_a_watch(lines: Any, following: tuple[Any, ...]) -> None:
    after: dict[str, list[Any]] = {"list": [page(9)], "watch": [LIVE], "wait": [page(9)]}
    ran = listing(page(5), lines, *after[following[0]])
    assert ran.collection.requests[2] == following


def test_a_kind_that_is_not_served_is_waited_for_and_listed_anew() -> None:
    ran = stream(NotFound("no such kind"), [bookmark(5, end=True), *LIVE], NotFound("deleted"), page(9), LIVE)
    assert ran.collection.requests[:3] == [*STREAM, ("wait",), *STREAM]
    again = stream([bookmark(5, end=True), *LIVE], NotFound("deleted"), [bookmark(9, end=True), *LIVE])
    assert again.collection.requests == [*STREAM, ("watch", "5", False), ("wait",), *STREAM]
    assert State.NOT_SERVED in again.states


def test_silence_again_and_again_leads_to_a_list() -> None:
    """A server whose data were restored may wait in silence for a version that it never reaches."""
    ran = listing(page(5), [bookmark(8), Silence(200)], [Silence(200)], page(9), LIVE)
    assert [request[0] for request in ran.collection.requests] == ["list", "watch", "watch", "list", "watch"]


def test_a_list_from_the_past_is_asked_for_again_before_it_counts() -> None:
    ran = listing(page(5, pod("a", 5)), [EXPIRED], page(4, pod("a", 3)), page(6, pod("a", 6)), LIVE)
    assert ran.collection.requests[2:4] == [("list", "5", 0, ""), ("list", "", 500, "")]
    assert ran.sink.told == [("replace", ["a"], "5"), ("replace", ["a"], "6")]


def test_data_that_went_back_are_told_as_such() -> None:
    ran = listing(
        page(500, pod("a", 500)), [EXPIRED], page(4), page(4, pod("a", 3)), [event("ADDED", pod("b", 5)), *LIVE]
    )
    assert ran.sink.told == [
        ("replace", ["a"], "500"),
        ("rewind",),
        ("replace", ["a"], "4"),
        ("apply", "b", "5"),
    ]
    assert ran.collection.requests[4] == ("watch", "4", False)


def test_a_version_that_the_server_will_not_reach_leads_to_the_most_recent_state() -> None:
    too_large = Timeout("Too large resource version: 500, current: 4")
    ran = stream([bookmark(500, end=True), *LIVE], [EXPIRED], too_large, [bookmark(4, end=True), *LIVE])
    assert ran.collection.requests[2:4] == [("watch", "500", True), ("watch", "", True)]
    assert ran.sink.told[1:] == [("rewind",), ("replace", [], "4")]


def test_a_lost_watch_is_lost_until_it_is_open_for_a_moment() -> None:
    ran = listing(page(5), *[TransportError("refused")] * 3, LIVE)
    liveness = ran.watcher.liveness
    assert liveness.lost_for(ran.seconds) == 0.0
    broken = listing(page(5), LIVE, *[TransportError("refused")] * 3).watcher.liveness
    assert broken.failing_since is not None
    assert broken.lost_for(broken.failing_since + 30) == 30
    broken.opened_at = broken.failing_since + 29
    assert broken.lost_for(broken.failing_since + 30) == 30
    assert broken.lost_for(broken.failing_since + 40) == 0.0


def test_a_watch_that_ends_at_once_is_a_failure_that_backs_off() -> None:
    ran = listing(page(5), [], [], LIVE)
    assert ran.states.count(State.BACK_OFF) == 2
    assert (
        ran.metrics.value("kdl_runtime_watch_errors_total", resource="pods", watch="pods", reason="ShortWatchError")
        == 2
    )


def test_failures_without_an_event_lead_to_a_list() -> None:
    ran = listing(page(5), *[InternalError("broken")] * 3, *[[TransportError("reset")]] * 2, page(9), LIVE)
    assert [request[0] for request in ran.collection.requests] == ["list", *["watch"] * 5, "list", "watch"]


def test_watches_that_bring_not_even_a_bookmark_lead_to_a_list() -> None:
    quiet: list[Line] = [bookmark(6), *LIVE]
    ran = listing(page(5), LIVE, quiet, LIVE, LIVE, page(9), LIVE)
    assert [request[0] for request in ran.collection.requests] == ["list", *["watch"] * 4, "list", "watch"]
    assert ran.watcher.liveness.error == ""


def test_a_server_that_is_away_for_long_is_not_listed_again() -> None:
    ran = listing(page(5), *[TransportError("refused"), TooManyRequests("later")] * 10, LIVE)
    assert [request[0] for request in ran.collection.requests] == ["list", *["watch"] * 21]
    assert ran.seconds > 20 * 15


def test_an_event_ends_a_row_of_failures() -> None:
    broken = InternalError("broken")
    ran = listing(page(5), *[broken] * 4, [bookmark(6), *LIVE], *[broken] * 4, LIVE)
    assert [request[0] for request in ran.collection.requests] == ["list", *["watch"] * 10]
    assert ran.watcher.liveness.error == ""


def test_one_undecodable_object_stops_nothing() -> None:
    bad = pod("bad", 2) | {"spec": "no mapping"}
    ran = listing(page(5, pod("a", 1), bad), [event("ADDED", bad), event("ADDED", pod("b", 6)), *LIVE], LIVE)
    assert ran.sink.told == [("replace", ["a", "?bad"], "5"), ("apply", "b", "6")]
    assert ran.metrics.value("kdl_runtime_undecodable_objects_total", resource="pods", watch="pods") == 2


def test_a_deletion_needs_no_more_than_the_metadata() -> None:
    ran = listing(page(5), [event("DELETED", pod("bad", 6) | {"spec": "no mapping"}), *LIVE])
    assert ran.sink.told[1:] == [("delete", "bad")]


def test_what_the_sink_raises_leads_to_a_new_list() -> None:
    class Broken(RecordingSink):
        def apply(self, item: Decoded[Projection]) -> None:
            raise RuntimeError("a bug")

    async def main() -> None:
        collection = ScriptedCollection([page(5), [event("ADDED", pod("a", 6))]])
        metrics = Metrics().for_watch("pods", "pods")
        options = WatcherOptions(stream_lists=False)
        environment = WatchEnvironment(collection.clock, random.Random(1), metrics, options)
        watcher = Watcher(collection, Broken(), ObjectDecoder(SPEC, metrics.undecodable), environment)
        await watcher.step()
        await watcher.step()
        failed = watcher.state
        assert "a bug" in watcher.liveness.error
        await watcher.step()
        assert (failed, watcher.state) == (State.BACK_OFF, State.LIST)

    run(main())


def test_a_burst_lets_other_tasks_run() -> None:
    async def main() -> None:
        burst = [event("ADDED", pod(f"p{number}", number + 10)) for number in range(5 * YIELD_EVERY)]
        collection = ScriptedCollection([page(5), burst])
        metrics = Metrics().for_watch("pods", "pods")
        environment = WatchEnvironment(collection.clock, random.Random(1), metrics, WatcherOptions(stream_lists=False))
        sink = RecordingSink()
        watcher = Watcher(collection, sink, ObjectDecoder(SPEC, metrics.undecodable), environment)
        await watcher.step()
        seen: list[int] = []

        async def other() -> None:
            while True:
                seen.append(len(sink.told))
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await watcher.step()
        task.cancel()
        gaps = [after - before for before, after in itertools.pairwise(seen)]
        assert max(gaps) <= YIELD_EVERY + 1
        assert len(seen) >= 5

    run(main())


def test_raw_bytes_do_not_keep_the_answer_alive() -> None:
    answer = page(5, pod("a", 1), pod("b", 2))
    kept: list[Decoded[Projection]] = []

    class Keeping(RecordingSink):
        async def replace(
            self, items: Iterable[Decoded[Projection]], _kept: Mapping[ObjectKey, str], resource_version: str
        ) -> bool:
            kept.extend(items)
            return True

    async def main() -> None:
        collection = ScriptedCollection([answer])
        metrics = Metrics().for_watch("pods", "pods")
        environment = WatchEnvironment(collection.clock, random.Random(1), metrics, WatcherOptions(stream_lists=False))
        watcher = Watcher(collection, Keeping(), ObjectDecoder(SPEC, metrics.undecodable), environment)
        await watcher.step()

    run(main())
    first, second = kept
    assert type(first.raw) is bytes
    assert type(second.raw) is bytes
    assert msgspec.json.decode(second.raw)["metadata"]["name"] == "b"
    assert first.obj.kind == "Pod"
    assert first.obj.api_version == "v1"
