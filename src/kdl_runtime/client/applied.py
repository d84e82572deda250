"""Whether a server-side apply would change anything.

An apply that changes nothing is not free: it is a request and a lock on the object, and where defaults, conversions or
admission touch what was applied, the server stores new managedFields and a new resourceVersion
(https://github.com/kubernetes/kubernetes/issues/131175). A controller that applies at each event then wakes itself for
ever. So what is known of the object is looked at first, and in doubt the apply is sent.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kdl_runtime.client.semantic import subset_equal
from kdl_runtime.codec.json import DecodeError, canonical, decode
from kdl_runtime.codec.patch import json_equal
from kdl_runtime.types import ObjectKey, Resource

MAX_APPLIED = 10_000

_UNTRACKED = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}
)
"""Fields of metadata that no manager owns (structured-merge-diff leaves them out)."""
_ABSENT = object()


class Applier(NamedTuple):
    """Who applies what: an entry of managedFields belongs to one of these."""

    resource: Resource
    key: ObjectKey
    manager: str
    subresource: str


@dataclass(frozen=True, slots=True)
class _Applied:
    digest: bytes
    uid: str
    version: str
    owned: Any


class AppliedMemory:
    """What was last applied through one client, for objects of which managedFields alone do not tell enough."""

    def __init__(self, limit: int = MAX_APPLIED) -> None:
        self._limit = limit
        self._applied: OrderedDict[Applier, _Applied] = OrderedDict()

    def remember(self, applier: Applier, wanted: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """``answer`` is the object after ``wanted`` was applied."""
        uid, version = _identity(answer)
        self._applied[applier] = _Applied(_digest(wanted), uid, version, owned_fields(applier, answer))
        self._applied.move_to_end(applier)
        while len(self._applied) > self._limit:
            self._applied.popitem(last=False)

    def unchanged(self, applier: Applier, wanted: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
        """Whether the same was applied last, and has its effect still."""
        last = self._applied.get(applier)
        uid, version = _identity(known)
        if last is None or last.uid != uid or last.digest != _digest(wanted):
            return False
        if last.version == version:
            return True
        return last.owned is not None and last.owned == owned_fields(applier, known) and subset_equal(wanted, known)


def owned_fields(applier: Applier, obj: Mapping[str, Any]) -> Any:
    """``fieldsV1`` of what this applier owns of an object; None if that is nothing, or not known."""
    found = [
        entry.get("fieldsV1")
        for entry in (obj.get("metadata") or {}).get("managedFields") or ()
        if (entry.get("manager"), entry.get("operation")) == (applier.manager, "Apply")
        and (entry.get("subresource") or "") == applier.subresource
        and entry.get("apiVersion") == applier.resource.api_version
    ]
    return found[0] if len(found) == 1 else None


def is_applied(applier: Applier, wanted: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether the applier owns exactly the fields of ``wanted``, and they have these values.

    False in doubt: what is owned as one piece (an atomic list or map) must be equal to the last bit.
    """
    fields = owned_fields(applier, known)
    config = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {key: value for key, value in (wanted.get("metadata") or {}).items() if key not in _UNTRACKED}
    if metadata:
        config["metadata"] = metadata
    for precondition in ("uid", "resourceVersion"):
        expected = (wanted.get("metadata") or {}).get(precondition)
        if expected is not None and expected != (known.get("metadata") or {}).get(precondition):
            return False
    return isinstance(fields, Mapping) and _same(config, known, fields)


def _same(config: Any, live: Any, fields: Mapping[str, Any]) -> bool:
    paths = [path for path in fields if path != "."]
    if not paths:
        return json_equal(config, live)
    if isinstance(config, Mapping) and isinstance(live, Mapping):
        return {f"f:{name}" for name in config} == set(paths) and all(
            name in live and _same(value, live[name], fields[f"f:{name}"]) for name, value in config.items()
        )
    if isinstance(config, list) and isinstance(live, list) and len(config) == len(paths):
        return _same_elements(config, live, {path: fields[path] for path in paths})
    return False


def _same_elements(config: list[Any], live: list[Any], fields: Mapping[str, Any]) -> bool:
    """Elements of a set (``v:``) or of a list with keys (``k:``), which the server keeps in the applier's order."""
    place = -1
    for item in config:
        matches = [path for path in fields if _names(path, item)]
        if len(matches) != 1:
            return False
        path = matches[0]
        place = next((at for at in range(place + 1, len(live)) if _names(path, live[at], exactly=True)), -1)
        if place < 0:
            return False
        if path.startswith("k:") and not _same(item, live[place], fields[path]):
            return False
    return True


def _names(path: str, item: Any, *, exactly: bool = False) -> bool:
    """Whether a path element names this element of a list. Keys that an applied element leaves out have defaults."""
    kind, _, text = path.partition(":")
    try:
        value = decode(text)
    except DecodeError:
        return False
    if kind == "v":
        return json_equal(value, item)
    if kind != "k" or not isinstance(value, Mapping) or not isinstance(item, Mapping):
        return False
    present = {name: item.get(name, _ABSENT) for name in value}
    return all(json_equal(value[name], own) or (own is _ABSENT and not exactly) for name, own in present.items())


def _identity(obj: Mapping[str, Any]) -> tuple[str, str]:
    metadata = obj.get("metadata") or {}
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")


def _digest(wanted: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(canonical(wanted), digest_size=16).digest()
