"""Requests to the API server as they go over the wire, with headers, codes and bodies in sight."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from kdl_runtime.codec.json import decode, encode
from kdl_runtime.transport.http import HttpRequest, Transport
from kdl_runtime.transport.stream import split_lines

PATIENCE = 20.0
"""Seconds after which what should happen at once is not waited for any more."""

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

Object = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """``code`` is that of HTTP; the names of ``headers`` are in lower case."""

    code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def object(self) -> Object:
        found = decode(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def message(self) -> str:
        return str(self.object["message"])

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and reason of every cause of a refusal, sorted; once each, because metadata may be checked twice."""
        found = self.object.get("details", {}).get("causes", ())
        return sorted({(cause.get("field", ""), cause["reason"]) for cause in found})

    @property
    def warnings(self) -> str:
        return self.headers.get("warning", "")


class Events:
    """The events of a watch, in order."""

    def __init__(self, lines: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> None:
        self.headers = headers
        self._lines = lines

    async def next(self) -> tuple[str, Object]:
        """Type and object of the next event; the test fails if none comes or the watch has ended."""
        async with asyncio.timeout(PATIENCE):
            event = decode(await anext(self._lines))
        return event["type"], event["object"]

    async def take(self, count: int) -> list[tuple[str, str]]:
        """Types and names of the next events."""
        found = [await self.next() for _ in range(count)]
        return [(type_, obj["metadata"]["name"]) for type_, obj in found]

    async def rest(self) -> list[tuple[str, Object]]:
        """All events until the server ends the watch."""
        found = []
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                event = decode(line)
                found.append((event["type"], event["object"]))
        return found


class Api:
    """Requests with the rights of a cluster's administrator. ``namespace`` is the test's own."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self.transport = transport
        self.namespace = namespace

    def path(self, plural: str, name: str = "", *, group_version: str = "v1") -> str:
        """Of a collection in the test's namespace, or of an object in it, with its subresource if it names one."""
        prefix = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
        return f"{prefix}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def __call__(self, method: str, path: str, body: Any = None, **parameters: str) -> Answer:
        """An answer of whatever code.

        ``parameters`` are the query, but for ``accept``, ``content_type`` and ``user_agent``, which are headers. A body
        that is no text is sent as JSON.
        """
        return await self._exchange(_request(method, path, body, parameters))

    async def ok(self, method: str, path: str, body: Any = None, **parameters: str) -> Object:
        """The object of an answer that must be a success."""
        answer = await self(method, path, body, **parameters)
        assert 200 <= answer.code < 300, f"{method} {path}: {answer.code} {answer.body.decode()}"
        return answer.object

    async def refused(self, code: int, reason: str, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """The answer to a request that must be refused like this, by a Status."""
        answer = await self(method, path, body, **query)
        assert answer.code == code, f"{method} {path}: {answer.code} {answer.body.decode()}"
        status = answer.object
        fixed = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        assert {name: status[name] for name in fixed} == fixed
        assert (status["code"], status.get("reason", "")) == (code, reason), status
        return answer

    async def create(self, plural: str, obj: Object, *, group_version: str = "v1", **parameters: str) -> Object:
        """The object as it was created in the test's namespace."""
        return await self.ok("POST", self.path(plural, group_version=group_version), obj, **parameters)

    async def gone(self, path: str) -> None:
        """Waits until an object is not there any more."""
        await self.until(path, lambda answer: answer.code == 404)

    async def until(self, path: str, holds: Callable[[Answer], bool]) -> Answer:
        """The first answer of which ``holds`` is true; for what another part of the server does in its own time."""
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self("GET", path)
                if holds(answer):
                    return answer
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def watch(self, path: str, **parameters: str) -> AsyncIterator[Events]:
        request = _request("GET", path, None, {"watch": "true", "timeoutSeconds": "30", **parameters})
        async with self.transport.stream(request) as response:
            assert response.status == 200, await response.read()
            lines = split_lines(response.chunks())
            try:
                yield Events(lines, response.headers)
            finally:
                await lines.aclose()

    async def _exchange(self, request: HttpRequest) -> Answer:
        response = await self.transport.request(request)
        return Answer(response.status, response.headers, response.body)


_HEADERS = {"accept": "Accept", "content_type": "Content-Type", "user_agent": "User-Agent"}


def _request(method: str, path: str, body: Any, parameters: Mapping[str, str]) -> HttpRequest:
    query = tuple((name, value) for name, value in parameters.items() if name not in _HEADERS)
    headers = {_HEADERS[name]: value for name, value in parameters.items() if name in _HEADERS}
    data = b"" if body is None else body.encode() if isinstance(body, str) else encode(body)
    headers.setdefault("Accept", "application/json")
    if data:
        headers.setdefault("Content-Type", "application/json")
    return HttpRequest(method, path, query=query, headers=headers, body=data)


def config_map(name: str, labels: Mapping[str, str] | None = None, **data: str) -> Object:
    meta: Object = {"name": name, **({"labels": dict(labels)} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def pending_pod(name: str, **spec: Any) -> Object:
    """A pod that no scheduler looks at, so that it stays as it is."""
    container = {"name": "main", "image": "kdl/python", "command": ["true"]}
    fixed: Object = {"schedulerName": "nobody", "automountServiceAccountToken": False, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**fixed, **spec}}
