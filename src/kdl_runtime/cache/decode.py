"""From the bytes of an object to its projection, without ever failing."""

from typing import Generic, TypeVar

import structlog
from msgspec.structs import force_setattr
from prometheus_client import Counter

from kdl_runtime.codec.json import DecodeError, Raw, decoder
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.types import Resource

P = TypeVar("P", bound=PartialObject)

log = structlog.get_logger(__name__)

_metadata_only = decoder(PartialObject)


class ObjectDecoder(Generic[P]):
    """Decodes the objects of one resource.

    One object that does not fit its projection must not hide all others: it is logged, counted, and left out.
    """

    def __init__(self, resource: Resource, projection: type[P], undecodable: Counter) -> None:
        self._resource = resource
        self._decode = decoder(projection)
        self._undecodable = undecodable

    def decode(self, raw: Raw | bytes) -> P | None:
        """The projection, with the apiVersion and kind that lists leave out; None if it cannot be had."""
        try:
            obj: P = self._decode(raw)
        except DecodeError as error:
            identity = self.identify(raw)
            key = str(identity.key) if identity is not None else ""
            log.error("cannot decode object", resource=self._resource.group_resource, object=key, error=str(error))
            self._undecodable.inc()
            return None
        if obj.kind != self._resource.kind:
            force_setattr(obj, "api_version", self._resource.api_version)
            force_setattr(obj, "kind", self._resource.kind)
        return obj

    def identify(self, raw: Raw | bytes) -> PartialObject | None:
        """At least the metadata, of an object whose projection could not be decoded."""
        try:
            identity: PartialObject = _metadata_only(raw)
        except DecodeError:
            return None
        return identity
