"""Refusals and confirmations about one object, worded as ``k8s.io/apimachinery/pkg/api/errors`` words them."""

from typing import Any

from kdl_runtime.errors import AlreadyExists, BadRequest, Conflict, Forbidden, MethodNotAllowed, NotFound
from kdl_runtime.types import Resource

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def details(resource: Resource, name: str, uid: str = "") -> dict[str, Any]:
    """``Status.details``; its ``kind`` is the plural, as clients have come to expect."""
    found: dict[str, Any] = {"name": name} if name else {}
    if resource.group:
        found["group"] = resource.group
    found["kind"] = resource.plural
    if uid:
        found["uid"] = uid
    return found


def not_found(resource: Resource, name: str) -> NotFound:
    return NotFound(f'{resource.group_resource} "{name}" not found', details=details(resource, name))


def no_such_path() -> NotFound:
    """Nothing is served under this path."""
    return NotFound("the server could not find the requested resource")


def already_exists(resource: Resource, name: str, *, deleted: bool = False) -> AlreadyExists:
    """``deleted``: the object that has the name is being deleted, so that a later try may succeed."""
    text = f'{resource.group_resource} "{name}" already exists'
    return AlreadyExists(f"object is being deleted: {text}" if deleted else text, details=details(resource, name))


def conflict(resource: Resource, name: str, why: str = MODIFIED) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on {resource.group_resource} "{name}": {why}', details=details(resource, name)
    )


def forbidden(resource: Resource, name: str, why: str, causes: tuple[dict[str, str], ...] = ()) -> Forbidden:
    found = details(resource, name)
    if causes:
        found["causes"] = list(causes)
    return Forbidden(f'{resource.group_resource} "{name}" is forbidden: {why}', details=found)


def method_not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource")


def nameless(name: str) -> BadRequest:
    """The body of a write does not name the object that the URL names."""
    return BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")


class Undecodable(BadRequest):
    """The body is not an object of the type that is served under the path; ``why`` is the reason alone."""

    def __init__(self, resource: Resource, why: str, found: tuple[str, str] | None = None) -> None:
        """``found``: the kind and version that the body claims to be, by default those of the resource."""
        kind, version = found or (resource.kind, resource.version)
        super().__init__(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {why}')
        self.why = why


def success(resource: Resource, name: str, uid: str = "") -> dict[str, Any]:
    """The ``Status`` that confirms a deletion."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details(resource, name, uid),
    }
