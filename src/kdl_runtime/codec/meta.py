"""Projections: frozen structs that hold the few fields of an object that indexes, predicates and readers need.

Decoding one costs a quarter of building the whole object and it may be shared between readers. A projection of
more than the metadata is a subclass of ``PartialObject`` with further fields; fields that a struct does not name are
skipped.
"""

import msgspec

from kdl_runtime.types import ObjectKey


class OwnerReference(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """``metadata`` of any object. Times are left as the strings that the API server sent."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.namespace, self.name)

    @property
    def controller(self) -> OwnerReference | None:
        """The one owner that manages this object, if any."""
        return next((ref for ref in self.owner_references if ref.controller), None)


class PartialObject(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """The projection that every object has, and the base of richer ones."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> ObjectKey:
        return self.metadata.key
