"""Reads from and writes to the API server, always live: what is read here has not been in a cache.

Every method raises a subclass of ``ApiError`` for an answer that refuses the request, and ``TransportError`` if there
was no answer. Objects are dicts, or with ``as_`` projections (structs that hold some fields) or ``Raw`` bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, overload

from kdl_runtime.client.answers import decode_as, decode_item
from kdl_runtime.client.applied import AppliedMemory, Applier, is_applied
from kdl_runtime.client.options import (
    DELETE_DEFAULTS,
    LIST_DEFAULTS,
    WATCH_DEFAULTS,
    WRITE_DEFAULTS,
    DeleteOptions,
    ListOptions,
    Patch,
    PatchType,
    Preconditions,
    Query,
    WatchOptions,
    WriteOptions,
)
from kdl_runtime.client.paths import check_segment, checked_namespace, key_of, object_path
from kdl_runtime.client.sender import RequestDetails, RequestMetrics, Sender
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import DecodeError, RawList, WatchEvent, encode, split_event
from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.errors import ApiError, BadRequest, Expired, TransportError
from kdl_runtime.observe.tracing import Tracer
from kdl_runtime.transport.http import HttpRequest, Transport
from kdl_runtime.transport.stream import split_lines
from kdl_runtime.types import ObjectKey, Resource

__all__ = [
    "Client",
    "DeleteOptions",
    "ListOptions",
    "Patch",
    "PatchType",
    "Preconditions",
    "WatchOptions",
    "WriteListener",
    "WriteOptions",
]

T = TypeVar("T")

WriteListener = Callable[[Resource, str, bytes], None]
"""Called with the resource, the verb (create, update, patch or delete) and the object as the server answered it.

