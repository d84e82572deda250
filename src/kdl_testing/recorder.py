"""What was asked of an API server in a test."""

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass

from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.routes import parse_route
from kdl_local.apiserver.server import ApiServer
from kdl_local.apiserver.storage import Entry
from kdl_local.apiserver.types import ResourceType
from kdl_runtime.types import Resource

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_WRITES = frozenset(_VERBS.values())
_changed: ContextVar[bool] = ContextVar("changed", default=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request that the server has answered. ``verb``: get, list, watch, create, update, patch or delete.
    ``changed``: whether anything was stored otherwise because of it; ``resource`` is the plural, with its group."""

    user: str
    verb: str
    resource: str
    name: str
    subresource: str
    status: int
    changed: bool

    def __str__(self) -> str:
        part = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource}{part} {self.name}".rstrip() + f" ({self.status}, by {self.user})"


class Recorder:
    """All requests since the start or the last ``clear``, in the order of their answers."""

    def __init__(self, server: ApiServer) -> None:
        self.requests: list[Recorded] = []
        server.registry.observers.append(_note_change)

    def clear(self) -> None:
        self.requests.clear()

    def matching(
        self, verb: str = "", resource: Resource | str = "", *, user: str = "", subresource: str | None = None
    ) -> list[Recorded]:
        """Those of a verb, a resource (or its name: ``sets.example.com``), a user and a subresource ("" for none); what
        is not given may be anything."""
        name = resource if isinstance(resource, str) else resource.group_resource
        return [
            request
            for request in self.requests
            if verb in ("", request.verb)
            and name in ("", request.resource)
            and user in ("", request.user)
            and subresource in (None, request.subresource)
        ]

    def count(self, verb: str = "", resource: Resource | str = "", *, user: str = "") -> int:
        """How many there are of those that ``matching`` gives."""
        return len(self.matching(verb, resource, user=user))

    def summary(self) -> Counter[tuple[str, str]]:
        """How many there are of each verb and resource."""
        return Counter((request.verb, request.resource) for request in self.requests)

    def assert_no_useless_writes(self, *, user: str = "") -> None:
        """AssertionError if a write was accepted and has changed nothing: whoever sent it could have known."""
        writes = [request for request in self.matching(user=user) if request.verb in _WRITES]
        useless = [str(request) for request in writes if request.status < 300 and not request.changed]
        if useless:
            raise AssertionError(f"{len(useless)} requests have changed nothing: {', '.join(useless[:10])}")

    def begin(self, _: Request) -> None:
        """For ``Gateway.refuse``: a write is under way, in a task of its own."""
        _changed.set(False)

    def record(self, request: Request, response: Response) -> None:
        """For ``Gateway.on_answer``."""
        route = parse_route(request.path)
        if route is None:
            return
        verb = _VERBS.get(request.method) or ("watch" if request.flag("watch") else "get" if route.name else "list")
        resource = f"{route.plural}.{route.group}" if route.group else route.plural
        changed = verb in _WRITES and _changed.get()
        self.requests.append(
            Recorded(request.user, verb, resource, route.name, route.subresource, response.status, changed)
        )


def _note_change(_type: ResourceType, _entry: Entry, _gone: bool) -> None:
    """In the task of the write that is under way."""
    _changed.set(True)
