"""Watches: parameters, events as they come, and how they end."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kdl_runtime.client.answers import event_error
from kdl_runtime.client.client import STREAM_OPEN_SECONDS, Client, WatchOptions
from kdl_runtime.codec.json import WatchEvent, encode, split_event
from kdl_runtime.errors import BadRequest, Expired, InternalError, TooManyRequests, TransportError
from kdl_runtime.resources.registry import PODS


def event(type_: str, name: str) -> bytes:
    return encode({"type": type_, "object": {"metadata": {"name": name}}}) + b"\n"


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (WatchOptions(), {"allowWatchBookmarks": "true"}),
        (WatchOptions(allow_bookmarks=False, resource_version="7"), {"resourceVersion": "7"}),
        (
            WatchOptions(
                "a=b", "c=d", resource_version_match="NotOlderThan", send_initial_events=True, timeout_seconds=300
            ),
            {
                "labelSelector": "a=b",
                "fieldSelector": "c=d",
                "resourceVersionMatch": "NotOlderThan",
                "allowWatchBookmarks": "true",
                "sendInitialEvents": "true",
                "timeoutSeconds": "300",
            },
        ),
        (WatchOptions(send_initial_events=False, allow_bookmarks=False), {"sendInitialEvents": "false"}),
    ],
)
async def test_parameters(client: Client, transport: Any, stream: Any, options: WatchOptions, query: Any) -> None:
    transport.answers = [stream()]
    async with client.watch(PODS, "n", options) as events:
        assert [found async for found in events] == []
    assert dict(transport.only.query) == {"watch": "true"} | query
    assert transport.only.path == "/api/v1/namespaces/n/pods"
    assert transport.only.headers["Accept"] == "application/json"
    assert transport.only.timeout == STREAM_OPEN_SECONDS


async def test_metadata_only(client: Client, transport: Any, stream: Any) -> None:
    transport.answers = [stream()]
    async with client.watch(PODS, options=WatchOptions(metadata_only=True)):
        pass
    assert transport.only.path == "/api/v1/pods"
    assert transport.only.headers["Accept"].startswith("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")


async def test_events_come_however_they_are_cut(client: Client, transport: Any, stream: Any) -> None:
    data = event("ADDED", "a") + event("MODIFIED", "é") + event("BOOKMARK", "")
    transport.answers = [stream(*[data[i : i + 7] for i in range(0, len(data), 7)])]
    async with client.watch(PODS) as events:
        found = [(item.type, bytes(item.object)) async for item in events]
    assert found == [
        ("ADDED", b'{"metadata":{"name":"a"}}'),
        ("MODIFIED", '{"metadata":{"name":"é"}}'.encode()),
        ("BOOKMARK", b'{"metadata":{"name":""}}'),
    ]


async def test_an_event_of_five_megabytes(client: Client, transport: Any, stream: Any) -> None:
    data = event("ADDED", "x" * 5 * 2**20)
    transport.answers = [stream(*[data[i : i + 65536] for i in range(0, len(data), 65536)])]
    async with client.watch(PODS) as events:
        assert [len(bytes(item.object)) async for item in events] == [5 * 2**20 + len(b'{"metadata":{"name":""}}')]


async def test_leaving_early_closes_the_stream(client: Client, transport: Any, stream: Any) -> None:
    transport.answers = [stream(event("ADDED", "a"), event("ADDED", "b"))]
    async with client.watch(PODS) as events:
        assert (await anext(events)).type == "ADDED"
    assert transport.closed_streams == 1


async def test_leaving_early_ends_the_chunks_at_once(client: Client, transport: Any, stream: Any) -> None:
    answer, ended = stream(), []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield event("ADDED", "a")
            yield event("ADDED", "b")
        finally:
            ended.append(transport.closed_streams)

    answer.chunks = chunks
    transport.answers = [answer, answer]
    async with client.watch(PODS) as events:
        await anext(events)
    async with client.stream_path("/log") as pieces:
        await anext(pieces)
    assert ended == [0, 1]


async def test_a_refused_watch(client: Client, transport: Any, answer: Any) -> None:
    transport.answers = [answer(Expired("too old resource version"))]
    with pytest.raises(Expired, match="too old"):
        async with client.watch(PODS, options=WatchOptions(resource_version="1")):
            pass
    assert transport.closed_streams == 1


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ((event("ADDED", "a"), TransportError("reset")), "reset"),
        ((event("ADDED", "a"), b'{"type":"ADDED","obj'), "a line that is no event"),
        ((event("ADDED", "a"), b"garbage\n"), "a line that is no event"),
    ],
)
async def test_a_watch_that_breaks(client: Client, transport: Any, stream: Any, chunks: Any, message: str) -> None:
    transport.answers = [stream(*chunks)]
    seen = []
    with pytest.raises(TransportError, match=message):
        async with client.watch(PODS) as events:
            async for item in events:
                seen.append(item.type)
    assert seen == ["ADDED"]


async def test_a_bad_namespace_is_not_sent(client: Client, transport: Any) -> None:
    with pytest.raises(BadRequest, match="the namespace 'a/b' is invalid"):
        async with client.watch(PODS, "a/b"):
            pass
    assert transport.requests == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Expired("too old").to_status(), Expired),
        (TooManyRequests("slow", retry_after=3).to_status(), TooManyRequests),
        ({"kind": "Status"}, InternalError),
        ("no status", InternalError),
    ],
)
def test_errors_in_events(status: Any, error: type[Exception]) -> None:
    found = event_error(split_event(encode({"type": "ERROR", "object": status})))
    assert type(found) is error
    assert found.retry_after == (3.0 if error is TooManyRequests else None)


def test_an_error_event_without_object() -> None:
    assert type(event_error(WatchEvent("ERROR"))) is InternalError
