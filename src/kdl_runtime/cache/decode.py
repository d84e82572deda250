"""From the bytes of an object to its projection, without ever failing."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import structlog
from msgspec.structs import force_setattr
from prometheus_client import Counter

from kdl_runtime.cache.collection import Decoded
from kdl_runtime.codec.json import DecodeError, Raw, decoder
from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.types import Resource

P = TypeVar("P", bound=PartialObject)

log = structlog.get_logger(__name__)


class _IdentityMeta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Identity(msgspec.Struct, frozen=True, gc=False):
    metadata: _IdentityMeta = _IdentityMeta()


_decode_metadata = decoder(PartialObject)
_decode_identity = decoder(_Identity)


class ObjectDecoder(Generic[P]):
    """Decodes the objects of one resource.

    One object that does not fit its projection must not hide all others: it is logged, counted, and left out.
    ``shrink`` is that of ``WatchSpec``.
    """

    def __init__(
        self,
        resource: Resource,
        projection: type[P],
        undecodable: Counter,
        shrink: Callable[[P], P | None] | None = None,
    ) -> None:
        self._resource = resource
        self._api_version = resource.api_version
        self._shrink = shrink
        self._decode = decoder(projection)
        self._undecodable = undecodable

    def decode(self, raw: Raw | bytes) -> P | None:
        """The projection, with the resource's apiVersion and kind, which lists leave out; None if it cannot be had."""
        try:
            obj: P = self._decode(raw)
        except DecodeError as error:
            identity = self.identify(raw)
            key = str(identity.key) if identity is not None else ""
            log.error("cannot decode object", resource=self._resource.group_resource, object=key, error=str(error))
            self._undecodable.inc()
            return None
        # Also where they are given: one text for all objects instead of one for each.
        force_setattr(obj, "api_version", self._api_version)
        force_setattr(obj, "kind", self._resource.kind)
        return obj

    def kept(self, obj: P, raw: bytes) -> Decoded[P]:
        """What is to be kept of an object and its JSON."""
        smaller = self._shrink(obj) if self._shrink is not None else None
        return Decoded(obj, raw) if smaller is None else Decoded(smaller, None)

    def identify(self, raw: Raw | bytes) -> PartialObject | None:
        """At least name, namespace, UID and version of an object that could not be decoded; else its metadata."""
        try:
            found: PartialObject = _decode_metadata(raw)
        except DecodeError:
            return self._bare_identity(raw)
        return found

    def _bare_identity(self, raw: Raw | bytes) -> PartialObject | None:
        try:
            meta: _IdentityMeta = _decode_identity(raw).metadata
        except DecodeError:
            return None
        bare = ObjectMeta(
            name=meta.name, namespace=meta.namespace, uid=meta.uid, resource_version=meta.resource_version
        )
        return PartialObject(self._resource.api_version, self._resource.kind, bare)
