"""The operations that the server offers on a type, independent of the version of the OpenAPI document."""

from collections.abc import Iterator
from dataclasses import dataclass

from kdl_local.apiserver.discovery import subresource_kind, subresource_verbs
from kdl_local.apiserver.types import ResourceType
from kdl_runtime.types import GroupVersionKind


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter; ``type`` is boolean, integer or string."""

    name: str
    type: str
    description: str


_PRETTY = Parameter("pretty", "string", "If 'true', then the output is pretty printed.")
_DRY_RUN = Parameter("dryRun", "string", "'All' checks the request and stores nothing.")
_MANAGER = Parameter("fieldManager", "string", "The name of the actor that makes the change.")
_VALIDATION = Parameter(
    "fieldValidation",
    "string",
    "What happens to unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
)
_FORCE = Parameter("force", "boolean", "Takes over fields that others manage; for apply patches only.")
_LISTING = (
    Parameter("allowWatchBookmarks", "boolean", "Asks a watch for BOOKMARK events."),
    Parameter("continue", "string", "The token of the next page."),
    Parameter("fieldSelector", "string", "Restricts the answer to objects with these fields."),
    Parameter("labelSelector", "string", "Restricts the answer to objects with these labels."),
    Parameter("limit", "integer", "The most objects in one answer."),
    Parameter("resourceVersion", "string", "The version from which a list or watch may be served."),
    Parameter("resourceVersionMatch", "string", "How resourceVersion is applied to a list."),
    Parameter("sendInitialEvents", "boolean", "Starts a watch with the present objects."),
    Parameter("timeoutSeconds", "integer", "The longest that the call may last."),
    Parameter("watch", "boolean", "Streams changes instead of answering with a list."),
)
_DELETING = (
    _DRY_RUN,
    Parameter("gracePeriodSeconds", "integer", "Seconds before the object is deleted; zero means at once."),
    Parameter("propagationPolicy", "string", "Orphan, Background or Foreground."),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """``action`` is the value of ``x-kubernetes-action``; ``body`` and ``answer`` are kinds, None for free text.

    ``media`` are the content types of the body. kubectl tells by those of a patch how to apply a kind: custom
    resources must not offer strategic merge patches.
    """

    path: str
    method: str
    action: str
    kind: GroupVersionKind
    parameters: tuple[Parameter, ...] = ()
    body: GroupVersionKind | None = None
    answer: GroupVersionKind | None = None
    media: tuple[str, ...] = ("*/*",)

    @property
    def id(self) -> str:
        """Unique in a document."""
        place = "".join(part.strip("{}").capitalize() for part in self.path.split("/")[2:])
        return f"{self.action}{place}"


STATUS = GroupVersionKind("", "v1", "Status")
DELETE_OPTIONS = GroupVersionKind("", "v1", "DeleteOptions")
PATCH = GroupVersionKind("", "v1", "Patch")

_PATCH_MEDIA = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_BUILTIN_PATCH_MEDIA = (*_PATCH_MEDIA, "application/strategic-merge-patch+json")

_WRITE = (_PRETTY, _DRY_RUN, _MANAGER, _VALIDATION)


def operations(type_: ResourceType) -> Iterator[Operation]:
    """All operations on a type and its subresources, those on the collection first."""
    kind, list_kind = type_.gvk, type_.gvk._replace(kind=type_.list_kind)
    resource, verbs = type_.resource, type_.verbs
    everywhere = resource.path()
    collection = resource.path("{namespace}") if type_.namespaced else everywhere
    if type_.namespaced and "list" in verbs:
        yield Operation(everywhere, "get", "list", kind, (_PRETTY, *_LISTING), answer=list_kind)
    if "list" in verbs:
        yield Operation(collection, "get", "list", kind, (_PRETTY, *_LISTING), answer=list_kind)
    if "create" in verbs:
        yield Operation(collection, "post", "post", kind, _WRITE, kind, kind)
    if "deletecollection" in verbs:
        parameters = (_PRETTY, *_DELETING, *_LISTING[:-1])
        yield Operation(collection, "delete", "deletecollection", kind, parameters, DELETE_OPTIONS, STATUS)
    one = f"{collection}/{{name}}"
    if "get" in verbs:
        yield Operation(one, "get", "get", kind, (_PRETTY,), answer=kind)
    if "update" in verbs:
        yield Operation(one, "put", "put", kind, _WRITE, kind, kind)
    if "patch" in verbs:
        yield _patch(type_, one, kind)
    if "delete" in verbs:
        yield Operation(one, "delete", "delete", kind, (_PRETTY, *_DELETING), DELETE_OPTIONS, STATUS)
    for name in sorted(type_.subresources):
        yield from _subresource(type_, name, f"{one}/{name}")


def _patch(type_: ResourceType, path: str, kind: GroupVersionKind) -> Operation:
    media = _PATCH_MEDIA if type_.custom else _BUILTIN_PATCH_MEDIA
    return Operation(path, "patch", "patch", kind, (*_WRITE, _FORCE), PATCH, kind, media)


_COMMAND = (
    Parameter("container", "string", "The container; the only one of the pod if it is not named."),
    Parameter("stderr", "boolean", "Redirects the standard error stream."),
    Parameter("stdin", "boolean", "Redirects the standard input stream."),
    Parameter("stdout", "boolean", "Redirects the standard output stream."),
    Parameter("tty", "boolean", "Gives the command a terminal."),
)
_CONNECTIONS = {
    "attach": _COMMAND,
    "exec": (Parameter("command", "string", "The command and its arguments, each a parameter."), *_COMMAND),
    "portforward": (Parameter("ports", "integer", "The ports to forward; over WebSocket channels only."),),
}
_METHODS = {"get": ("get", "get"), "create": ("post", "post"), "update": ("put", "put"), "patch": ("patch", "patch")}


def _subresource(type_: ResourceType, name: str, path: str) -> Iterator[Operation]:
    kind = subresource_kind(type_, name)
    for verb in subresource_verbs(name):
        method, action = _METHODS[verb]
        if name in _CONNECTIONS:
            yield Operation(path, method, f"connect{method.capitalize()}", kind, _CONNECTIONS[name])
        elif verb == "get":
            yield Operation(path, method, action, kind, (_PRETTY,), answer=None if name == "log" else kind)
        elif verb == "patch":
            yield _patch(type_, path, kind)
        else:
            yield Operation(path, method, action, kind, _WRITE, kind, kind)
