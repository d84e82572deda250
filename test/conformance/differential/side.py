"""One of the two servers, and what it answers to a sequence of requests."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from conformance.differential.memory import Memory, UnknownError
from conformance.differential.steps import GONE, WAIT, Step
from kdl_runtime.codec.json import decode, encode
from kdl_runtime.errors import TransportError
from kdl_runtime.transport.http import HttpRequest, Transport
from kdl_runtime.transport.stream import split_lines

NAMESPACES = ("fz-a", "fz-b")
PATIENCE = 15.0
"""Seconds for a request, and for what a server does in its own time."""

_PAUSE = 0.05


@dataclass
class Answer:
    """``skipped``: the request was not sent, because an earlier answer did not tell what it names.

    ``events`` are the lines of a watch, None for any other answer. ``broken`` says why there is no answer at all.
    """

    code: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    events: list[bytes] | None = None
    skipped: bool = False
    broken: str = ""


class Side:
    """A server behind a transport. Several sequences may run at a time, each with a token of its own."""

    def __init__(self, name: str, transport: Transport) -> None:
        self.name = name
        self.transport = transport
        self.requests = 0

    def session(self, token: str) -> "Session":
        return Session(self, token)

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """A request of the fuzzer's own, that is no part of a sequence."""
        data = b"" if body is None else encode(body)
        sent = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        path, _, query = path.partition("?")
        pairs = tuple(tuple(item.split("=", 1)) for item in query.split("&") if item)
        request = HttpRequest(method, path, query=pairs, headers=sent, body=data, timeout=PATIENCE)  # type: ignore[arg-type]
        response = await self.transport.request(request)
        return Answer(response.status, response.headers, response.body)


class Session:
    """One sequence on one server: its namespaces, its answers, its open watches."""

    def __init__(self, side: Side, token: str) -> None:
        self.side = side
        self.memory = Memory(token)
        self.answers: list[Answer] = []
        self._stack = AsyncExitStack()
        self._readers: list[asyncio.Task[None]] = []

    async def run(self, steps: Sequence[Step]) -> None:
        """Sends all requests, one after the other; watches stay open until ``close``."""
        await self._prepare()
        for step in steps:
            self.answers.append(await self._answer(step))

    @property
    def events(self) -> list[int]:
        """How many events each watch has brought so far."""
        return [len(answer.events) for answer in self.answers if answer.events is not None]

    @property
    def running(self) -> int:
        """Watches that have not ended."""
        return sum(not reader.done() for reader in self._readers)

    async def close(self) -> None:
        """Ends the watches and removes what the sequence has made."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self._stack.aclose()
        for path in reversed(self.memory.created):
            await self._remove(self.memory.named(path))
        for namespace in NAMESPACES:
            await self._remove(f"/api/v1/namespaces/{self.memory.named(namespace)}")

    async def _prepare(self) -> None:
        for namespace in NAMESPACES:
            name = self.memory.named(namespace)
            await self.side.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            # Pods are refused until their service account is there, which nothing else makes here.
            path = f"/api/v1/namespaces/{name}/serviceaccounts"
            await self.side.send("POST", path, {"metadata": {"name": "default"}})

    async def _remove(self, path: str) -> None:
        if "${" in path:
            return
        answer = await self.side.send("DELETE", f"{path}?gracePeriodSeconds=0&propagationPolicy=Background")
        if answer.code != 200:
            return
        left = decode(answer.body)
        if (left.get("metadata") or {}).get("finalizers"):
            merge = {"Content-Type": "application/merge-patch+json"}
            await self.side.send("PATCH", path, {"metadata": {"finalizers": None}}, **merge)
        if left.get("kind") == "Namespace":
            await self.side.send("PUT", f"{path}/finalize", {**left, "spec": {"finalizers": []}})

    async def _answer(self, step: Step) -> Answer:
        try:
            request = self.memory.request(step)
        except UnknownError:
            return Answer(skipped=True)
        if step.method in (WAIT, GONE):
            return await self._wait(request.path, 200 if step.method == WAIT else 404)
        self.side.requests += 1
        if _may_be_cached(step):
            # A list without a version waits until caches have caught up with all that was written.
            await self.side.send("GET", request.path)
        try:
            if step.watch:
                return await self._watch(request)
            response = await self.side.transport.request(_patient(request))
        except TransportError as error:
            return Answer(broken=str(error))
        body = self.memory.unnamed(response.body)
        self.memory.learn(step, response.status, body)
        return Answer(response.status, _named(response.headers, self.memory), body)

    async def _wait(self, path: str, code: int) -> Answer:
        for _ in range(int(PATIENCE / _PAUSE)):
            if (await self.side.send("GET", path)).code == code:
                break
            await asyncio.sleep(_PAUSE)
        return Answer(skipped=True)

    async def _watch(self, request: HttpRequest) -> Answer:
        response = await self._stack.enter_async_context(self.side.transport.stream(_patient(request)))
        headers = _named(response.headers, self.memory)
        if response.status != 200:
            return Answer(response.status, headers, self.memory.unnamed(await response.read()))
        answer = Answer(response.status, headers, events=[])
        lines = split_lines(response.chunks())

        async def read() -> None:
            try:
                async for line in lines:
                    assert answer.events is not None
                    answer.events.append(self.memory.unnamed(bytes(line)))
            except TransportError as error:
                answer.broken = str(error)
            finally:
                await lines.aclose()

        self._readers.append(asyncio.create_task(read()))
        return answer


def _may_be_cached(step: Step) -> bool:
    """Whether a server may answer with what it knew a moment ago."""
    versions = [value for name, value in step.query if name == "resourceVersion"]
    return step.method == "GET" and (bool(versions) or step.watch)


def _patient(request: HttpRequest) -> HttpRequest:
    return HttpRequest(request.method, request.path, request.query, request.headers, request.body, PATIENCE)


def _named(headers: Mapping[str, str], memory: Memory) -> dict[str, str]:
    return {name: memory.unnamed(value.encode()).decode() for name, value in headers.items()}
