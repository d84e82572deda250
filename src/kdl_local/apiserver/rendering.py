"""Objects and lists as bytes, in the form that the client accepts."""

from dataclasses import dataclass
from typing import Any

import yaml

from kdl_local.apiserver.negotiation import Form, Shape, negotiate
from kdl_local.apiserver.pages import Page
from kdl_local.apiserver.request import JSON, Response, error_response
from kdl_local.apiserver.storage import Entry
from kdl_local.apiserver.table import render
from kdl_local.apiserver.types import ResourceType
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import decode, encode
from kdl_runtime.errors import ApiError, NotAcceptable

YAML = "application/yaml"


@dataclass(frozen=True, slots=True)
class View:
    """A form of one version of a type. ``include`` is ``includeObject`` of tables, ``clock`` tells the ages in them."""

    type: ResourceType
    form: Form
    clock: Clock
    include: str = ""

    def one(self, entry: Entry) -> bytes:
        """One object, always as JSON."""
        match self.form.shape:
            case Shape.METADATA:
                return entry.encoded_metadata()
            case Shape.METADATA_LIST:
                raise _wrong_shape(self.form.shape, "not a list")
            case Shape.TABLE:
                version = entry.revision or entry.object["metadata"].get("resourceVersion")
                return encode(self.table([entry], {"resourceVersion": str(version)} if version else {}))
            case Shape.OBJECT:
                return entry.encoded(self.type)

    def many(self, page: Page) -> bytes:
        """A list answer as JSON. Items of built-in types carry neither kind nor apiVersion, as in the real API."""
        meta = page.metadata
        match self.form.shape:
            case Shape.METADATA:
                raise _wrong_shape(self.form.shape, "a list")
            case Shape.METADATA_LIST:
                items = [entry.encoded_metadata() for entry in page.entries]
                return _envelope("PartialObjectMetadataList", "meta.k8s.io/v1", meta, items)
            case Shape.TABLE:
                return encode(self.table(page.entries, meta))
            case Shape.OBJECT:
                encoded = Entry.encoded if self.type.custom else Entry.body
                if self.type.custom:
                    meta = {"continue": "", **meta}
                items = [encoded(entry, self.type) for entry in page.entries]
                return _envelope(self.type.list_kind, self.type.resource.api_version, meta, items)

    def table(self, entries: list[Entry], meta: dict[str, Any]) -> dict[str, Any]:
        objects = [self.type.from_storage(entry.object) for entry in entries]
        return render(self.type, objects, self.clock.now(), list_meta=meta, include=self.include)


def _wrong_shape(shape: Shape, found: str) -> NotAcceptable:
    return NotAcceptable(f"you requested {shape}, but the requested object is {found}")


def _envelope(kind: str, api_version: str, meta: dict[str, Any], items: list[bytes]) -> bytes:
    head = f'{{"kind":"{kind}","apiVersion":"{api_version}","metadata":'.encode()
    return b"".join((head, encode(meta), b',"items":[', b",".join(items), b"]}"))


def refusal(error: ApiError, accept: str) -> Response:
    """The ``Status`` for an error in the form that the client accepts; JSON where it accepts nothing that there is."""
    response = error_response(error)
    try:
        form = negotiate(accept)
    except NotAcceptable:
        return response
    rendered = respond(form, response.complete, response.status)
    rendered.headers = response.headers
    return rendered


def respond(form: Form, text: bytes, status: int = 200) -> Response:
    """A complete answer from JSON text."""
    if form.yaml:
        document = yaml.safe_dump(decode(text), default_flow_style=False, allow_unicode=True)
        return Response(status, document.encode(), YAML)
    return Response(status, text, JSON)
