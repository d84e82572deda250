"""What one server has answered so far in a sequence, as far as later requests name it."""

from typing import Any

from conformance.differential.steps import OWN, REFERENCE, Step, substituted
from kdl_runtime.codec.json import DecodeError, decode, encode
from kdl_runtime.codec.patch import apply_merge
from kdl_runtime.transport.http import HttpRequest

Object = dict[str, Any]

_ABOVE_OBJECTS = {"status", "scale", "finalize", "binding", "eviction", "log", "token", "ephemeralcontainers", "resize"}


class UnknownError(Exception):
    """A request names what no answer has told."""


class Memory:
    """``token`` makes the sequence's names its own: ``fz-a`` is ``fz<token>-a`` on the server."""

    def __init__(self, token: str) -> None:
        self._own = f"{OWN.removesuffix('-')}{token}-"
        self._objects: dict[str, Object] = {}
        self._versions: dict[str, list[str]] = {}
        self._lists: dict[str, Object] = {}
        self.created: dict[str, None] = {}
        """The paths of all objects that have been seen, in order."""

    def named(self, text: str) -> str:
        """The text with the names that the server knows."""
        return text.replace(OWN, self._own)

    def unnamed(self, data: bytes) -> bytes:
        """An answer with the names of the sequence."""
        return data.replace(self._own.encode(), OWN.encode())

    def request(self, step: Step) -> HttpRequest:
        """What to send. UnknownError if an answer that is needed for it has not come."""
        return HttpRequest(
            step.method,
            self._filled(step.path),
            query=tuple((name, self._filled(value)) for name, value in step.query),
            headers={name: self._filled(value) for name, value in step.headers},
            body=self._body(step),
        )

    def _body(self, step: Step) -> bytes:
        body = step.body
        if step.base:
            if step.base not in self._objects:
                raise UnknownError(step.base)
            # What the server calls fz<token>-a is called fz-a here; ``named`` turns it back.
            body = apply_merge(self._objects[step.base], substituted(body or {}, self._resolved))
        if body is None:
            return b""
        text = body if isinstance(body, str) else encode(substituted(body, self._resolved)).decode()
        return self._filled(text).encode()

    def _filled(self, text: str) -> str:
        return self.named(self._resolved(text))

    def _resolved(self, text: str) -> str:
        return REFERENCE.sub(lambda match: self._known(match[1], match[2]), text)

    def _known(self, what: str, path: str) -> str:
        found: Any = None
        match what:
            case "rv":
                found = self._versions.get(path, [""])[-1]
            case "old":
                found = self._versions.get(path, [""])[0]
                if len(self._versions.get(path, ())) < 2:
                    found = None
            case "uid":
                found = self._objects.get(path, {}).get("metadata", {}).get("uid")
            case "list":
                found = self._lists.get(path, {}).get("resourceVersion")
            case "next":
                found = self._lists.get(path, {}).get("continue")
        if not found:
            raise UnknownError(f"{what}:{path}")
        return str(found)

    def learn(self, step: Step, code: int, body: bytes) -> None:
        """Takes in an answer whose names are those of the sequence."""
        if not 200 <= code < 300 or step.watch:
            return
        try:
            found = decode(body)
        except (DecodeError, UnicodeDecodeError):
            return
        if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
            return
        meta = found["metadata"]
        if "items" in found or found.get("kind") == "Table":
            self._lists[step.path] = meta
        elif meta.get("resourceVersion") and meta.get("uid") and found.get("kind") not in ("Scale",):
            self._see(object_path(step, meta.get("name", "")), found)

    def _see(self, path: str, obj: Object) -> None:
        self.created[path] = None
        if obj.get("kind") != "PartialObjectMetadata":
            self._objects[path] = obj
        versions = self._versions.setdefault(path, [])
        if obj["metadata"]["resourceVersion"] not in versions:
            versions.append(obj["metadata"]["resourceVersion"])


def object_path(step: Step, name: str) -> str:
    """The path of the object that a request is about, also where it was made in a collection or a subresource."""
    if step.method == "POST" and step.path.rpartition("/")[2] not in _ABOVE_OBJECTS:
        return f"{step.path}/{name}"
    head, _, last = step.path.rpartition("/")
    return head if last in _ABOVE_OBJECTS and last != name else step.path
