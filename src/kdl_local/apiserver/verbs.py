"""The verbs of the API on collections and objects, from a request to a response."""

from contextlib import suppress
from dataclasses import dataclass, replace

from kdl_local.apiserver.apply.request import APPLY, manager_errors, manager_of, read_config
from kdl_local.apiserver.bodies import check_media_type, decode_object, media_type
from kdl_local.apiserver.deletion import DeleteOptions, delete_options
from kdl_local.apiserver.faults import WatchFault
from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.negotiation import Shape, negotiate
from kdl_local.apiserver.pages import list_options, read_page
from kdl_local.apiserver.patches import read_patch
from kdl_local.apiserver.registry import Registry, WriteOptions, check_key, check_namespace, check_type
from kdl_local.apiserver.rendering import View, respond
from kdl_local.apiserver.request import Request, Response
from kdl_local.apiserver.routes import Route
from kdl_local.apiserver.selection import Selection
from kdl_local.apiserver.statuses import Undecodable, method_not_allowed, nameless, success
from kdl_local.apiserver.types import Object, ResourceType
from kdl_local.apiserver.watches import WatchStream, watch_options
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import encode
from kdl_runtime.errors import BadRequest, Invalid, NotFound
from kdl_runtime.types import GroupVersionKind, ObjectKey

