"""Where a watcher goes after a failure, as tables."""

import pytest

from kdl_runtime.cache.transitions import (
    RELIST_AFTER_FAILURES,
    SILENT_WATCHES,
    RewoundListError,
    ShortWatchError,
    SilentWatchError,
    State,
    StreamListError,
    Transition,
    UnorderedWatchError,
    after_list_failure,
    after_stream_list_failure,
    after_watch_failure,
    is_expired,
    reason_of,
)
from kdl_runtime.errors import (
    BadRequest,
    Expired,
    Forbidden,
    InternalError,
    Invalid,
    NotFound,
    ServiceUnavailable,
    Timeout,
    TooManyRequests,
    TransportError,
)

TOO_LARGE = Timeout("Too large resource version: 9", details={"causes": [{"reason": "ResourceVersionTooLarge"}]})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Expired("old"), True),
        (TOO_LARGE, True),
        (Timeout("Too large resource version: 9, current: 3"), True),
        (Timeout("slow"), False),
        (TransportError("gone"), False),
    ],
)
def test_is_expired(error: Exception, expected: bool) -> None:
    assert is_expired(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TooManyRequests("later"), Transition(State.STREAM_LIST, back_off=True)),
        (TransportError("refused"), Transition(State.STREAM_LIST, back_off=True)),
        (Expired("old"), Transition(State.STREAM_LIST, back_off=True, latest=True)),
        (TOO_LARGE, Transition(State.STREAM_LIST, back_off=True, latest=True)),
        (NotFound("no such type yet"), Transition(State.NOT_SERVED, back_off=True, latest=True)),
        (RewoundListError("older"), Transition(State.STREAM_LIST, back_off=True, latest=True)),
        (Forbidden("no right"), Transition(State.STREAM_LIST, back_off=True)),
        (Invalid("sendInitialEvents is forbidden"), Transition(State.LIST)),
        (BadRequest("what?"), Transition(State.LIST)),
        (StreamListError("no bookmark"), Transition(State.LIST)),
        (InternalError("broken"), Transition(State.LIST, back_off=True)),
    ],
)
def test_after_a_streamed_list(error: Exception, expected: Transition) -> None:
    assert after_stream_list_failure(error) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Expired("old"), Transition(State.LIST, back_off=True, latest=True)),
        (TOO_LARGE, Transition(State.LIST, back_off=True, latest=True)),
        (Forbidden("no right"), Transition(State.LIST, back_off=True)),
        (TransportError("refused"), Transition(State.LIST, back_off=True)),
        (NotFound("no such type yet"), Transition(State.NOT_SERVED, back_off=True, latest=True)),
        (RewoundListError("older"), Transition(State.LIST, back_off=True, latest=True)),
    ],
)
def test_after_a_list(error: Exception, expected: Transition) -> None:
    assert after_list_failure(error) == expected


@pytest.mark.parametrize("relist", [State.STREAM_LIST, State.LIST])
@pytest.mark.parametrize(
    ("error", "failures", "relists", "back_off"),
    [
        (Expired("old"), 1, True, True),
        (TooManyRequests("later"), 1, False, True),
        (TransportError("refused"), 1, False, True),
        (ServiceUnavailable("down"), 1, False, True),
        (SilentWatchError("dead"), 1, False, True),
        (ShortWatchError("storm"), 1, False, True),
        (TransportError("refused"), RELIST_AFTER_FAILURES, True, True),
        (SilentWatchError("dead"), SILENT_WATCHES, True, True),
        (RuntimeError("a bug"), 1, True, True),
    ],
)
def test_after_a_watch(error: Exception, failures: int, relists: bool, back_off: bool, relist: State) -> None:
    expected = Transition(relist if relists else State.WATCH, back_off=back_off)
    assert after_watch_failure(error, failures, relist) == expected


@pytest.mark.parametrize("relist", [State.STREAM_LIST, State.LIST])
def test_after_a_watch_that_says_more_than_that_it_failed(relist: State) -> None:
    assert after_watch_failure(NotFound("gone"), 1, relist) == Transition(State.NOT_SERVED, back_off=True, latest=True)
    assert after_watch_failure(UnorderedWatchError("6 after 7"), 1, relist) == Transition(
        relist, back_off=True, latest=True
    )


def test_reason_of_an_error() -> None:
    assert reason_of(Expired("old")) == "Expired"
    assert reason_of(TransportError("refused")) == "TransportError"
