"""What the API server serves: groups, versions and resources, as ``kubectl api-resources`` shows them.

Aggregated discovery (KEP-3352) takes two requests; a server that does not know it is asked for each group version.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import DecodeError, decode
from kdl_runtime.errors import ApiError, NotFound, TransportError
from kdl_runtime.types import Resource, parse_api_version

REFRESH_FLOOR = 10.0
"""Seconds between two looks at the server when something is looked for and not found."""

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class PathReader(Protocol):
    """The part of the client that discovery needs."""

    async def get_path(self, path: str, query: Mapping[str, str] = ..., *, accept: str = ...) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ServedResource:
    """A resource that the server serves, with the names under which users may ask for it."""

    resource: Resource
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()

    def answers_to(self, name: str) -> bool:
        """Whether ``name``, in lower case, is one of its names: plural, singular, short name or kind, perhaps with
        the group or with version and group behind it (``xgb``, ``jobs.batch``, ``jobs.v1.batch``)."""
        head, _, rest = name.partition(".")
        resource = self.resource
        if head not in (resource.plural, self.singular, resource.kind.lower(), *self.short_names):
            return False
        return rest in ("", resource.group, f"{resource.version}.{resource.group}".rstrip("."))


def parse_aggregated(document: Mapping[str, Any]) -> list[ServedResource]:
    """The resources of an ``APIGroupDiscoveryList``; each group's versions in the server's order of preference."""
    found = []
    for group in document.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            # A stale version is one whose aggregated server is away: what it lists is incomplete.
            for item in version.get("resources") or ():
                if kind := (item.get("responseKind") or {}).get("kind"):
                    resource = Resource(
                        name, version["version"], kind, item["resource"], item.get("scope") == "Namespaced"
                    )
                    subresources = (sub["subresource"] for sub in item.get("subresources") or ())
                    found.append(_served(resource, item, item.get("singularResource"), subresources))
    return found


def parse_resource_list(document: Mapping[str, Any]) -> list[ServedResource]:
    """The resources of an ``APIResourceList``, which is what ``/api/v1`` and ``/apis/apps/v1`` answer."""
    group, version = parse_api_version(str(document.get("groupVersion", "")))
    items = document.get("resources") or ()
    subresources: dict[str, list[str]] = {}
    for item in items:
        plural, slash, subresource = item["name"].partition("/")
        if slash:
            subresources.setdefault(plural, []).append(subresource)
    return [
        _served(
            Resource(group, version, item["kind"], item["name"], bool(item.get("namespaced"))),
            item,
            item.get("singularName"),
            subresources.get(item["name"], ()),
        )
        for item in items
        if "/" not in item["name"]
    ]


def _served(
    resource: Resource, item: Mapping[str, Any], singular: object, subresources: Iterable[str]
) -> ServedResource:
    return ServedResource(
        resource=resource,
        singular=str(singular or "") or resource.kind.lower(),
        short_names=tuple(item.get("shortNames") or ()),
        categories=tuple(item.get("categories") or ()),
        verbs=tuple(item.get("verbs") or ()),
        subresources=frozenset(subresources),
    )


async def discover(reader: PathReader) -> list[ServedResource]:
    """All that is served now. Groups whose own server is away are left out."""
    found: list[ServedResource] = []
    for root in ("/api", "/apis"):
        document = await _document(reader, root, _AGGREGATED)
        if document.get("kind") == "APIGroupDiscoveryList":
            found += parse_aggregated(document)
        else:
            lists = await asyncio.gather(*(_resource_list(reader, path) for path in _group_version_paths(document)))
            found += [served for part in lists for served in part]
    return found


def _group_version_paths(document: Mapping[str, Any]) -> list[str]:
    """From an ``APIVersions`` (core) or ``APIGroupList`` document."""
    if document.get("kind") == "APIVersions":
        return [f"/api/{version}" for version in document.get("versions") or ()]
    groups = document.get("groups") or ()
    return [f"/apis/{version['groupVersion']}" for group in groups for version in group.get("versions") or ()]


async def _resource_list(reader: PathReader, path: str) -> list[ServedResource]:
    try:
        return parse_resource_list(await _document(reader, path, "application/json"))
    except NotFound:
        return []
    except ApiError as error:
        # 503: an aggregated API whose server is away must not hide all the others.
        if error.status_code < 500:
            raise
        return []


async def _document(reader: PathReader, path: str, accept: str) -> Mapping[str, Any]:
    try:
        document = decode(await reader.get_path(path, accept=accept))
    except DecodeError as error:
        raise TransportError(f"the discovery document {path} is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise TransportError(f"the discovery document {path} is no object")
    return document


async def served(reader: PathReader) -> frozenset[Resource]:
    """The resources that the server serves now, in all versions."""
    return frozenset(item.resource for item in await discover(reader))


async def served_in(reader: PathReader, api_versions: Iterable[str]) -> frozenset[Resource]:
    """The resources that the server serves in some groups and versions (``kubeflow.org/v1``), none for an unknown one:
    small requests, for who waits for a kind."""
    paths = [f"/apis/{version}" if "/" in version else f"/api/{version}" for version in sorted(set(api_versions))]
    lists = await asyncio.gather(*(_resource_list(reader, path) for path in paths))
    return frozenset(item.resource for part in lists for item in part)


class Discovery:
    """Discovery with a memory: the server is asked at the first use, and again when something is not found.

    A kind whose definition is installed later is thus found; ``floor`` seconds must lie between two looks, so that
    asking for what does not exist is cheap.
    """

    def __init__(self, reader: PathReader, clock: Clock, floor: float = REFRESH_FLOOR) -> None:
        self._reader = reader
        self._clock = clock
        self._floor = floor
        self._lock = asyncio.Lock()
        self._served: tuple[ServedResource, ...] | None = None
        self._looked_at = 0.0

    async def resources(self) -> tuple[ServedResource, ...]:
        """What was served at the last look."""
        return self._served if self._served is not None else await self.refresh()

    async def refresh(self) -> tuple[ServedResource, ...]:
        """Asks the server, unless it was asked less than ``floor`` seconds ago."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._served is None or now - self._looked_at >= self._floor:
                self._served = tuple(await discover(self._reader))
                self._looked_at = now
            return self._served

    async def by_kind(self, group: str, kind: str, version: str = "") -> Resource | None:
        """The resource of a kind, in the server's preferred version if none is given; None if it is not served."""

        def find(candidates: tuple[ServedResource, ...]) -> Resource | None:
            for item in candidates:
                resource = item.resource
                if (resource.group, resource.kind) == (group, kind) and version in ("", resource.version):
                    return resource
            return None

        return find(await self.resources()) or find(await self.refresh())

    async def by_name(self, name: str) -> ServedResource | None:
        """What a user means by ``xgb``, ``XGBoostJob`` or ``jobs.batch``; core kinds win over others of that name."""

        def find(candidates: tuple[ServedResource, ...]) -> ServedResource | None:
            return next((item for item in candidates if item.answers_to(name.lower())), None)

        return find(await self.resources()) or find(await self.refresh())
