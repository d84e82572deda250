"""Endpoints go with the service of their name: the API server itself takes them away."""

from contextlib import suppress

from kdl_local.apiserver.registry import Registry
from kdl_local.apiserver.storage import Entry
from kdl_local.apiserver.types import ResourceType, ResourceTypes
from kdl_runtime.errors import NotFound
from kdl_runtime.types import Resource

SERVICES = Resource("", "v1", "Service", "services")
ENDPOINTS = Resource("", "v1", "Endpoints", "endpoints")


class EndpointsOfServices:
    """Observes every write of the registry."""

    def __init__(self, types: ResourceTypes, registry: Registry) -> None:
        self._types = types
        self._registry = registry
        registry.observers.append(self._observe)

    def _observe(self, type_: ResourceType, entry: Entry, gone: bool) -> None:
        endpoints = self._types.of(ENDPOINTS)
        if gone and type_.storage_resource == SERVICES and endpoints is not None:
            with suppress(NotFound):
                self._registry.delete(endpoints, entry.key)
