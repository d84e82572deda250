"""The API server of the benchmark: serves one recording to whoever asks, and costs next to nothing itself.

Run as a process of its own; prints its URL. ``POST /bench/reset`` goes back to the list,
``POST /bench/replay?events=…`` lets events happen, at once or, with ``&rate=…``, so many in a second.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bench.runtime.recording import Recording, event_line

BLOCK = 64
"""Events that are written together; each is an HTTP chunk of its own, as an API server sends them."""
TICK = 0.002
"""Seconds between two looks at how many events of a given rate are due."""

_VERBS = ["get", "list", "patch", "watch"]


def _resource(plural: str, singular: str, kind: str, *, namespaced: bool) -> dict[str, Any]:
    return {"name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": _VERBS}


_CORE = [
    _resource("pods", "pod", "Pod", namespaced=True),
    _resource("namespaces", "namespace", "Namespace", namespaced=False),
    _resource("events", "event", "Event", namespaced=True),
]
_DEFINITION = "CustomResourceDefinition"
_CRDS = [_resource(f"{_DEFINITION.lower()}s", _DEFINITION.lower(), _DEFINITION, namespaced=False)]
_EXTENSIONS = {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"}
DOCUMENTS: dict[str, Any] = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.3"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": _CORE},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": "apiextensions.k8s.io", "versions": [_EXTENSIONS], "preferredVersion": _EXTENSIONS}],
    },
    "/apis/apiextensions.k8s.io/v1": {"kind": "APIResourceList", **_EXTENSIONS, "resources": _CRDS},
}
"""Discovery: what is watched, and what kopf waits for in every cluster."""


class ReplayServer:
    """Serves pods to clients that list and watch them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._news = asyncio.Event()
        self._replay: asyncio.Task[None] | None = None

    async def serve(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """The requests of one connection, one after the other."""
        reader, writer = connection
        while (request := await _read_request(reader)) is not None:
            method, path, query = request
            if path.startswith("/bench/"):
                self._control(path, query)
                await _answer(writer, 200, {})
            elif path == "/api/v1/pods" and query.get("watch", "").lower() in ("1", "true"):
                await self._watch(reader, writer, query)
                return
            elif path == "/api/v1/pods":
                await self._list(writer)
            else:
                found = DOCUMENTS.get(path) if method == "GET" else None
                missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
                await _answer(writer, 404 if found is None else 200, missing if found is None else found)

    def _control(self, path: str, query: dict[str, str]) -> None:
        if self._replay is not None:
            self._replay.cancel()
            self._replay = None
        if path == "/bench/reset":
            self._recording.reset()
        else:
            events, rate = int(query["events"]), float(query.get("rate", "0"))
            if rate > 0:
                self._replay = asyncio.create_task(self._pace(events, rate))
            else:
                self._release(events)

    def _release(self, count: int, sent: int = 0) -> None:
        self._recording.release(count, sent)
        self._news.set()
        self._news = asyncio.Event()

    async def _pace(self, events: int, rate: float) -> None:
        started, done = time.monotonic(), 0
        while done < events:
            due = min(int((time.monotonic() - started) * rate) + 1, events) - done
            if due > 0:
                self._release(due, time.monotonic_ns())
                done += due
            await asyncio.sleep(max(TICK, started + done / rate - time.monotonic()))

    async def _list(self, writer: asyncio.StreamWriter) -> None:
        _begin(writer)
        version = str(self._recording.version())
        head = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}}
        writer.write(_chunk(json.dumps(head).encode()[:-1] + b',"items":['))
        states, first = self._recording.states(), True
        while block := list(islice(states, BLOCK)):
            writer.write(_chunk((b"" if first else b",") + b",".join(block)))
            first = False
            await writer.drain()
        writer.write(_chunk(b"]}") + b"0\r\n\r\n")
        await writer.drain()

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, query: dict[str, str]) -> None:
        _begin(writer)
        following = asyncio.create_task(self._follow(writer, query))
        gone = asyncio.create_task(reader.read(1))
        done, pending = await asyncio.wait((following, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*done, *pending, return_exceptions=True)

    async def _follow(self, writer: asyncio.StreamWriter, query: dict[str, str]) -> None:
        recording = self._recording
        if query.get("sendInitialEvents") == "true":
            position = recording.released
            states = recording.states()
            while block := list(islice(states, BLOCK)):
                writer.write(_chunks(event_line("ADDED", state) for state in block))
                await writer.drain()
            writer.write(_chunk(recording.bookmark() + b"\n"))
        else:
            position = int(query["resourceVersion"]) - (recording.version() - recording.released)
        while True:
            lines, position = recording.events(position, BLOCK)
            if lines:
                writer.write(_chunks(lines))
                await writer.drain()
            else:
                await self._news.wait()


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]] | None:
    """Method, path and query; None when the client has gone."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request, *headers = head.split("\r\n")
    length = next((int(line[15:]) for line in headers if line.lower().startswith("content-length:")), 0)
    await reader.readexactly(length)
    method, target, _ = request.split(" ")
    url = urlsplit(target)
    return method, url.path, dict(parse_qsl(url.query))


async def _answer(writer: asyncio.StreamWriter, status: int, document: Any) -> None:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def _begin(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _chunks(lines: Iterable[bytes]) -> bytes:
    return b"".join(map(_chunk, lines))


async def start(recording: Recording) -> asyncio.Server:
    """Listens on a free port of the loopback interface."""
    server = ReplayServer(recording)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that was killed is nothing that a server minds.
        with contextlib.suppress(ConnectionError):
            await server.serve((reader, writer))
        writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0)


def url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def main(pods: int) -> None:
    server = await start(Recording(pods))
    print(url_of(server), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, required=True)
    asyncio.run(main(parser.parse_args().pods))
