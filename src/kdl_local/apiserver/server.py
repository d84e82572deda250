"""The API server, from a request to a response, without HTTP."""

import random
from dataclasses import dataclass

from kdl_local.apiserver import discovery
from kdl_local.apiserver.apply.writes import Ownership
from kdl_local.apiserver.bodies import decode_object
from kdl_local.apiserver.bootstrap import bootstrap
from kdl_local.apiserver.builtin import builtin
from kdl_local.apiserver.custom import CustomResources
from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.endpoints import EndpointsOfServices
from kdl_local.apiserver.faults import Faults, NoFaults
from kdl_local.apiserver.logs import LogProvider
from kdl_local.apiserver.openapi import OpenApi
from kdl_local.apiserver.registry import Registry
from kdl_local.apiserver.rendering import refusal
from kdl_local.apiserver.request import TEXT, Request, Response
from kdl_local.apiserver.reviews import is_review, review
from kdl_local.apiserver.routes import Route, parse_route
from kdl_local.apiserver.statuses import method_not_allowed, no_such_path
from kdl_local.apiserver.storage import Snapshot, Store
from kdl_local.apiserver.streams.provider import StreamRouter
from kdl_local.apiserver.subresources import Subresources
from kdl_local.apiserver.types import ResourceTypes
from kdl_local.apiserver.verbs import Call, Verbs
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import ApiError, NotAcceptable, TransportError, UnsupportedMediaType

_HEALTH = frozenset({"healthz", "livez", "readyz"})


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """``history_size``: changes of each type that a watch may reach back, 0 for none; each holds an object in memory.

    Times are in seconds. A watch for which the client sets no timeout ends after ``watch_timeout`` to twice that.
    ``version`` is the Kubernetes version that the server claims to be: what clients derive its abilities from.
    ``snapshot``: what is in the store at the start, None for what every new cluster has in it.
    """

    history_size: int = 4096
    bookmark_interval: float = 60.0
    watch_timeout: float = 1800.0
    version: tuple[int, int] = (1, 37)
    snapshot: Snapshot | None = None


_DEFAULT_OPTIONS = ServerOptions()


