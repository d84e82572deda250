"""The states of a watcher and, as pure functions, where it goes when something fails.

After client-go's reflector (tools/cache/reflector.go) and KEP-3157 (streamed lists).
"""

from dataclasses import dataclass
from enum import StrEnum

from kdl_runtime.errors import (
    ApiError,
    BadRequest,
    Expired,
    Forbidden,
    InternalError,
    Invalid,
    KdlError,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    Timeout,
    TooManyRequests,
    TransportError,
    Unauthorized,
)


class State(StrEnum):
    """What a watcher does in its next step."""

    STREAM_LIST = "StreamList"
    """Ask for the present objects as the first events of a watch, and go on with that same watch."""
    LIST = "List"
    """Ask for the next page of a list; after the last, watch."""
    WATCH = "Watch"
    """Follow the changes since the last known resourceVersion."""
    NOT_SERVED = "NotServed"
    """Wait until the API server serves the kind, then list."""
    BACK_OFF = "BackOff"
    """Wait, then go on with the state that was decided before."""


class SilentWatchError(KdlError):
    """The server has sent nothing for so long that the connection must be dead."""


class ShortWatchError(KdlError):
    """The server ended a watch at once and without an event: asking again at once would be a storm."""


class StreamListError(KdlError):
    """The server accepted a streamed list and did not bring it to its end."""


class UnorderedWatchError(KdlError):
    """A watch told of an object something older than before: what is known can no longer be trusted."""


class LostWriteError(KdlError):
    """A write was answered, and the watch does not come to it: the server has lost it, as after a restore."""


class RewoundListError(KdlError):
    """A list is older than what is known, and might come from a server that lags behind."""


@dataclass(frozen=True, slots=True)
class Transition:
    """``latest``: the next list must be the most recent state, as the known resourceVersion is of no use any more."""

    state: State
    back_off: bool = False
    latest: bool = False


RELIST_AFTER_FAILURES = 5
"""Watches in a row that bring no event before the watcher lists again: its version may be to blame."""

SILENT_WATCHES = 2
"""Silent watches in a row before the watcher lists again: the server may wait for a version that it will never reach,
since its data were restored from a backup."""

UNREACHABLE = (TooManyRequests, TransportError)
_PASSING = (*UNREACHABLE, ServiceUnavailable, InternalError, Timeout, SilentWatchError, ShortWatchError)
_UNSUPPORTED = (BadRequest, Invalid, MethodNotAllowed, StreamListError)
_REFUSED = (Unauthorized, Forbidden)
_FROM_THE_PAST = (UnorderedWatchError, RewoundListError, LostWriteError)


def is_expired(error: Exception) -> bool:
    """Whether the server no longer, or not yet, knows the resourceVersion that it was asked for."""
    if isinstance(error, Expired):
        return True
    if not isinstance(error, Timeout):
        return False
    causes = error.details.get("causes") or ()
    return "Too large resource version" in error.message or any(
        cause.get("reason") == "ResourceVersionTooLarge" for cause in causes
    )


def after_stream_list_failure(error: Exception) -> Transition:
    """A streamed list has failed: try again what may pass, or list in the old way from now on."""
    if isinstance(error, NotFound):
        return Transition(State.NOT_SERVED, back_off=True, latest=True)
    if is_expired(error) or isinstance(error, _FROM_THE_PAST):
        return Transition(State.STREAM_LIST, back_off=True, latest=True)
    if isinstance(error, _UNSUPPORTED):
        return Transition(State.LIST)
    if isinstance(error, (*UNREACHABLE, *_REFUSED)):
        return Transition(State.STREAM_LIST, back_off=True)
    return Transition(State.LIST, back_off=True)


def after_list_failure(error: Exception) -> Transition:
    """A page of a list has failed: begin that list anew."""
    if isinstance(error, NotFound):
        return Transition(State.NOT_SERVED, back_off=True, latest=True)
    return Transition(State.LIST, back_off=True, latest=is_expired(error) or isinstance(error, _FROM_THE_PAST))


def after_watch_failure(error: Exception, failures: int, relist: State) -> Transition:
    """A watch has failed for the ``failures``-th time in a row; ``relist`` is how this watcher lists."""
    if is_expired(error):
        # With a pause, should the list be of a version that has expired, too.
        return Transition(relist, back_off=True)
    if isinstance(error, NotFound):
        return Transition(State.NOT_SERVED, back_off=True, latest=True)
    if isinstance(error, _FROM_THE_PAST):
        return Transition(relist, back_off=True, latest=True)
    if isinstance(error, SilentWatchError) and failures >= SILENT_WATCHES:
        return Transition(relist, back_off=True)
    if isinstance(error, _PASSING) and failures < RELIST_AFTER_FAILURES:
        return Transition(State.WATCH, back_off=True)
    return Transition(relist, back_off=True)


def reason_of(error: Exception) -> str:
    """A short name for metrics: the API's reason, or the class of the error."""
    return error.reason if isinstance(error, ApiError) else type(error).__name__
