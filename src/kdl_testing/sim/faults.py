"""What may go wrong, as data: a ``Fault`` is drawn from a seed, shown, left out, and played again."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kdl_local.apiserver.faults import (
    NO_REQUEST_FAULT,
    NO_WATCH_FAULT,
    FaultRates,
    RandomFaults,
    RequestFault,
    WatchFault,
)
from kdl_local.apiserver.request import Request
from kdl_runtime.errors import ApiError, Conflict, TooManyRequests
from kdl_testing.sim.wire import WireFault


class FaultKind(StrEnum):
    """For ``span`` seconds, or once. What ``amount`` is depends on the kind."""

    TOO_MANY_REQUESTS = "too-many-requests"
    """429 with Retry-After, at the rate ``amount``. So with those below."""
    INTERNAL_ERROR = "internal-error"
    CONFLICT = "conflict"
    REFUSED = "refused"
    """The connection breaks before the request is carried out."""
    LOST_ANSWER = "lost-answer"
    """The connection breaks after the request has been carried out."""
    EXPIRED_WATCH = "expired-watch"
    """A watch that resumes is 410 Expired."""
    DROPPED_WATCH = "dropped-watch"
    """The server ends watches within ten seconds."""

    LATENCY = WireFault.LATENCY.value
    PAUSE = WireFault.PAUSE.value
    SILENCE = WireFault.SILENCE.value
    LAG = WireFault.LAG.value
    STALE_LISTS = WireFault.STALE_LISTS.value
    NO_STREAMED_LISTS = WireFault.NO_STREAMED_LISTS.value
    NO_END_OF_LIST = WireFault.NO_END_OF_LIST.value
    EXPIRED_PAGES = WireFault.EXPIRED_PAGES.value
    BOOKMARKS = WireFault.BOOKMARKS.value
    GARBAGE = WireFault.GARBAGE.value
    FRAGMENTS = WireFault.FRAGMENTS.value

    CRASH = "crash"
    """A process is killed, and is away for ``span``."""
    STOP = "stop"
    """A process is asked to stop."""
    CUT = "cut"
    """A process reaches no API server."""
    BLOCK = "block"
    """Nothing at all can run: a loop that computes."""
    OVERLAP = "overlap"
    """A leader cannot renew its lease, and learns ``amount`` seconds late that it has lost it: others lead already."""
    GAP = "gap"
    """Watches end, and when they come back the history that they have missed is gone."""
    COMPACTION = "compaction"
    """The history is gone: continue tokens and old versions expire."""
    RESTORE = "restore"
    """The store is set back by ``span`` seconds. With ``amount`` 0 resourceVersions go back as well, else forward."""


RATES: Mapping[FaultKind, Callable[[float], FaultRates]] = {
    FaultKind.TOO_MANY_REQUESTS: lambda amount: FaultRates(too_many_requests=amount, retry_after=2),
    FaultKind.INTERNAL_ERROR: lambda amount: FaultRates(internal_error=amount),
    FaultKind.CONFLICT: lambda amount: FaultRates(conflict=amount),
    FaultKind.REFUSED: lambda amount: FaultRates(refused=amount),
    FaultKind.LOST_ANSWER: lambda amount: FaultRates(lost_answer=amount),
    FaultKind.EXPIRED_WATCH: lambda amount: FaultRates(expired_watch=amount),
    FaultKind.DROPPED_WATCH: lambda amount: FaultRates(dropped_watch=amount, watch_span=(0.0, 10.0)),
}
_SECONDS: Mapping[FaultKind, tuple[float, float]] = {
    FaultKind.LATENCY: (0.1, 8.0),
    FaultKind.LAG: (0.5, 10.0),
    FaultKind.BLOCK: (1.0, 40.0),
    FaultKind.OVERLAP: (5.0, 40.0),
}
ALL_FAULTS = frozenset(FaultKind)
LEADERSHIP_FAULTS = frozenset({FaultKind.OVERLAP})
"""Those that do nothing to a process which elects nobody."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``at`` and ``span`` in virtual seconds. ``target``: the number of the process that it hits; those that hit the
    cluster ignore it, and for requests and watches every third one hits all processes."""

    at: float
    kind: FaultKind
    span: float
    target: int = 0
    amount: float = 0.0

    def __str__(self) -> str:
        return f"t={self.at:.1f} {self.kind} for {self.span:.1f} s, amount {self.amount:.2f}, target {self.target}"

    @property
    def subject(self) -> str:
        return ""


def draw_fault(rng: random.Random, kinds: "list[FaultKind]", until: float) -> Fault:
    """One that is over ``until`` then, in virtual seconds."""
    kind = rng.choice(kinds)
    at = rng.uniform(0.5, until * 0.9)
    span = min(rng.choice((2.0, 10.0, 45.0)) * rng.uniform(0.2, 1.0), until - at)
    if kind in _SECONDS:
        amount = rng.uniform(*_SECONDS[kind])
    elif kind in RATES:
        amount = rng.choice((0.1, 0.3, 1.0))
    else:
        amount = float(rng.randrange(2))
    return Fault(at, kind, span, rng.randrange(6), amount)


class ServerFaults:
    """The faults of requests and watches that are in force, for ``ApiServer.faults``. ``effects``: how often each kind
    has met a request or a watch."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self._active: list[RandomFaults] = []

    def begin(self, faults: RandomFaults) -> None:
        self._active.append(faults)

    def end(self, faults: RandomFaults) -> None:
        self._active.remove(faults)

    def request(self, request: Request) -> RequestFault:
        found = NO_REQUEST_FAULT
        for faults in self._active:
            one = faults.request(request)
            if one is not NO_REQUEST_FAULT:
                found = RequestFault(
                    found.latency + one.latency,
                    found.error or one.error,
                    found.refused or one.refused,
                    found.lost or one.lost,
                )
        if found is not NO_REQUEST_FAULT and (kind := _kind_of(found)) is not None:
            self.effects[kind] += 1
        return found

    def watch(self, request: Request) -> WatchFault:
        for faults in self._active:
            one = faults.watch(request)
            if one != NO_WATCH_FAULT:
                self.effects[FaultKind.EXPIRED_WATCH if one.expired else FaultKind.DROPPED_WATCH] += 1
                return one
        return NO_WATCH_FAULT


def _kind_of(fault: RequestFault) -> FaultKind | None:
    """What the server makes of it: a request that is refused gets no error, and one that gets an error is not lost."""
    if fault.refused:
        return FaultKind.REFUSED
    if fault.error is not None:
        return _ERRORS.get(type(fault.error), FaultKind.INTERNAL_ERROR)
    return FaultKind.LOST_ANSWER if fault.lost else None


_ERRORS: Mapping[type[ApiError], FaultKind] = {
    TooManyRequests: FaultKind.TOO_MANY_REQUESTS,
    Conflict: FaultKind.CONFLICT,
}
