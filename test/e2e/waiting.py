"""Waiting for what another process does in its own time, with a deadline that tells what was seen last."""

import time
from collections.abc import Callable
from typing import TypeVar

from kdl_runtime.errors import NotFound, ServiceUnavailable, TooManyRequests, TransportError

T = TypeVar("T")

POLL_SECONDS = 0.2


class LateError(AssertionError):
    """What was waited for has not come."""


def until(what: str, probe: Callable[[], T], holds: Callable[[T], object] = bool, *, seconds: float = 60) -> T:
    """The first answer of ``probe`` of which ``holds`` is true. A server that is down or away is asked again."""
    deadline = time.monotonic() + seconds
    seen: object = "nothing"
    while True:
        try:
            found = probe()
        except (TransportError, TimeoutError, ServiceUnavailable, TooManyRequests) as error:
            seen = error
        else:
            if holds(found):
                return found
            seen = found
        if time.monotonic() > deadline:
            raise LateError(f"{what} did not come within {seconds:g} s; last seen: {seen!r}")
        time.sleep(POLL_SECONDS)


def gone(what: str, probe: Callable[[], object], *, seconds: float = 60) -> None:
    """Waits until ``probe`` finds nothing, or an empty answer."""

    def left() -> object:
        try:
            return probe()
        except NotFound:
            return None

    until(f"the end of {what}", left, lambda found: not found, seconds=seconds)
