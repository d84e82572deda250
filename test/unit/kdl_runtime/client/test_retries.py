"""What is sent again, how often and after how long; warnings; and the count of it all."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from kdl_runtime.client.client import Client
from kdl_runtime.client.sender import RECONNECT_DELAYS
from kdl_runtime.errors import (
    Forbidden,
    InternalError,
    OtherApiError,
    ServiceUnavailable,
    TooManyRequests,
    TransportError,
)
from kdl_runtime.resources.registry import PODS
from kdl_runtime.transport.http import HttpResponse, RequestTimeoutError
from kdl_runtime.transport.retry import MAX_ATTEMPTS
from kdl_runtime.types import ObjectKey

KEY = ObjectKey("n", "a")
POD = {"kind": "Pod", "metadata": {"name": "a", "namespace": "n"}}


def busy(status: int, seconds: str) -> HttpResponse:
    return HttpResponse(status, {"retry-after": seconds}, b"")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_asks_for_a_pause_gets_it(
    client: Client, transport: Any, answer: Any, manual_clock: Any, status: int
) -> None:
    transport.answers = [busy(status, "2"), busy(status, "1"), answer(POD, 201)]
    assert await client.create(PODS, POD) == POD
    assert manual_clock.slept == [2.0, 1.0]
    assert len({request.body for request in transport.requests}) == 1


async def test_a_server_that_never_stops_asking(client: Client, transport: Any, manual_clock: Any) -> None:
    transport.answers = [busy(429, "1")] * 20
    with pytest.raises(TooManyRequests) as caught:
        await client.get(PODS, KEY)
    assert len(transport.requests) == MAX_ATTEMPTS
    assert len(manual_clock.slept) == MAX_ATTEMPTS - 1
    assert caught.value.retry_after == 1.0


async def test_a_long_pause_is_left_to_the_caller(client: Client, transport: Any, manual_clock: Any) -> None:
    transport.answers = [busy(503, "3600")]
    with pytest.raises(ServiceUnavailable) as caught:
        await client.get(PODS, KEY)
    assert caught.value.retry_after == 3600.0
    assert manual_clock.slept == []


@pytest.mark.parametrize(
    ("response", "error", "message"),
    [
        (HttpResponse(429, {}, b""), TooManyRequests, "the server answered with code 429"),
        (HttpResponse(500, {}, b"boom\n at x"), InternalError, "code 500: boom at x"),
        (HttpResponse(403, {"retry-after": "1"}, b'{"kind":"Other"}'), Forbidden, "code 403: {"),
        (HttpResponse(302, {}, b""), OtherApiError, "code 302"),
        (HttpResponse(502, {}, b"\xff"), OtherApiError, "code 502"),
        (HttpResponse(403, {}, b'{"kind":"Status","message":"no","reason":"Forbidden"}'), Forbidden, "^no$"),
    ],
)
async def test_other_answers_are_errors_at_once(
    client: Client, transport: Any, response: HttpResponse, error: type[Exception], message: str
) -> None:
    transport.answers = [response]
    with pytest.raises(error, match=message):
        await client.get(PODS, KEY)
    assert len(transport.requests) == 1


async def test_a_pause_in_the_status_is_told(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(TooManyRequests("budget", retry_after=10))]
    with pytest.raises(TooManyRequests) as caught:
        await client.get(PODS, KEY)
    assert caught.value.retry_after == 10.0


async def test_a_get_survives_a_broken_connection(
    client: Client, transport: Any, answer: Any, manual_clock: Any
) -> None:
    transport.answers = [TransportError("reset"), TransportError("reset"), answer(POD)]
    assert await client.get(PODS, KEY) == POD
    assert manual_clock.slept == list(RECONNECT_DELAYS)


async def test_a_get_gives_up_after_some_broken_connections(client: Client, transport: Any) -> None:
    transport.answers = [TransportError("reset")] * 5
    with pytest.raises(TransportError, match="reset"):
        await client.get(PODS, KEY)
    assert len(transport.requests) == 1 + len(RECONNECT_DELAYS)


async def test_a_write_over_a_broken_connection_is_not_sent_again(client: Client, transport: Any) -> None:
    transport.answers = [TransportError("reset")] * 2
    with pytest.raises(TransportError):
        await client.create(PODS, POD)
    with pytest.raises(TransportError):
        await client.delete(PODS, KEY)
    assert len(transport.requests) == 2


async def test_a_get_that_timed_out_is_not_sent_again(client: Client, transport: Any) -> None:
    transport.answers = [RequestTimeoutError("slow")]
    with pytest.raises(RequestTimeoutError):
        await client.get(PODS, KEY)
    assert len(transport.requests) == 1


async def test_every_exchange_is_counted(
    client: Client, transport: Any, answer: Any, stream: Any, counted: Any
) -> None:
    transport.answers = [TransportError("reset"), busy(429, "1"), answer(POD), stream(), TransportError("reset")]
    await client.get(PODS, KEY)
    async with client.watch(PODS):
        pass
    with pytest.raises(TransportError):
        async with client.watch(PODS):
            pass
    codes = ["<error>", "429", "200", "200", "<error>"]
    assert counted.requests == [(code, "GET", "k.example") for code in codes]


async def test_metrics_may_come_later(transport: Any, manual_clock: Any, answer: Any, counted: Any) -> None:
    client = Client(transport, manual_clock)
    transport.answers = [answer(POD)] * 2
    await client.get(PODS, KEY)
    client.metrics = counted
    await client.get(PODS, KEY)
    assert counted.requests == [("200", "GET", "k.example")]
    assert client.metrics is counted


async def test_each_warning_is_logged_once(client: Client, transport: Any, answer: Any, stream: Any) -> None:
    old, field = '299 - "old API"', '299 - "unknown field"'
    watch = stream()
    watch.headers = {"warning": old}
    transport.answers = [
        answer(POD, headers={"warning": old}),
        answer(POD, headers={"warning": f"{old}, {field}"}),
        watch,
    ]
    with capture_logs() as logs:
        await client.get(PODS, KEY)
        await client.get(PODS, KEY)
        async with client.watch(PODS):
            pass
    assert [entry["warning"] for entry in logs] == ["old API", "unknown field"]
