"""What goes wrong between the processes and the API server, and on servers that lag behind the others."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kdl_local.apiserver.pages import too_large
from kdl_local.apiserver.request import Request
from kdl_runtime.errors import ApiError, BadRequest, Expired

_BOOKMARK = b'{"type":"BOOKMARK"'
_INITIAL_EVENTS_END = b"k8s.io/initial-events-end"


class WireFault(StrEnum):
    """What a ``Trouble`` does while it lasts."""

    LATENCY = "latency"
    """A request, and its answer, each take up to ``amount`` seconds."""
    PAUSE = "pause"
    """Nothing is answered; what was asked is done once it is over, whoever waits for it."""
    SILENCE = "silence"
    """Watches that are open, or opened meanwhile, stay open and never say anything more."""
    LAG = "lag"
    """Every event of a watch comes ``amount`` seconds late."""
    STALE_LISTS = "stale-lists"
    """Lists that any version may serve are as of the revision ``amount``: another server answers, which lags."""
    NO_STREAMED_LISTS = "no-streamed-lists"
    """A watch that is to begin with the present objects is refused, as by an old server."""
    NO_END_OF_LIST = "no-end-of-list"
    """A streamed list never gets the bookmark that ends it."""
    EXPIRED_PAGES = "expired-pages"
    """Lists come in pages, if the client wants some, and the second page is always 410 Expired."""
    BOOKMARKS = "bookmarks"
    """Bookmarks come twice, again, and after events that are newer than they are."""
    GARBAGE = "garbage"
    """Lines of a watch are broken off in their middle."""
    FRAGMENTS = "fragments"
    """A watch arrives in pieces that know nothing of lines."""


OF_LISTS = frozenset(
    {WireFault.STALE_LISTS, WireFault.NO_STREAMED_LISTS, WireFault.NO_END_OF_LIST, WireFault.EXPIRED_PAGES}
)


@dataclass(frozen=True, slots=True, eq=False)
class Trouble:
    """One fault while it lasts. ``user`` is whom it concerns, with all whose names begin with it and a slash; "" is
    everybody. While it is one of lists, the first watch that resumes on each collection is 410 Expired: else there
    would be no list that it could meet."""

    kind: WireFault
    user: str = ""
    amount: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    over: asyncio.Event = field(default_factory=asyncio.Event)
    listed_anew: set[tuple[str, str]] = field(default_factory=set)
    """Who had to list which collection anew because of it."""

    def concerns(self, user: str) -> bool:
        return not self.user or user == self.user or user.startswith(f"{self.user}/")


@dataclass(slots=True, eq=False)
class _Stream:
    user: str
    silent: bool = False
    held: bytes = b""
    """Bookmarks that are to come after what comes next."""
    last_bookmark: bytes = b""


class Wire:
    """Carries requests and answers. Without a trouble it does nothing.

    ``effects``: how often each kind of trouble has met anything. ``longest_pause``: seconds that somebody has waited
    for the end of a pause.
    """

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.longest_pause = 0.0
        self._troubles: list[Trouble] = []
        self._streams: dict[_Stream, None] = {}

    def begin(self, trouble: Trouble) -> None:
        self._troubles.append(trouble)
        if trouble.kind is WireFault.SILENCE:
            for stream in self._streams:
                stream.silent = stream.silent or trouble.concerns(stream.user)

    def end(self, trouble: Trouble) -> None:
        self._troubles.remove(trouble)
        trouble.over.set()

    async def pass_on(self, user: str) -> None:
        """Returns when a request, or a piece of an answer, gets through."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while (pause := self._find(WireFault.PAUSE, user)) is not None:
            self.effects[WireFault.PAUSE] += 1
            await pause.over.wait()
            self.longest_pause = max(self.longest_pause, loop.time() - begin)

    def delay(self, user: str) -> float:
        """Seconds that a request, or an answer, is late."""
        latency = self._meet(WireFault.LATENCY, user)
        return latency.rng.uniform(0.0, latency.amount) if latency is not None else 0.0

    def altered(self, request: Request) -> Request | ApiError:
        """What reaches a server of a request that reads, or the refusal of one that lags or is old."""
        if not self._troubles or not request.query:
            return request
        user, version = request.user, request.param("resourceVersion")
        if request.flag("watch"):
            if "sendInitialEvents" in request.query and self._meet(WireFault.NO_STREAMED_LISTS, user):
                return BadRequest("sendInitialEvents is not known here (injected)")
            if version not in ("", "0") and "sendInitialEvents" not in request.query and self._forgets(request):
                return Expired("too old resource version (injected)")
            return request
        if request.param("continue"):
            if self._meet(WireFault.EXPIRED_PAGES, user):
                return Expired("The provided continue parameter is too old (injected)")
            return request
        if version not in ("", "0") and self._find(WireFault.EXPIRED_PAGES, user):
            # What is as of a known version comes in one answer: only the newest state comes in pages.
            return Expired("too old resource version (injected)")
        stale = self._find(WireFault.STALE_LISTS, user)
        if stale is None or not version or request.param("resourceVersionMatch"):
            return request
        self.effects[WireFault.STALE_LISTS] += 1
        known = int(stale.amount)
        if int(version) > known:
            return too_large(int(version), known)
        query = {**request.query, "resourceVersion": [str(known)], "resourceVersionMatch": ["Exact"]}
        query.pop("limit", None)
        return replace(request, query=query)

    async def carry(self, user: str, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """A stream as it arrives."""
        stream = _Stream(user, silent=self._find(WireFault.SILENCE, user) is not None)
        self._streams[stream] = None
        try:
            async for chunk in body:
                if self._troubles or stream.silent or stream.held:
                    for piece in await self._arriving(stream, chunk):
                        yield piece
                else:
                    yield chunk
            if stream.silent:
                # Nobody tells that the connection is gone, either.
                await asyncio.Event().wait()
        finally:
            self._streams.pop(stream, None)
            await body.aclose()

    def _find(self, kind: WireFault, user: str) -> Trouble | None:
        for trouble in self._troubles:
            if trouble.kind is kind and trouble.concerns(user):
                return trouble
        return None

    def _forgets(self, request: Request) -> bool:
        asked = (request.user, request.path)
        for trouble in self._troubles:
            if trouble.kind in OF_LISTS and trouble.concerns(request.user) and asked not in trouble.listed_anew:
                trouble.listed_anew.add(asked)
                return True
        return False

    def _meet(self, kind: WireFault, user: str) -> Trouble | None:
        """The trouble that there is, and that has an effect now."""
        trouble = self._find(kind, user)
        if trouble is not None:
            self.effects[kind] += 1
        return trouble

    async def _arriving(self, stream: _Stream, chunk: bytes) -> list[bytes]:
        lag = self._meet(WireFault.LAG, stream.user)
        if lag is not None:
            await asyncio.sleep(lag.amount)
        await self.pass_on(stream.user)
        if stream.silent:
            self.effects[WireFault.SILENCE] += 1
            return []
        if _INITIAL_EVENTS_END in chunk and self._meet(WireFault.NO_END_OF_LIST, stream.user):
            chunk = b"".join(line for line in chunk.splitlines(keepends=True) if _INITIAL_EVENTS_END not in line)
        bookmarks = self._find(WireFault.BOOKMARKS, stream.user)
        if bookmarks is not None or stream.held:
            arrived = _disordered(stream, chunk, bookmarks)
            self.effects[WireFault.BOOKMARKS] += arrived != chunk
            chunk = arrived
        if chunk and self._meet(WireFault.GARBAGE, stream.user):
            last = chunk.rfind(b"\n", 0, -1) + 1
            return [chunk[: last + (len(chunk) - last) // 2] + b"\n"]
        fragments = self._meet(WireFault.FRAGMENTS, stream.user) if len(chunk) > 1 else None
        if fragments is not None:
            cut = fragments.rng.randrange(1, len(chunk))
            return [chunk[:cut], chunk[cut:]]
        return [chunk] if chunk else []


def _disordered(stream: _Stream, chunk: bytes, trouble: Trouble | None) -> bytes:
    lines: list[bytes] = []
    for line in chunk.splitlines(keepends=True):
        if not line.startswith(_BOOKMARK) or _INITIAL_EVENTS_END in line:
            lines.append(line)
            if stream.held:
                lines.append(stream.held)
                stream.held = b""
            continue
        choice = trouble.rng.randrange(4) if trouble is not None else 0
        earlier, stream.last_bookmark = stream.last_bookmark, line
        if choice == 1:
            lines += [line, line]
        elif choice == 2 and earlier:
            lines += [line, earlier]
        elif choice == 3:
            stream.held += line
        else:
            lines.append(line)
    return b"".join(lines)