class ApiServer:
    """All state is in memory and belongs to the running event loop.

    ``faults`` may be set at any time. ``log_provider`` and ``stream_router`` are set by whatever runs pods.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        options: ServerOptions = _DEFAULT_OPTIONS,
        faults: Faults | None = None,
    ) -> None:
        self.options = options
        self.faults: Faults = faults or NoFaults()
        self.types = ResourceTypes(builtin())
        # Revisions go on from those of an earlier server, as long as it has written less than once a millisecond:
        # what its clients remember is older than anything here, and they are told to list again.
        self.store = Store(options.history_size, int(clock.now().timestamp() * 1000))
        self.registry = Registry(self.store, Ownership(self.types, clock), clock, rng)
        self.direct = Direct(self.types, self.registry)
        self._clock = clock
        self._rng = rng
        self._verbs = Verbs(self.registry, clock)
        self._subresources = Subresources(self.registry, self._verbs, clock)
        self._openapi = OpenApi(self.types)
        self._custom = CustomResources(self.types, self.registry, clock)
        self._endpoints = EndpointsOfServices(self.types, self.registry)
        if options.snapshot is None:
            bootstrap(self.direct)
        else:
            self.store.restore(options.snapshot)

    @property
    def log_provider(self) -> LogProvider | None:
        return self._subresources.log_provider

    @log_provider.setter
    def log_provider(self, provider: LogProvider | None) -> None:
        self._subresources.log_provider = provider

    @property
    def stream_router(self) -> StreamRouter | None:
        return self._subresources.stream_router

    @stream_router.setter
    def stream_router(self, router: StreamRouter | None) -> None:
        self._subresources.stream_router = router

    async def handle(self, request: Request) -> Response:
        """The answer; errors of the API are ``Status`` answers.

        Raises TransportError only where ``faults`` breaks the connection.
        """
        fault = self.faults.request(request)
        if fault.latency:
            await self._clock.sleep(fault.latency)
        if fault.refused:
            raise TransportError("connection refused (injected)")
        try:
            if fault.error is not None:
                raise fault.error
            response = await self._dispatch(request)
        except ApiError as error:
            response = refusal(error, request.header("accept"))
        if deprecation := self._deprecation(request.path, response.status):
            request.warn(deprecation)
        response.warnings = tuple(request.warnings)
        if fault.lost:
            if not isinstance(response.body, bytes):
                await response.body.aclose()
            raise TransportError("connection reset before the answer (injected)")
        return response

    async def _dispatch(self, request: Request) -> Response:
        route = parse_route(request.path)
        if route is None:
            return self._document(request)
        if is_review(route.group, route.version, route.plural):
            return self._review(request, route)
        type_ = self.types.get(route.group, route.version, route.plural)
        if type_ is None or not _fits(route, type_.namespaced):
            raise no_such_path()
        call = Call(request, type_, route)
        return await self._subresources.handle(call) if route.subresource else self._call(call)

    def _deprecation(self, path: str, status: int) -> str:
        """The warning that belongs to the version of the type at the path; empty if there is none."""
        route = parse_route(path)
        type_ = self.types.get(route.group, route.version, route.plural) if route else None
        if route is None or type_ is None:
            return ""
        # A built-in type warns only if the request is one that it could serve.
        known = not route.subresource or route.subresource in type_.subresources
        reached = known and status not in (UnsupportedMediaType.code, NotAcceptable.code)
        return type_.deprecation if type_.custom or reached else ""

    def _call(self, call: Call) -> Response:
        verb = _verb(call.request, call.route)
        # While a CRD is being deleted, creates of its objects are refused for another reason, and later.
        if verb not in call.type.verbs and not (call.type.custom and verb == "create"):
            raise method_not_allowed()
        match verb:
            case "get":
                return self._verbs.get(call)
            case "list":
                return self._verbs.list(call)
            case "watch":
                timeout = self.options.watch_timeout * (1 + self._rng.random())
                fault = self.faults.watch(call.request)
                return self._verbs.watch(call, fault, timeout, self.options.bookmark_interval)
            case "create":
                return self._verbs.create(call)
            case "update":
                return self._verbs.update(call)
            case "patch":
                return self._verbs.patch(call)
            case "delete":
                return self._verbs.delete(call)
            case _:
                return self._verbs.delete_collection(call)

    def _review(self, request: Request, route: Route) -> Response:
        if request.method != "POST" or route.name:
            raise method_not_allowed()
        obj = review((route.group, route.version, route.plural), decode_object(request), request)
        return Response(201, encode(obj))

    def _document(self, request: Request) -> Response:
        path, accept = request.path.rstrip("/"), request.header("accept")
        if request.method not in ("GET", "HEAD"):
            served = path == "/version" or discovery.document(self.types, path) is not None
            raise method_not_allowed() if served else no_such_path()
        first = path.split("/")[1] if path else ""
        if first in _HEALTH:
            return Response(200, b"ok", f"{TEXT}; charset=utf-8")
        if path == "/version":
            return Response(200, encode(self._version()))
        if first == "openapi":
            text = self._openapi.document(path)
            if text is None:
                raise no_such_path()
            return Response(200, text)
        found = discovery.document(self.types, path, accept)
        if found is None:
            raise no_such_path()
        discovery.check_acceptable(path, accept)
        return Response(200, encode(found), discovery.content_type(path, accept))

    def _version(self) -> dict[str, str]:
        major, minor = self.options.version
        return {
            "major": str(major),
            "minor": str(minor),
            "gitVersion": f"v{major}.{minor}.0+kdl",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "none",
            "compiler": "CPython",
            "platform": "linux/amd64",
        }


def _fits(route: Route, namespaced: bool) -> bool:
    """A namespaced object is only found below its namespace, a cluster-scoped one never below any."""
    if namespaced:
        return bool(route.namespace or not route.name)
    return not route.namespace


def _verb(request: Request, route: Route) -> str:
    match request.method:
        case "GET" | "HEAD":
            if route.name:
                return "get"
            return "watch" if request.flag("watch") else "list"
        case "POST" if not route.name:
            return "create"
        case "PUT" if route.name:
            return "update"
        case "PATCH" if route.name:
            return "patch"
        case "DELETE":
            return "delete" if route.name else "deletecollection"
    raise method_not_allowed()
