"""What a client does, whoever it is: the real one, and those that stand before it (``wrappers``)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, overload

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
from kdl_runtime.codec.json import RawList, WatchEvent
from kdl_runtime.types import ObjectKey, Resource

T = TypeVar("T")


class Api(Protocol):
    """Live reads and writes; each method is described at ``Client``."""

    @overload
    async def get(self, resource: Resource, key: ObjectKey, *, subresource: str = "") -> dict[str, Any]: ...
    @overload
    async def get(self, resource: Resource, key: ObjectKey, *, as_: type[T], subresource: str = "") -> T: ...

    @overload
    async def list(
        self, resource: Resource, namespace: str = "", options: ListOptions = LIST_DEFAULTS
    ) -> list[dict[str, Any]]: ...
    @overload
    async def list(
        self, resource: Resource, namespace: str = "", options: ListOptions = LIST_DEFAULTS, *, as_: type[T]
    ) -> "list[T]": ...

    async def list_page(
        self, resource: Resource, namespace: str = "", options: ListOptions = LIST_DEFAULTS
    ) -> RawList: ...

    def watch(
        self, resource: Resource, namespace: str = "", options: WatchOptions = WATCH_DEFAULTS
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]: ...

    async def create(
        self, resource: Resource, obj: Mapping[str, Any], options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]: ...

    async def update(
        self, resource: Resource, obj: Mapping[str, Any], options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]: ...

    async def patch(
        self, resource: Resource, key: ObjectKey, patch: Patch, options: WriteOptions = WRITE_DEFAULTS
    ) -> dict[str, Any]: ...

    async def apply(
        self,
        resource: Resource,
        obj: Mapping[str, Any],
        options: WriteOptions = WRITE_DEFAULTS,
        *,
        known: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]: ...

    async def delete(
        self, resource: Resource, key: ObjectKey, options: DeleteOptions = DELETE_DEFAULTS
    ) -> dict[str, Any] | None: ...
