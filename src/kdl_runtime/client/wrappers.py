"""Small clients that stand before another one and change what passes: put one before the other as needed.

``DryRun(Namespaced(client, "team-a"))`` writes nothing, to one namespace. What is read and written through them is seen
by the listeners of the client at the end, so a cache shows it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, overload

from kdl_runtime.client.api import Api
from kdl_runtime.client.options import (
    DELETE_DEFAULTS,
    LIST_DEFAULTS,
    WATCH_DEFAULTS,
    WRITE_DEFAULTS,
    DeleteOptions,
    ListOptions,
    Patch,
    WatchOptions,
    WriteOptions,
)
from kdl_runtime.client.paths import key_of
from kdl_runtime.codec.json import RawList, WatchEvent
from kdl_runtime.errors import BadRequest
from kdl_runtime.types import ObjectKey, Resource

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method of a client. ``key`` has no name where the call is for many objects."""

    verb: str
    resource: Resource
    key: ObjectKey
    body: object = None
    """The object, or the ``Patch``; None for reads and deletions."""


Proceed = Callable[[], Awaitable[Any]]


class Wrapper:
    """Passes everything on as it is; the wrappers below change one thing each."""

    def __init__(self, inner: Api) -> None:
        self.inner = inner

    def _space(self, resource: Resource, namespace: str) -> str:
        """The namespace to use for one that was given, empty for none."""
        return namespace

    def _writing(self, options: WriteOptions) -> WriteOptions:
        return options

    def _deleting(self, options: DeleteOptions) -> DeleteOptions:
        return options

    async def _call(self, call: Call, proceed: Proceed) -> Any:
        return await proceed()

    def _key(self, resource: Resource, key: ObjectKey) -> ObjectKey:
        return ObjectKey(self._space(resource, key.namespace), key.name)

    def _object(self, resource: Resource, obj: Mapping[str, Any]) -> Mapping[str, Any]:
        given = key_of(obj).namespace
        namespace = self._space(resource, given)
        return obj if namespace == given else {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}

    @overload
    async def get(self, resource: Resource, key: ObjectKey, *, subresource: str = "") -> dict[str, Any]: ...
    @overload
    async def get(self, resource: Resource, key: ObjectKey, *, as_: type[T], subresource: str = "") -> T: ...
    async def get(self, resource: Resource, key: ObjectKey, *, as_: type[Any] = dict, subresource: str = "") -> Any:
        key = self._key(resource, key)
        return await self._call(
            Call("get", resource, key), lambda: self.inner.get(resource, key, as_=as_, subresource=subresource)
        )

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
        namespace = self._space(resource, namespace)
        found: list[Any] = await self._call(
            Call("list", resource, ObjectKey(namespace, "")),
            lambda: self.inner.list(resource, namespace, options, as_=as_),
        )
        return found

    async def list_page(self, resource: Resource, namespace: str = "", options: ListOptions = LIST_DEFAULTS) -> RawList:
        namespace = self._space(resource, namespace)
        page: RawList = await self._call(
            Call("list", resource, ObjectKey(namespace, "")),
            lambda: self.inner.list_page(resource, namespace, options),
        )
        return page

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str = "", options: WatchOptions = WATCH_DEFAULTS
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        namespace = self._space(resource, namespace)
        async with AsyncExitStack() as stack:
            watch = self.inner.watch(resource, namespace, options)
            call = Call("watch", resource, ObjectKey(namespace, ""))
            yield await self._call(call, lambda: stack.enter_async_context(watch))

    async def create(
        self, resource: Resource, obj: Mapping[str, Any], options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]:
        obj = self._object(resource, obj)
        call = Call("create", resource, key_of(obj), obj)
        return await self._write(call, lambda: self.inner.create(resource, obj, self._writing(options)))

    async def update(
        self, resource: Resource, obj: Mapping[str, Any], options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]:
        obj = self._object(resource, obj)
        call = Call("update", resource, key_of(obj), obj)
        return await self._write(call, lambda: self.inner.update(resource, obj, self._writing(options)))

    async def patch(
        self, resource: Resource, key: ObjectKey, patch: Patch, options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]:
        key = self._key(resource, key)
        call = Call("patch", resource, key, patch)
        return await self._write(call, lambda: self.inner.patch(resource, key, patch, self._writing(options)))

    async def apply(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        options: WriteOptions = WRITE_DEFAULTS,
        *,
        known: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        obj = self._object(resource, obj)
        call = Call("apply", resource, key_of(obj), obj)
        return await self._write(call, lambda: self.inner.apply(resource, obj, self._writing(options), known=known))

    async def delete(
        self, resource: Resource, key: ObjectKey, options: DeleteOptions = DELETE_DEFAULTS
    ) -> dict[str, Any] | None:
        key = self._key(resource, key)
        gone: dict[str, Any] | None = await self._call(
            Call("delete", resource, key), lambda: self.inner.delete(resource, key, self._deleting(options))
        )
        return gone

    async def _write(self, call: Call, proceed: Proceed) -> dict[str, Any]:
        written: dict[str, Any] = await self._call(call, proceed)
        return written


class Namespaced(Wrapper):
    """Only one namespace: it is meant where none is given, BadRequest for another. Kinds without namespaces pass."""

    def __init__(self, inner: Api, namespace: str) -> None:
        super().__init__(inner)
        self.namespace = namespace

    def _space(self, resource: Resource, namespace: str) -> str:
        if not resource.namespaced:
            return namespace
        if namespace not in ("", self.namespace):
            raise BadRequest(f"this client is for the namespace {self.namespace!r}, not for {namespace!r}")
        return self.namespace


class DryRun(Wrapper):
    """Writes are checked, defaulted and answered by the server, and not done."""

    def _writing(self, options: WriteOptions) -> WriteOptions:
        return replace(options, dry_run=True)

    def _deleting(self, options: DeleteOptions) -> DeleteOptions:
        return replace(options, dry_run=True)


class FieldOwner(Wrapper):
    """Writes that name no field manager are those of ``manager``."""

    def __init__(self, inner: Api, manager: str) -> None:
        super().__init__(inner)
        self.manager = manager

    def _writing(self, options: WriteOptions) -> WriteOptions:
        return options if options.field_manager is not None else replace(options, field_manager=self.manager)


class FieldValidation(Wrapper):
    """Writes that say nothing of unknown and repeated fields have them refused (Strict), or as ``mode`` says."""

    def __init__(self, inner: Api, mode: Literal["Strict", "Warn", "Ignore"] = "Strict") -> None:
        super().__init__(inner)
        self.mode = mode

    def _writing(self, options: WriteOptions) -> WriteOptions:
        return options if options.field_validation else replace(options, field_validation=self.mode)


class Intercepted(Wrapper):
    """Calls ``around(call, proceed)`` in place of each call: it may raise, wait, look at or replace the answer of
    ``await proceed()``, or not proceed at all. For tests, and for what concerns every call."""

    def __init__(self, inner: Api, around: Callable[[Call, Proceed], Awaitable[Any]]) -> None:
        super().__init__(inner)
        self._around = around

    async def _call(self, call: Call, proceed: Proceed) -> Any:
        return await self._around(call, proceed)