# Answers to the deletion of these are the object itself, as in the real API, not a Status.
_RETURNED_WHEN_DELETED = frozenset(
    {"namespaces", "pods", "services", "persistentvolumeclaims", "serviceaccounts", "podtemplates"}
)
_INCLUDED = ("", "Metadata", "Object", "None")
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_META = GroupVersionKind("meta.k8s.io", "v1", "")
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a type that is served, with the parts of its path."""

    request: Request
    type: ResourceType
    route: Route

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.route.namespace, self.route.name)

    @property
    def dry_run(self) -> bool:
        """Whether ``dryRun=All`` was given; Invalid for any other value."""
        if errors := self.dry_run_errors:
            raise self.invalid_options(*errors)
        return bool(self.request.query.get("dryRun"))

    @property
    def dry_run_errors(self) -> list[FieldError]:
        values = self.request.query.get("dryRun") or []
        return [FieldError.not_supported("dryRun", values, ("All",))] if set(values) - {"All"} else []

    def unpatchable(self, error: Undecodable) -> Invalid:
        """The refusal of a patch whose body is fine, but what it makes of the object is not."""
        refusal = FieldError.invalid("patch", self.request.body.decode(errors="replace"), error.why)
        return invalid_object(GroupVersionKind("", "", ""), "", [refusal])

    def invalid_options(self, *errors: FieldError) -> Invalid:
        """The refusal of options of this request."""
        return invalid_object(_META._replace(kind=_OPTIONS[self.request.method]), "", errors)


def write_options(call: Call, subresource: str = "", *, unconditional: bool = False) -> WriteOptions:
    """From the query. Unknown fields are warned of unless ``fieldValidation`` says otherwise, as in the real API."""
    request, validation = call.request, call.request.param("fieldValidation")
    errors = [*call.dry_run_errors, *manager_errors(request, applies=media_type(request) == APPLY)]
    if validation not in _VALIDATIONS:
        errors.append(FieldError.not_supported("fieldValidation", validation, _VALIDATIONS))
    if errors:
        raise call.invalid_options(*errors)
    manager = manager_of(call.request)
    options = WriteOptions(call.dry_run, validation or "Warn", subresource, unconditional, request.warn, manager)
    if call.request.flag("force"):
        options = replace(options, force=True)
    return options


class Verbs:
    """``watch_timeout`` and ``bookmark_interval`` are in seconds."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def get(self, call: Call) -> Response:
        view = self._view(call)
        return respond(view.form, view.one(self._registry.get(call.type, call.key)))

    def list(self, call: Call) -> Response:
        view, collection = self._view(call), self._registry.collection(call.type)
        for name in ("limit", "timeoutSeconds"):
            call.request.number(name)
        selection = _selection(call)
        page = read_page(self._registry.store, collection, selection, list_options(call.request))
        return respond(view.form, view.many(page))

    def watch(self, call: Call, fault: WatchFault, timeout: float, bookmark_interval: float) -> Response:
        view = self._view(call, stream=True)
        for name in ("limit", "timeoutSeconds"):
            call.request.number(name)
        selection = _selection(call)
        options = watch_options(call.request, timeout, bookmark_interval)
        collection = self._registry.collection(call.type)
        stream = WatchStream(self._registry.store, collection, selection, view, options)
        return Response(200, stream.lines(fault))

    def create(self, call: Call) -> Response:
        view = self._view(call)
        if call.type.namespaced and not call.route.namespace:
            raise method_not_allowed()
        check_media_type(call.request)
        options = write_options(call)
        obj = _stated(call)
        check_type(call.type, obj)
        self._registry.drop_unknown(call.type, obj, options)
        check_namespace(call.type, call.route.namespace, obj)
        entry = self._registry.create(call.type, obj, options)
        return respond(view.form, view.one(entry), 201)

    def update(self, call: Call, subresource: str = "") -> Response:
        view = self._view(call)
        options = write_options(call, subresource)
        obj = _stated(call)
        check_type(call.type, obj)
        self._registry.drop_unknown(call.type, obj, options)
        if not obj["metadata"].get("name"):
            raise nameless(call.route.name)
        check_key(call.type, call.key, obj)
        existed = self._registry.collection(call.type).get(call.key) is not None
        entry = self._registry.update(call.type, call.key, lambda _: obj, options)
        return respond(view.form, view.one(entry), 200 if existed else 201)

    def apply(self, call: Call, subresource: str = "") -> Response:
        """A patch of the type of server-side apply."""
        view = self._view(call)
        options = write_options(call, subresource)
        config = read_config(call.request.body, options.field_validation, options.warn)
        existed = self._registry.collection(call.type).get(call.key) is not None
        options = replace(options, field_validation="Ignore")
        entry = self._registry.apply(call.type, call.key, config, options)
        return respond(view.form, view.one(entry), 200 if existed else 201)

    def patch(self, call: Call, subresource: str = "") -> Response:
        if media_type(call.request) == APPLY:
            return self.apply(call, subresource)
        view = self._view(call)
        change = read_patch(call.request, custom=call.type.custom)
        options = write_options(call, subresource, unconditional=True)
        try:
            entry = self._registry.update(call.type, call.key, change, options)
        except Undecodable as error:
            raise call.unpatchable(error) from None
        return respond(view.form, view.one(entry), 200)

    def delete(self, call: Call) -> Response:
        view = self._view(call)
        deletion = self._registry.delete(call.type, call.key, _delete_options(call))
        resource = call.type.resource
        if not deletion.removed or (not resource.group and resource.plural in _RETURNED_WHEN_DELETED):
            return respond(view.form, view.one(deletion.entry))
        uid = deletion.entry.object["metadata"]["uid"]
        return respond(view.form, encode(success(resource, call.route.name, uid)))

    def delete_collection(self, call: Call) -> Response:
        """Deletes what is selected now, and answers with the list of it, as it was before."""
        view = self._view(call)
        if call.type.namespaced and not call.route.namespace:
            raise method_not_allowed()
        options = _delete_options(call)
        page = read_page(
            self._registry.store, self._registry.collection(call.type), _selection(call), list_options(call.request)
        )
        for entry in page.entries:
            with suppress(NotFound):
                self._registry.delete(call.type, entry.key, options)
        return respond(view.form, view.many(page))

    def _view(self, call: Call, *, stream: bool = False) -> View:
        form = negotiate(call.request.header("accept"), stream=stream)
        include = call.request.param("includeObject")
        if form.shape is Shape.TABLE and include not in _INCLUDED:
            why = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
            raise BadRequest(f"Unable to convert to Table as requested: {why}")
        return View(call.type, form, self._clock, include)


def _stated(call: Call) -> Object:
    """The object in the body. A custom resource has to say what it is."""
    obj = decode_object(call.request)
    if call.type.custom and not obj.get("kind"):
        raise BadRequest("Object 'Kind' is missing in the body of the request")
    if call.type.custom and not obj.get("apiVersion"):
        expected = call.type.resource.api_version
        raise BadRequest(f"the API version in the data () does not match the expected API version ({expected})")
    return obj


def _selection(call: Call) -> Selection:
    request = call.request
    return Selection.parse(
        call.type, call.route.namespace, request.param("labelSelector"), request.param("fieldSelector")
    )


def _delete_options(call: Call) -> DeleteOptions:
    """From the body alone, if there is one, else from the query."""
    request = call.request
    if request.body:
        return delete_options(decode_object(request))
    return delete_options(
        {
            "gracePeriodSeconds": request.number("gracePeriodSeconds"),
            "propagationPolicy": request.param("propagationPolicy"),
            "orphanDependents": request.flag("orphanDependents") if "orphanDependents" in request.query else None,
            "dryRun": request.query.get("dryRun"),
        }
    )
