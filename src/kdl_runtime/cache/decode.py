"""From the bytes of an object to its projection, without ever failing."""

from typing import Generic, TypeVar

import msgspec
import structlog
from msgspec.structs import force_setattr
from prometheus_client import Counter

from kdl_runtime.cache.collection import Decoded
from kdl_runtime.cache.sharing import SharedTexts
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.codec.json import DecodeError, Raw, decoder
from kdl_runtime.codec.meta import ObjectMeta, PartialObject

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
    """Decodes the objects of one watch.

    One object that does not fit its projection, or that a transform cannot change, must not hide all others: it is
    logged, counted, and left out.
    """

    def __init__(self, spec: WatchSpec[P], undecodable: Counter) -> None:
        self._resource = spec.resource
        self._api_version = spec.resource.api_version
        self._kind = spec.resource.kind
        self._transform = spec.transform
        self._shrink = spec.shrink
        self._decode = decoder(spec.projection)
        self._undecodable = undecodable
        self._texts = SharedTexts()

    def decode(self, raw: Raw | bytes) -> Decoded[P] | None:
        """What is to be kept of an object, with the resource's apiVersion and kind, which lists leave out, and bytes of
        its own; None if it cannot be decoded."""
        own = bytes(raw)
        try:
            if self._transform is not None:
                own = self._transform(own)
            obj: P = self._decode(own)
            if not obj.metadata.name:
                raise DecodeError("it has no name")
            # Also where they are given: one text for all objects instead of one for each.
            force_setattr(obj, "api_version", self._api_version)
            force_setattr(obj, "kind", self._kind)
            self._texts.share(obj.metadata)
            smaller = self._shrink(obj) if self._shrink is not None else None
        except Exception as error:
            self._report(raw, error)
            return None
        return Decoded(obj, own) if smaller is None else Decoded(smaller, None)

    def _report(self, raw: Raw | bytes, error: Exception) -> None:
        identity = self.identify(raw)
        key = str(identity.key) if identity is not None else ""
        trace = None if isinstance(error, DecodeError) else error
        resource = self._resource.group_resource
        log.error("cannot decode object", resource=resource, object=key, error=str(error), exc_info=trace)
        self._undecodable.inc()

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
