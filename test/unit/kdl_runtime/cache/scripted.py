"""Objects and a scripted API for the tests of the cache."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kdl_runtime.cache.collection import Page
from kdl_runtime.clock import LoopClock
from kdl_runtime.codec.json import Raw, RawList, WatchEvent, encode, split_list


def pod(name: str, version: int | str, *, uid: str = "", namespace: str = "ns", **metadata: Any) -> dict[str, Any]:
    """A pod; its UID follows from its name unless said otherwise."""
    known = {"name": name, "namespace": namespace, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": known | metadata}


def event(type_: str, obj: Mapping[str, Any]) -> WatchEvent:
    return WatchEvent(type_, Raw(encode(obj)))


def bookmark(version: int | str, *, end: bool = False) -> WatchEvent:
    annotations = {"k8s.io/initial-events-end": "true"} if end else {}
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version), "annotations": annotations}})


def page(version: int | str, *items: Mapping[str, Any], more: str = "") -> RawList:
    return split_list(encode({"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)}))


@dataclass(frozen=True)
class Silence:
    """The stream says nothing for ``seconds``."""

    seconds: float


Line = WatchEvent | Exception | Silence

Answer = RawList | Callable[[], RawList] | Sequence[Line] | Exception


@dataclass
class ScriptedCollection:
    """Answers each request with the next of ``answers``: a page, what is called for one, the lines of a watch, or an
    error.

    ``requests`` lists what was asked: ("list", version, limit, continue) or ("watch", version, initial).
    """

    answers: list[Answer]
    requests: list[tuple[Any, ...]] = field(default_factory=list)
    open_watches: int = 0
    clock: LoopClock = field(default_factory=lambda: LoopClock(datetime(2026, 1, 31, tzinfo=UTC)))

    async def wait_served(self) -> None:
        self.requests.append(("wait",))

    async def list(self, page: Page) -> RawList:
        self.requests.append(("list", *page))
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, RawList), f"a list was asked for and {answer} is next"
        return answer

    @asynccontextmanager
    async def watch(
        self, resource_version: str, *, timeout_seconds: int, initial_events: bool
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        assert 300 <= timeout_seconds < 600
        self.requests.append(("watch", resource_version, initial_events))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Sequence), "a watch was asked for and a page is next"
        self.open_watches += 1
        try:
            yield self._lines(answer)
        finally:
            self.open_watches -= 1

    async def _lines(self, lines: Sequence[Line]) -> AsyncIterator[WatchEvent]:
        for line in lines:
            if isinstance(line, Silence):
                await self.clock.sleep(line.seconds)
            elif isinstance(line, Exception):
                raise line
            else:
                yield line
