"""Faults on purpose: what real servers and networks do now and then, drawn from an injected generator."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kdl_local.apiserver.request import Request
from kdl_runtime.errors import ApiError, Conflict, InternalError, TooManyRequests


@dataclass(frozen=True, slots=True)
class RequestFault:
    """``latency`` in seconds before anything else. ``error`` is answered in place of doing anything.

    ``refused``: the connection breaks before the request is carried out; ``lost``: after it, so that the client does
    not learn what became of it.
    """

    latency: float = 0.0
    error: ApiError | None = None
    refused: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class WatchFault:
    """``expired``: the resourceVersion is declared too old. ``drop_after``, ``silent_after``: seconds after which the
    watch ends, or stays open and says nothing more; None for never.
    """

    expired: bool = False
    drop_after: float | None = None
    silent_after: float | None = None


NO_REQUEST_FAULT = RequestFault()
NO_WATCH_FAULT = WatchFault()


class Faults(Protocol):
    """Asked once for every request, and once more for every watch."""

    def request(self, request: Request) -> RequestFault: ...

    def watch(self, request: Request) -> WatchFault: ...


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Probabilities from 0 to 1, per request and per watch; spans of seconds are drawn evenly.

    ``conflict`` concerns PUT and PATCH, ``expired_watch`` watches that resume from a resourceVersion.
    """

    latency: tuple[float, float] = (0.0, 0.0)
    too_many_requests: float = 0.0
    retry_after: int = 1
    internal_error: float = 0.0
    conflict: float = 0.0
    refused: float = 0.0
    lost_answer: float = 0.0
    expired_watch: float = 0.0
    dropped_watch: float = 0.0
    silent_watch: float = 0.0
    watch_span: tuple[float, float] = (0.0, 60.0)


def _everything(_: Request) -> bool:
    return True


class RandomFaults:
    """Faults at given rates, for the requests that ``applies`` picks. The same seed gives the same faults in turn.

    ``rates`` may be replaced at any time, for instance by ``FaultRates()`` to let things settle.
    """

    def __init__(self, rng: random.Random, rates: FaultRates, applies: Callable[[Request], bool] = _everything) -> None:
        self.rates = rates
        self._rng = rng
        self._applies = applies

    def request(self, request: Request) -> RequestFault:
        if not self._applies(request):
            return NO_REQUEST_FAULT
        rates = self.rates
        return RequestFault(
            latency=self._rng.uniform(*rates.latency) if rates.latency[1] else 0.0,
            error=self._error(request),
            refused=self._happens(rates.refused),
            lost=self._happens(rates.lost_answer),
        )

    def watch(self, request: Request) -> WatchFault:
        if not self._applies(request):
            return NO_WATCH_FAULT
        rates = self.rates
        return WatchFault(
            expired=bool(request.param("resourceVersion")) and self._happens(rates.expired_watch),
            drop_after=self._rng.uniform(*rates.watch_span) if self._happens(rates.dropped_watch) else None,
            silent_after=self._rng.uniform(*rates.watch_span) if self._happens(rates.silent_watch) else None,
        )

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self._rng.random() < rate

    def _error(self, request: Request) -> ApiError | None:
        rates = self.rates
        if self._happens(rates.too_many_requests):
            return TooManyRequests(
                "the server has received too many requests and has asked us to try again later",
                retry_after=rates.retry_after,
            )
        if self._happens(rates.internal_error):
            return InternalError("an error on the server (injected) has prevented the request from succeeding")
        if request.method in ("PUT", "PATCH") and self._happens(rates.conflict):
            return Conflict(
                "Operation cannot be fulfilled on the object: the object has been modified; "
                "please apply your changes to the latest version and try again"
            )
        return None


class NoFaults:
    """The default."""

    def request(self, request: Request) -> RequestFault:
        return NO_REQUEST_FAULT

    def watch(self, request: Request) -> WatchFault:
        return NO_WATCH_FAULT
