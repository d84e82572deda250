"""What a URL path names."""

from dataclasses import dataclass

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Route:
    """A collection (without name), an object, or a subresource. The core group is empty.

    ``namespace`` is empty for cluster-scoped resources and for all namespaces at once.
    """

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_route(path: str) -> Route | None:
    """None for a path that names no resource, such as that of a discovery document."""
    match [part for part in path.split("/") if part]:
        case ["api", version, *rest]:
            return _resource("", version, rest)
        case ["apis", group, version, *rest]:
            return _resource(group, version, rest)
    return None


def _resource(group: str, version: str, parts: list[str]) -> Route | None:
    match parts:
        case ["namespaces", name, subresource] if subresource in _NAMESPACE_SUBRESOURCES:
            return Route(group, version, "namespaces", "", name, subresource)
        case ["namespaces", namespace, plural, *rest]:
            return _object(Route(group, version, plural, namespace), rest)
        case [plural, *rest]:
            return _object(Route(group, version, plural), rest)
    return None


def _object(route: Route, parts: list[str]) -> Route | None:
    match parts:
        case []:
            return route
        case [name]:
            return Route(route.group, route.version, route.plural, route.namespace, name)
        case [name, subresource]:
            return Route(route.group, route.version, route.plural, route.namespace, name, subresource)
    return None
