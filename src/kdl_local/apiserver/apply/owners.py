"""The entries of ``metadata.managedFields``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kdl_local.apiserver.apply.fieldset import FieldSet, normalized, union
from kdl_runtime.codec.json import Raw, decode, decoder, encode

APPLY, UPDATE = "Apply", "Update"
MAX_UPDATE_OWNERS = 10
"""Updaters beyond these are merged into one entry, the oldest first."""

_ANCIENT = "ancient-changes"
_FIELDS_TYPE = "FieldsV1"


class Identity(NamedTuple):
    """What tells entries apart. That of an applier is the same in every version, with an empty ``api_version``."""

    manager: str
    operation: str
    api_version: str
    subresource: str

    @classmethod
    def applier(cls, manager: str, subresource: str) -> "Identity":
        return cls(manager, APPLY, "", subresource)

    @property
    def applies(self) -> bool:
        return self.operation == APPLY


@dataclass(slots=True)
class Owned:
    """What somebody owns: ``stored`` fields of the version, encoded until somebody asks for them. ``time`` is a
    ``metav1.Time``, empty where unknown.
    """

    stored: FieldSet | Raw
    api_version: str
    time: str = ""

    @property
    def fields(self) -> FieldSet:
        if isinstance(self.stored, Raw):
            fields: FieldSet = decode(self.stored)
            self.stored = fields
        return self.stored

    def may_meet(self, fields: FieldSet) -> bool:
        """Whether something in a set may be owned; False is certain, and cheap to know."""
        if isinstance(self.stored, Raw):
            text = bytes(self.stored)
            return any(element.encode() in text for element in fields)
        return not self.stored.keys().isdisjoint(fields)

    def with_fields(self, fields: FieldSet) -> "Owned":
        """The same with other fields."""
        return Owned(fields, self.api_version, self.time)


@dataclass(slots=True)
class _Entry:
    """As it is stored."""

    operation: str
    apiVersion: str  # noqa: N815 -- the name in JSON
    fieldsV1: Raw  # noqa: N815 -- the name in JSON
    manager: str = ""
    subresource: str = ""
    time: str = ""


_decode_entries = decoder(list[_Entry])


Owners = dict[Identity, Owned]


def decode_owners(stored: Raw | None) -> Owners:
    """Of a stored object."""
    found: Owners = {}
    for entry in _decode_entries(stored) if stored else ():
        version = "" if entry.operation == APPLY else entry.apiVersion
        identity = Identity(entry.manager, entry.operation, version, entry.subresource)
        found[identity] = Owned(entry.fieldsV1, entry.apiVersion, entry.time)
    return found


def read_owners(given: Any) -> Owners | None:
    """From a client; None for what cannot be read, which counts as if nothing had been sent."""
    found: Owners = {}
    for entry in given if isinstance(given, list) else ():
        if not isinstance(entry, dict) or entry.get("operation") not in (APPLY, UPDATE):
            return None
        if not entry.get("apiVersion") or entry.get("fieldsType") != _FIELDS_TYPE:
            return None
        try:
            found[_identity(entry)] = _owned(entry, normalized(entry.get("fieldsV1") or {}))
        except ValueError:
            return None
    return found or None


def is_reset(given: Any) -> bool:
    """Whether a client asks to forget all owners: by an empty list, or one empty entry."""
    return given in ([], [{}])


def _identity(entry: Mapping[str, Any]) -> Identity:
    operation = entry["operation"]
    version = "" if operation == APPLY else entry["apiVersion"]
    return Identity(entry.get("manager", ""), operation, version, entry.get("subresource", ""))


def _owned(entry: Mapping[str, Any], fields: FieldSet) -> Owned:
    return Owned(fields, entry["apiVersion"], entry.get("time") or "")


def encode_owners(owners: Owners) -> Raw | None:
    """As it is stored; None if there are none. Appliers come first, then the oldest."""
    if not owners:
        return None
    ordered = sorted(owners.items(), key=_order) if len(owners) > 1 else owners.items()
    return Raw(encode([_entry(identity, owned) for identity, owned in ordered]))


def _order(item: tuple[Identity, Owned]) -> tuple[str, ...]:
    identity, owned = item
    return identity.operation, owned.time, identity.manager, owned.api_version, identity.subresource


def _entry(identity: Identity, owned: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if identity.manager:
        entry["manager"] = identity.manager
    entry |= {"operation": identity.operation, "apiVersion": owned.api_version}
    if owned.time:
        entry["time"] = owned.time
    entry |= {"fieldsType": _FIELDS_TYPE, "fieldsV1": owned.stored}
    if identity.subresource:
        entry["subresource"] = identity.subresource
    return entry


def same_but_for_times(left: Raw | None, right: Raw | None) -> bool:
    """Whether two stored lists say the same, entry by entry."""
    left_bytes, right_bytes = bytes(left or b""), bytes(right or b"")
    if not left_bytes or not right_bytes or left_bytes == right_bytes:
        return left_bytes == right_bytes
    return _timeless(decode(left_bytes)) == _timeless(decode(right_bytes))


def _timeless(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in entry.items() if name != "time"} for entry in entries]


def capped(owners: Owners) -> Owners:
    """With at most ``MAX_UPDATE_OWNERS`` updaters, as far as they are of one version."""
    if len(owners) <= MAX_UPDATE_OWNERS:
        return owners
    updaters = sorted((identity for identity in owners if not identity.applies), key=lambda item: _age(item, owners))
    excess = len(updaters) - MAX_UPDATE_OWNERS
    result = dict(owners)
    first: dict[str, Identity] = {}
    for identity in updaters:
        if excess <= 0:
            break
        owned = owners[identity]
        bucket = Identity(_ANCIENT, UPDATE, owned.api_version, "")
        if owned.api_version not in first:
            first[owned.api_version] = identity
            continue
        if bucket not in result:
            result[bucket] = result.pop(first[owned.api_version])
        result[bucket] = owned.with_fields(union(owned.fields, result[bucket].fields))
        del result[identity]
        excess -= 1
    return result


def _age(identity: Identity, owners: Owners) -> tuple[str, str]:
    return owners[identity].time, identity_text(identity)


def identity_text(identity: Identity) -> str:
    """By which the real server sorts owners."""
    names = {"manager": identity.manager, "operation": identity.operation}
    names |= {"apiVersion": identity.api_version} if identity.api_version else {}
    names |= {"subresource": identity.subresource} if identity.subresource else {}
    return encode(names).decode()