A delete shows the object as it is now if the server keeps it (it then has a deletionTimestamp) and otherwise the object
as it was, or no more of it than namespace, name and UID.
"""

UnknownListener = Callable[[Resource, ObjectKey], None]
"""Called with the resource and the key; the name is empty for what the server was to name."""

PAGE_SIZE = 500
STREAM_OPEN_SECONDS = 60.0
"""How long a watch may take to begin; a server that is only slow answers much earlier."""

_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class Target(NamedTuple):
    """What a write is for; the name is empty if the server gives it."""

    resource: Resource
    key: ObjectKey


class Client:
    """One cluster's API, with the rights of the transport's credentials. Share it: one request knows nothing of
    another, apart from what was last applied.

    ``field_manager`` names the writer in managedFields; empty lets the server derive it from the user agent.
    ``metrics`` may also be set later, by who creates them; so may ``tracer``, which takes a span for each request but
    watches and other streams, and ``details`` (``RestMetrics``), which measures requests.
    """

    def __init__(
        self, transport: Transport, clock: Clock, metrics: RequestMetrics | None = None, field_manager: str = ""
    ) -> None:
        self._sender = Sender(transport, clock, metrics)
        self._field_manager = field_manager
        self._listeners: list[WriteListener] = []
        self._unknown: list[UnknownListener] = []
        self._applied = AppliedMemory()

    @property
    def metrics(self) -> RequestMetrics | None:
        return self._sender.metrics

    @metrics.setter
    def metrics(self, metrics: RequestMetrics | None) -> None:
        self._sender.metrics = metrics

    @property
    def details(self) -> RequestDetails | None:
        return self._sender.details

    @details.setter
    def details(self, details: RequestDetails | None) -> None:
        self._sender.details = details

    @property
    def tracer(self) -> Tracer | None:
        return self._sender.tracer

    @tracer.setter
    def tracer(self, tracer: Tracer | None) -> None:
        self._sender.tracer = tracer

    def on_write(self, listener: WriteListener) -> None:
        """Calls ``listener`` after each write that succeeded and was no dry run, before the writer goes on."""
        self._listeners.append(listener)

    def on_unknown(self, listener: UnknownListener) -> None:
        """Calls ``listener`` after each write of which it is unknown whether it was done (no answer, 5xx, cancelled),
        or what the object is now (a subresource answers with something else)."""
        self._unknown.append(listener)

    # ---- reads

    @overload
    async def get(self, resource: Resource, key: ObjectKey, *, subresource: str = "") -> dict[str, Any]: ...
    @overload
    async def get(self, resource: Resource, key: ObjectKey, *, as_: type[T], subresource: str = "") -> T: ...
    async def get(self, resource: Resource, key: ObjectKey, *, as_: type[Any] = dict, subresource: str = "") -> Any:
        """The newest state of one object. NotFound if there is none."""
        request = HttpRequest("GET", object_path(resource, key, subresource), headers={"Accept": _JSON})
        return decode_as((await self._sender.send(request)).body, as_)

    @overload
    async def list(
        self, resource: Resource, namespace: str = "", options: ListOptions = LIST_DEFAULTS
    ) -> list[dict[str, Any]]: ...
    @overload
    async def list(
        self, resource: Resource, namespace: str = "", options: ListOptions = LIST_DEFAULTS, *, as_: type[T]
    ) -> "list[T]": ...
    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        options: ListOptions = LIST_DEFAULTS,
        *,
        as_: type[Any] = dict,
    ) -> "list[Any]":
        """All items, page by page; every namespace if ``namespace`` is empty.

        The pages are one consistent snapshot. If that expires meanwhile, the list is done again without pages. ``Raw``
        items point into their page: copy (``bytes(item)``) what is to be kept.
        """
        options = options if options.limit is not None else replace(options, limit=PAGE_SIZE)
        items: list[Any] = []
        while True:
            try:
                page = await self.list_page(resource, namespace, options)
            except Expired:
                if not options.continue_:
                    raise
                items, options = [], replace(options, continue_="", limit=0)
                continue
            items += [decode_item(item, as_, resource) for item in page.items or ()]
            if not page.metadata.continue_:
                return items
            # The token carries the resourceVersion; the server refuses both together.
            options = replace(
                options, continue_=page.metadata.continue_, resource_version="", resource_version_match=""
            )

    async def list_page(self, resource: Resource, namespace: str = "", options: ListOptions = LIST_DEFAULTS) -> RawList:
        """One page, its items undecoded; ``metadata.continue_`` is not empty if there are more.

        The items point into the answer: copy (``bytes(item)``) what is to be kept.
        """
        accept = _METADATA_LIST if options.metadata_only else _JSON
        path = _collection(resource, namespace)
        request = HttpRequest("GET", path, query=options.query, headers={"Accept": accept})
        return decode_as((await self._sender.send(request)).body, RawList)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str = "", options: WatchOptions = WATCH_DEFAULTS
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """The changes from a version on, as they happen; every namespace if ``namespace`` is empty.

        Nothing here notices a connection on which nothing comes any more: bound the wait for the next event. The events
        end when the server ends the watch. An event of type ERROR carries a Status (``answers.event_error``).
        """
        accept = _METADATA if options.metadata_only else _JSON
        path = _collection(resource, namespace)
        request = HttpRequest("GET", path, query=options.query, headers={"Accept": accept}, timeout=STREAM_OPEN_SECONDS)
        async with (
            self._sender.stream(request) as response,
            _closing(response.chunks()) as chunks,
            aclosing(_events(chunks)) as events,
        ):
            yield events

    # ---- writes

    async def create(
        self, resource: Resource, obj: Mapping[str, Any], options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]:
        """The object as the server has stored it. Its metadata gives the namespace; AlreadyExists if the name is taken.

        With a subresource (binding, eviction) the metadata's name is the name of the object that it belongs to.
        """
        key = key_of(obj)
        if options.subresource:
            path = object_path(resource, key, options.subresource)
        else:
            path = resource.path(checked_namespace(resource, key.namespace))
        request = HttpRequest("POST", path, body=_body(resource, obj, options))
        return await self._write("create", request, Target(resource, key), options)

    async def update(
        self, resource: Resource, obj: Mapping[str, Any], options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]:
        """Replaces the object. With a resourceVersion in its metadata Conflict if it has changed since."""
        key = key_of(obj)
        request = HttpRequest(
            "PUT", object_path(resource, key, options.subresource), body=_body(resource, obj, options)
        )
        return await self._write("update", request, Target(resource, key), options)

    async def patch(
        self, resource: Resource, key: ObjectKey, patch: Patch, options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]:
        """The object after the patch. For server-side apply there is ``apply``."""
        if patch.type is PatchType.APPLY:
            if not (self._field_manager if options.field_manager is None else options.field_manager):
                raise BadRequest("server-side apply needs a field manager: set WriteOptions.field_manager")
        elif options.force:
            raise BadRequest("WriteOptions.force is for server-side apply only")
        path = object_path(resource, key, options.subresource)
        request = HttpRequest("PATCH", path, headers={"Content-Type": patch.type}, body=encode(patch.body))
        return await self._write("patch", request, Target(resource, key), options)

    async def apply(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        options: WriteOptions = WRITE_DEFAULTS,
        *,
        known: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Server-side apply: the object, created if there is none, with the fields of ``obj`` as they are there, owned
        by the field manager. Fields that it has applied before, and does not any more, are given up.

        ``known`` is the object as the cache has it (``informer.object(key)``): if it shows that nothing would change,
        nothing is sent and it is the answer. Unknown fields are refused unless ``options.field_validation`` says
        otherwise. Conflict names the managers that own one of the fields, unless ``options.force``.
        """
        key = key_of(obj)
        manager = self._field_manager if options.field_manager is None else options.field_manager
        applier = Applier(resource, key, manager, options.subresource)
        if known is not None and not options.dry_run:
            unchanged = is_applied(applier, obj, known) or self._applied.unchanged(applier, obj, known)
            if unchanged:
                return dict(known)
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        strict = options if options.field_validation else replace(options, field_validation="Strict")
        answer = await self.patch(resource, key, Patch(PatchType.APPLY, body), strict)
        if not options.dry_run:
            self._applied.remember(applier, obj, answer)
        return answer

    async def delete(
        self, resource: Resource, key: ObjectKey, options: DeleteOptions = DELETE_DEFAULTS
    ) -> dict[str, Any] | None:
        """Asks for the deletion. None if the object is gone; while finalizers or a grace period keep it, the object.

        NotFound if there is none, Conflict if a precondition does not hold.
        """
        body = encode(options.body)
        headers = {"Accept": _JSON, "Content-Type": _JSON}
        request = HttpRequest("DELETE", object_path(resource, key), headers=headers, body=body)
        answer = await self._send_write(request, Target(resource, key), dry_run=options.dry_run)
        deleted = decode_as(answer, dict)
        acknowledged = deleted.get("kind") == "Status"
        if acknowledged:
            answer = encode(_remains(resource, key, deleted))
        if not options.dry_run:
            self._notify(resource, "delete", answer)
        gone = acknowledged or "deletionTimestamp" not in (deleted.get("metadata") or {})
        return None if gone else deleted

    # ---- anything else that the server serves

    async def get_path(
        self, path: str, query: Mapping[str, str] | Query = (), *, accept: str = "application/json, */*"
    ) -> bytes:
        """The body at a path: /version, /openapi/v2, discovery, the logs of a pod."""
        request = HttpRequest("GET", path, query=_pairs(query), headers={"Accept": accept})
        return (await self._sender.send(request)).body

    def stream_path(
        self, path: str, query: Mapping[str, str] | Query = ()
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The body at a path as it comes (logs with ``follow``); opening it waits without a limit."""
        return self._chunks(HttpRequest("GET", path, query=_pairs(query), headers={"Accept": "*/*"}))

    @asynccontextmanager
    async def _chunks(self, request: HttpRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._sender.stream(request) as response, _closing(response.chunks()) as chunks:
            yield chunks

    async def _write(self, verb: str, request: HttpRequest, target: Target, options: WriteOptions) -> dict[str, Any]:
        headers = {"Accept": _JSON, "Content-Type": _JSON, **request.headers}
        request = replace(request, headers=headers, query=options.query(self._field_manager))
        answer = await self._send_write(request, target, dry_run=options.dry_run)
        written = decode_as(answer, dict)
        if options.dry_run:
            return written
        if written.get("kind") == target.resource.kind:
            self._notify(target.resource, verb, answer)
        else:
            # A subresource may answer with an object of another kind (Scale, Binding, Status).
            self._tell_unknown(target)
        return written

    async def _send_write(self, request: HttpRequest, target: Target, *, dry_run: bool) -> bytes:
        try:
            return (await self._sender.send(request)).body
        except (TransportError, ApiError, asyncio.CancelledError) as error:
            if not dry_run and not (isinstance(error, ApiError) and error.status_code < 500):
                self._tell_unknown(target)
            raise

    def _tell_unknown(self, target: Target) -> None:
        for listener in self._unknown:
            listener(target.resource, target.key)

    def _notify(self, resource: Resource, verb: str, answer: bytes) -> None:
        for listener in self._listeners:
            listener(resource, verb, answer)


def _collection(resource: Resource, namespace: str) -> str:
    if namespace:
        check_segment("namespace", namespace)
    return resource.path(namespace)


def _body(resource: Resource, obj: Mapping[str, Any], options: WriteOptions) -> bytes:
    """The object as JSON, with the apiVersion and kind that its resource implies if it has none."""
    implied = {} if options.subresource else {"apiVersion": resource.api_version, "kind": resource.kind}
    return encode({**implied, **obj})


def _remains(resource: Resource, key: ObjectKey, status: Mapping[str, Any]) -> PartialObject:
    """What is known of an object whose deletion was only acknowledged."""
    uid = str((status.get("details") or {}).get("uid") or "")
    metadata = ObjectMeta(namespace=key.namespace, name=key.name, uid=uid)
    return PartialObject(resource.api_version, resource.kind, metadata)


def _pairs(query: Mapping[str, str] | Query) -> Query:
    return tuple(query.items()) if isinstance(query, Mapping) else query


@asynccontextmanager
async def _closing(chunks: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Ends a generator with the block: what is left to the garbage collector ends at any time, and no run is as the
    other."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[WatchEvent, None]:
    async with aclosing(split_lines(chunks)) as lines:
        async for line in lines:
            try:
                yield split_event(line)
            except DecodeError as error:
                raise TransportError(f"the watch sent a line that is no event: {error}") from error
