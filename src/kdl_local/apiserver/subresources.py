"""Subresources: status, scale, finalize, and those of pods."""

from collections.abc import Callable
from dataclasses import replace

from kdl_local.apiserver.apply.request import APPLY, read_config
from kdl_local.apiserver.apply.writes import Scaling
from kdl_local.apiserver.bodies import decode_object, media_type
from kdl_local.apiserver.logs import LogProvider, pod_log
from kdl_local.apiserver.negotiation import negotiate
from kdl_local.apiserver.patches import read_patch
from kdl_local.apiserver.pods import bound, disrupted, eviction
from kdl_local.apiserver.registry import Registry, WriteOptions
from kdl_local.apiserver.rendering import respond
from kdl_local.apiserver.request import Response
from kdl_local.apiserver.scale import read_scale, write_scale
from kdl_local.apiserver.statuses import Undecodable, method_not_allowed, no_such_path, not_found
from kdl_local.apiserver.streams.answers import pod_command, pod_port_forward
from kdl_local.apiserver.streams.provider import StreamRouter
from kdl_local.apiserver.types import Object
from kdl_local.apiserver.verbs import Call, Verbs, write_options
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import BadRequest

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Subresources:
    """``log_provider`` answers ``pods/log``, ``stream_router`` exec, attach and port-forward; None as long as no node
    runs."""

    def __init__(self, registry: Registry, verbs: Verbs, clock: Clock) -> None:
        self.log_provider: LogProvider | None = None
        self.stream_router: StreamRouter | None = None
        self._registry = registry
        self._verbs = verbs
        self._clock = clock

    async def handle(self, call: Call) -> Response:
        """NotFound for a subresource that the type has not, MethodNotAllowed for what cannot be done with it."""
        name = call.route.subresource
        if name not in call.type.subresources:
            raise not_found(call.type.resource, call.route.name) if call.type.custom else no_such_path()
        match name, call.request.method:
            case ("status", "GET" | "HEAD"):
                return self._verbs.get(call)
            case ("status" | "finalize", "PUT"):
                return self._verbs.update(call, name)
            case ("status", "PATCH"):
                return self._verbs.patch(call, name)
            case ("scale", "GET" | "HEAD"):
                return self._show_scale(call, self._stored(call))
            case ("scale", "PUT" | "PATCH"):
                return self._write_scale(call)
            case ("log", "GET"):
                return await pod_log(call.request, self._stored(call), self.log_provider)
            case ("exec" | "attach", "GET" | "POST"):
                return pod_command(call.request, self._stored(call), self.stream_router, exec_=name == "exec")
            case ("portforward", "GET" | "POST"):
                return pod_port_forward(call.request, self._stored(call), self.stream_router)
            case ("binding", "POST"):
                return self._bind(call)
            case ("eviction", "POST"):
                return self._evict(call)
        raise method_not_allowed()

    def _stored(self, call: Call) -> Object:
        return call.type.from_storage(self._registry.get(call.type, call.key).object)

    def _show_scale(self, call: Call, obj: Object) -> Response:
        form = negotiate(call.request.header("accept"))
        return respond(form, encode(read_scale(call.type, obj)))

    def _write_scale(self, call: Call) -> Response:
        if call.request.method == "PATCH" and media_type(call.request) != APPLY:
            read_patch(call.request, custom=call.type.custom)  # An unknown media type is refused before wrong options.
        options = write_options(call, unconditional=True)
        change = self._scaling(call, options)
        live = self._stored(call)
        try:
            shown = read_scale(call.type, live)
            scaled = self._registry.ownership.scaled(call.type, live, shown, change, options.author)
            entry = self._registry.update(
                call.type,
                call.key,
                lambda obj: write_scale(call.type, obj, scaled.scale),
                replace(options, owners=scaled.owners),
            )
        except Undecodable as error:
            raise (call.unpatchable(error) if call.request.method == "PATCH" else error) from None
        return self._show_scale(call, call.type.from_storage(entry.object))

    def _scaling(self, call: Call, options: WriteOptions) -> Scaling:
        if call.request.method == "PUT":
            return _replacement(call)
        if media_type(call.request) == APPLY:
            return read_config(call.request.body, options.field_validation, options.warn)
        return read_patch(call.request, custom=call.type.custom)

    def _bind(self, call: Call) -> Response:
        options = write_options(call, "binding", unconditional=True)
        binding = decode_object(call.request)
        now = self._clock.now()
        self._registry.update(call.type, call.key, lambda pod: bound(pod, binding, now), options)
        return Response(201, encode(_SUCCESS))

    def _evict(self, call: Call) -> Response:
        asked = write_options(call)
        options = eviction(call.route.name, decode_object(call.request), dry_run=asked.dry_run)
        if not options.dry_run:
            now = self._clock.now()
            # As a binding: nobody owns what it changes.
            marking = WriteOptions(subresource="binding", unconditional=True)
            self._registry.update(call.type, call.key, lambda pod: disrupted(pod, now), marking)
        self._registry.delete(call.type, call.key, options)
        return Response(201, encode(_SUCCESS))


def _replacement(call: Call) -> Callable[[Object], Object]:
    body = decode_object(call.request)
    meta, route = body.get("metadata") or {}, call.route
    if meta.get("name", route.name) != route.name:
        raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({route.name})")
    if (meta.get("namespace") or route.namespace) != route.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    return lambda _: body
