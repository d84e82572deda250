"""The API for what lives in the server's own process and has full rights: scheduler, nodes, collectors, tests."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

from kdl_local.apiserver.cursor import Cursor
from kdl_local.apiserver.deletion import DeleteOptions
from kdl_local.apiserver.pods import PODS, bound
from kdl_local.apiserver.registry import Registry, WriteOptions
from kdl_local.apiserver.selection import Selection
from kdl_local.apiserver.statuses import no_such_path
from kdl_local.apiserver.storage import ADDED
from kdl_local.apiserver.types import Object, ResourceType, ResourceTypes
from kdl_runtime.codec.patch import apply_merge, copy_json
from kdl_runtime.types import ObjectKey, Resource


class Direct:
    """Synchronous reads and writes by the same rules as over HTTP, without its faults, authentication and encoding.

    Objects that are returned are the store's own: shared, never to be changed. Objects that are given are copied.
    Errors are those of ``kdl_runtime.errors``. ``namespace`` is empty for cluster-scoped resources.
    """

    def __init__(self, types: ResourceTypes, registry: Registry) -> None:
        self._types = types
        self._registry = registry

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        type_ = self._type(resource)
        return type_.from_storage(self._registry.get(type_, ObjectKey(namespace, name)).object)

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """As ``get``, with None for an object that there is not."""
        type_ = self._type(resource)
        entry = self._registry.collection(type_).get(ObjectKey(namespace, name))
        return type_.from_storage(entry.object) if entry else None

    def list(
        self, resource: Resource, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> list[Object]:
        """In the order of namespace and name."""
        type_ = self._type(resource)
        selection = Selection.parse(type_, namespace, label_selector, field_selector)
        entries = selection.entries(self._registry.collection(type_))
        return [type_.from_storage(entry.object) for entry in entries]

    def create(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        type_ = self._type(resource)
        return type_.from_storage(self._registry.create(type_, copy_json(obj)).object)

    def update(self, resource: Resource, obj: Mapping[str, Any], subresource: str = "") -> Object:
        """Replaces. With a ``resourceVersion`` in its metadata it is a Conflict if the object has changed since."""
        type_, fresh = self._type(resource), copy_json(obj)
        meta = obj["metadata"]
        options = WriteOptions(subresource=subresource, unconditional=True)
        entry = self._registry.update(type_, _key(type_, meta), lambda _: fresh, options)
        return type_.from_storage(entry.object)

    def patch(
        self, resource: Resource, namespace: str, name: str, patch: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """Applies a JSON merge patch (RFC 7386)."""
        type_ = self._type(resource)
        options = WriteOptions(subresource=subresource, unconditional=True)
        key = ObjectKey(namespace, name)
        entry = self._registry.update(type_, key, lambda old: apply_merge(old, patch), options)
        return type_.from_storage(entry.object)

    def bind(self, pod: Mapping[str, Any], node: str, now: datetime) -> Object:
        """Assigns a pod to a node, as ``pods/binding`` does. Conflict if it has one, is being deleted, or is another
        pod of that name.
        """
        type_ = self._type(PODS)
        meta = pod["metadata"]
        binding = {"metadata": {"uid": meta["uid"]}, "target": {"name": node}}
        options = WriteOptions(subresource="binding", unconditional=True)
        return self._registry.update(type_, _key(type_, meta), lambda old: bound(old, binding, now), options).object

    def delete(  # noqa: PLR0913 -- three name the object, and of the keywords a caller gives one or none
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        grace_period_seconds: int | None = None,
        propagation: str = "",
        uid: str = "",
    ) -> Object:
        """Deletes, or marks as deleted; returns the object as it is now or was in the end."""
        type_ = self._type(resource)
        options = DeleteOptions(grace_period_seconds, propagation, uid)
        return type_.from_storage(self._registry.delete(type_, ObjectKey(namespace, name), options).entry.object)

    async def watch(
        self, resource: Resource, resource_version: str | None = None
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """ADDED, MODIFIED and DELETED with the object, of all namespaces, without end.

        None starts with every present object as ADDED; a resourceVersion starts after it, and is Expired if that is
        too long ago. Expired is also raised in a reader that falls too far behind. Close it (``aclose``) when done.
        """
        type_ = self._type(resource)
        collection = self._registry.collection(type_)
        if resource_version is None:
            start = self._registry.store.revision
            present = collection.entries()
        else:
            start, present = int(resource_version), []
            collection.history.check(start)
        with Cursor(collection, start) as cursor:
            for entry in present:
                yield ADDED, type_.from_storage(entry.object)
            while True:
                for change in await cursor.next():
                    yield change.type, type_.from_storage(change.entry.object)

    def _type(self, resource: Resource) -> ResourceType:
        type_ = self._types.of(resource)
        if type_ is None:
            raise no_such_path()
        return type_


def _key(type_: ResourceType, meta: Mapping[str, Any]) -> ObjectKey:
    return ObjectKey(meta.get("namespace", "") if type_.namespaced else "", meta["name"])
