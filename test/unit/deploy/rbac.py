"""What a request asks for, and whether rules allow it: https://kubernetes.io/docs/reference/access-authn-authz/rbac/"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kdl_local.apiserver.request import Request, Response, error_response
from kdl_runtime.errors import Forbidden, Invalid

Rules = Iterable[Mapping[str, Any]]

WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, order=True, slots=True)
class Access:
    """``resource`` is with the subresource, as in ``pods/status``."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    @property
    def right(self) -> tuple[str, str, str]:
        """What a rule without names grants for it: verb, group, resource."""
        return (self.verb, self.group, self.resource)


def access_of(request: Request) -> Access | None:
    """None for paths that are no resources, such as discovery: everybody who is known may read those."""
    parts = request.path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    named = len(rest) > 1
    name = rest[1] if named else _selected_name(request)
    return Access(_verb(request, named=named), group, "/".join([rest[0], *rest[2:]]), namespace, name)


def _selected_name(request: Request) -> str:
    """A list or watch of the one object of a name counts as one of that name."""
    field, _, value = request.param("fieldSelector").partition("=")
    return value if field == "metadata.name" else ""


def _verb(request: Request, *, named: bool) -> str:
    if request.method == "GET":
        if request.flag("watch"):
            return "watch"
        return "get" if named else "list"
    if request.method == "DELETE":
        return "delete" if named else "deletecollection"
    return WRITES[request.method]


def allowed(access: Access, rules: Rules) -> bool:
    return any(
        access.verb in rule["verbs"]
        and access.group in rule["apiGroups"]
        and access.resource in rule["resources"]
        and ("resourceNames" not in rule or access.name in rule["resourceNames"])
        for rule in rules
    )


def granted(rules: Rules) -> set[tuple[str, str, str]]:
    """Everything that rules allow, one by one: verb, group, resource."""
    return {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


class Gate:
    """Stands before an API server and refuses what the rules do not allow, as RBAC does, and keeps what was asked."""

    def __init__(self, handle: Callable[[Request], Awaitable[Response]], rules: Rules) -> None:
        self._handle = handle
        self._rules = list(rules)
        self.asked: set[Access] = set()
        self.refused: set[Access] = set()
        self.streams_lists = True
        """Whether watches may begin with what is there, which servers before Kubernetes 1.32 do not know."""

    async def handle(self, request: Request) -> Response:
        access = access_of(request)
        if access is None:
            return await self._handle(request)
        self.asked.add(access)
        if request.flag("sendInitialEvents") and not self.streams_lists:
            return error_response(
                Invalid("sendInitialEvents is forbidden for watch unless the WatchList feature is on")
            )
        if allowed(access, self._rules):
            return await self._handle(request)
        self.refused.add(access)
        return error_response(Forbidden(f"{access} is not allowed"))
