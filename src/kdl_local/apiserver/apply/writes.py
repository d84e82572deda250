"""Ownership of the fields of stored objects: what the server calls with every write.

``metadata.managedFields`` of a stored object is encoded JSON: it is decoded only by writes that change something, and
copied nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from kdl_local.apiserver.apply.builtin_types import builtin_type
from kdl_local.apiserver.apply.conflicts import conflict_error
from kdl_local.apiserver.apply.custom_types import custom_type
from kdl_local.apiserver.apply.fieldset import FieldSet, has, union
from kdl_local.apiserver.apply.fieldtypes import DEDUCED, FieldType
from kdl_local.apiserver.apply.goform import as_go_writes
from kdl_local.apiserver.apply.last_applied import MANAGER, last_applied_fields, refresh_annotation
from kdl_local.apiserver.apply.owners import Owners, decode_owners, encode_owners, is_reset, read_owners
from kdl_local.apiserver.apply.ownership import (
    Applied,
    ConflictsError,
    ConversionError,
    FieldTypeError,
    Version,
    Writing,
    applied,
    reset_fields,
    updated,
)
from kdl_local.apiserver.apply.scale import (
    SCALE_VERSION,
    replicas_path,
    scale_version,
    to_object,
    to_scale,
    without_zero,
)
from kdl_local.apiserver.definitions import definition_name
from kdl_local.apiserver.types import Object, ResourceType, ResourceTypes
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import Raw, decode
from kdl_runtime.codec.patch import copy_json
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import BadRequest, OtherApiError
from kdl_runtime.types import GroupVersionKind, Resource, parse_api_version

FIELD = "managedFields"
_UNKNOWN = "unknown"
_STATUS, _SPEC, _METADATA = ("status",), ("spec",), ("metadata",)

# What admission and the registry fill in, and not whoever writes, unless the object says it.
_ASSIGNED: Mapping[str, tuple[str, ...]] = {
    "namespaces": ("finalizers",),
    "pods": ("priority", "preemptionPolicy", "priorityClassName", "serviceAccountName", "serviceAccount"),
    "services": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
}
# What the registry of a kind keeps when a replacement does not name it.
_KEPT: Mapping[str, tuple[str, ...]] = {"services": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")}


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and through which subresource. ``force`` takes fields over in an apply; ``unowned`` are fields of a
    new object that are not the author's.
    """

    manager: str
    subresource: str = ""
    force: bool = False
    unowned: FieldSet = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stated:
    """What an update says itself: of the owners, None if nothing, as its ``spec``, and of the time of deletion."""

    owners: Any
    spec: Object | None
    deletion: str | None = None


Scaling = Object | Callable[[Object], Object]


@dataclass(frozen=True, slots=True)
class Scaled:
    """A new Scale, and the owners of the object that it is of."""

    scale: Object
    owners: Raw


def take_owners(obj: Object) -> Any:
    """What an object says of its owners, which is removed from it; None if it says nothing."""
    meta = obj.get("metadata")
    return meta.pop(FIELD, None) if isinstance(meta, dict) else None


def set_owners(obj: Object, owners: Raw | None) -> None:
    """In place; nothing encoded is nobody."""
    if owners is None or not bytes(owners):
        obj["metadata"].pop(FIELD, None)
    else:
        obj["metadata"][FIELD] = owners


def expanded(obj: Object) -> Object:
    """The object with its owners decoded, for whoever wants to look into them."""
    stored = obj["metadata"].get(FIELD)
    return {**obj, "metadata": {**obj["metadata"], FIELD: decode(stored)}} if stored else obj


class Ownership:
    """``types`` are those that are served now."""

    def __init__(self, types: ResourceTypes, clock: Clock) -> None:
        self._types = types
        self._clock = clock
        self._known: dict[tuple[int, str], tuple[ResourceType, Callable[[str], Version | None]]] = {}
        self._second = (0, "")
        self._revision = -1

    def assigned(self, type_: ResourceType, obj: Object) -> FieldSet:
        """What the server is going to fill into a new object, so that its author does not own it."""
        names = _ASSIGNED.get(type_.resource.group_resource, ())
        stated = obj.get("spec") or {}
        return reset_fields(*(("spec", name) for name in names if stated.get(name) in (None, ""))) if names else {}

    def normal(self, type_: ResourceType, obj: Object, old: Object | None) -> Object:
        """An object of a built-in type as the real server stores it: without what is empty and need not be there."""
        return as_go_writes(obj, self._own(type_, "").type, old or {})

    def created(self, type_: ResourceType, obj: Object, given: Any, author: Author) -> Raw | None:
        """The owners of a new object; ``given`` is what it said itself."""
        return self._written(self._writing(type_, author), {}, obj, given)

    def updated(self, type_: ResourceType, old: Object, new: Object, stated: Stated, author: Author) -> Raw | None:
        """The owners after an update. What the server keeps although the update leaves it out is nobody's any more."""
        stored, given = old["metadata"].get(FIELD), stated.owners
        kept = _KEPT.get(type_.resource.group_resource, ())
        if kept and not author.subresource:
            gone = set(kept) - (stated.spec or {}).keys()
            new = {**new, "spec": {name: value for name, value in new["spec"].items() if name not in gone}}
        if stated.deletion and "deletionTimestamp" in old["metadata"]:
            # Whoever names another time than the server has kept comes to own it nevertheless.
            new = {**new, "metadata": {**new["metadata"], "deletionTimestamp": stated.deletion}}
        if author.subresource or isinstance(given, Raw):
            given = None
        if given is not None and is_reset(given):
            return None
        if stored is None and given is None:
            return None
        return self._written(self._writing(type_, author), old, new, given)

    def _written(self, writing: Writing, old: Object, new: Object, given: Any) -> Raw | None:
        stored = old["metadata"].get(FIELD) if old else None
        owners = read_owners(given) if given else None
        before = decode_owners(stored) if owners is None else owners
        try:
            after = updated(writing, _bare(old), new, before)
        except ValueError:
            # A list whose elements its keys do not tell apart, or an object that a version of an owner cannot show; the
            # real server gives up on owners there as well.
            return None
        return stored if after is before and owners is None else encode_owners(after)

    def applied(self, type_: ResourceType, live: Object | None, config: Object, author: Author) -> tuple[Object, Raw]:
        """What an apply makes of an object, fresh, and its owners. ``live`` is None for one that there is not yet.

        BadRequest for a ``config`` of another type, Conflict (with a cause per field) for one that would change what
        others own.
        """
        _check_config(type_.resource, config)
        writing = self._writing(type_, author)
        bare = _bare(live) if live else {}
        owners = decode_owners(live["metadata"].get(FIELD)) if live else {}
        obj, after = self._merged(writing, bare, config, owners, author)
        if author.manager == MANAGER:
            refresh_annotation(obj, config)
        return obj, encode_owners(after) or Raw(b"")

    def scaled(self, type_: ResourceType, live: Object, scale: Object, change: Scaling, author: Author) -> Scaled:
        """What a write of the Scale of ``live`` makes of that Scale, and the owners of ``live`` after it.

        ``change`` is what to make of the Scale, or what to apply to it.
        """
        path = replicas_path(type_.scale.spec_replicas if type_.scale else "")
        author = replace(author, subresource="scale")
        writing = Writing(author.manager or _UNKNOWN, SCALE_VERSION, author.subresource, self._now, scale_version)
        owners = decode_owners(live["metadata"].get(FIELD))
        shown = to_scale(owners, path)
        if callable(change):
            new = change(scale)
            # A count that nobody owns yet stays so, as on the real server.
            after = updated(writing, scale, without_zero(new), shown) if shown else {}
        else:
            new, after = self._merged(writing, scale, change, shown, author)
        entries = to_object(owners, after, path, type_.resource.api_version) if owners or after else {}
        return Scaled(new, encode_owners(entries) or Raw(b""))

    def _merged(
        self, writing: Writing, live: Object, config: Object, owners: Owners, author: Author
    ) -> tuple[Object, Owners]:
        try:
            found = self._apply(writing, live, config, owners, author)
        except FieldTypeError as fault:
            raise OtherApiError(f"failed to create typed patch object ({_named(config)}): {fault}", code=500) from None
        except ConversionError as fault:
            raise OtherApiError(str(fault), code=500) from None
        except ValueError as error:
            raise OtherApiError(f"failed to merge config: {error}", code=500) from None
        return found.object if found.object is not None else copy_json(live), found.owners

    def _apply(self, writing: Writing, live: Object, config: Object, owners: Owners, author: Author) -> Applied:
        try:
            return applied(writing, live, config, owners, force=author.force)
        except ConflictsError as found:
            if author.manager != MANAGER:
                raise conflict_error(found.conflicts) from None
            allowed = last_applied_fields(live, writing.api_version, writing.version.type)
            left = [conflict for conflict in found.conflicts if not has(allowed, conflict.path)]
            if left:
                raise conflict_error(left) from None
        return applied(writing, live, config, owners, force=True)

    def _writing(self, type_: ResourceType, author: Author) -> Writing:
        versions = self._versions(type_, author.subresource)
        api_version = type_.resource.api_version
        if author.unowned:
            own = self._own(type_, author.subresource)
            versions = {api_version: replace(own, reset=union(own.reset or {}, author.unowned))}.get
        return Writing(author.manager or _UNKNOWN, api_version, author.subresource, self._now, versions)

    def _now(self) -> str:
        now = self._clock.now()
        second = int(now.timestamp())
        if self._second[0] != second:
            self._second = (second, format_time(now))
        return self._second[1]

    def _versions(self, type_: ResourceType, subresource: str) -> Callable[[str], Version | None]:
        if self._revision != self._types.revision:
            self._revision = self._types.revision
            self._known.clear()
        # By identity, which is quicker than equality, and safe because the type is kept.
        key = (id(type_), subresource)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (type_, cache(partial(self._version, type_, subresource)))
        return found[1]

    def _own(self, type_: ResourceType, subresource: str) -> Version:
        found = self._versions(type_, subresource)(type_.resource.api_version)
        assert found is not None, "an object is written in a version that is served"
        return found

    def _version(self, type_: ResourceType, subresource: str, api_version: str) -> Version | None:
        if api_version == type_.resource.api_version:
            return _own_version(type_, subresource)
        group, name = parse_api_version(api_version)
        if group != type_.resource.group:
            # Events are in two groups; whoever writes through one makes the server forget the owners of the other.
            return None
        other = self._types.by_kind(GroupVersionKind(group, name, type_.resource.kind))
        if other is None or other.storage_resource != type_.storage_resource:
            return None
        shown = other

        def convert(obj: Object) -> Object:
            if shown.custom:
                # Fields that a version does not know are left in, so that they are noticed.
                return {**obj, "apiVersion": api_version}
            return shown.from_storage(type_.to_storage(obj))

        return Version(field_type(other), convert, _reset(other, subresource), not type_.custom)


def _own_version(type_: ResourceType, subresource: str) -> Version:
    return Version(field_type(type_), None, _reset(type_, subresource), not type_.custom)


def field_type(type_: ResourceType) -> FieldType:
    if type_.custom:
        return custom_type((type_.schema.openapi() if type_.schema else None) or {"type": "object"})
    name = definition_name(type_.gvk)
    return builtin_type(name) if name else DEDUCED


def _reset(type_: ResourceType, subresource: str) -> FieldSet:
    match subresource:
        case "":
            return reset_fields(_STATUS) if type_.has_status else {}
        case "status" if type_.custom:
            return reset_fields(_SPEC, _METADATA)
        case "status" if type_.resource.group_resource == "pods":
            return reset_fields(_SPEC, ("metadata", "ownerReferences"), ("metadata", "deletionTimestamp"))
        case "status":
            return reset_fields(_SPEC)
    return reset_fields(_STATUS)


def _bare(obj: Object) -> Object:
    """Without its owners, which are not a part of themselves."""
    if not obj or FIELD not in obj["metadata"]:
        return obj
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != FIELD}}


def _check_config(resource: Resource, config: Object) -> None:
    if (config.get("apiVersion"), config.get("kind")) != (resource.api_version, resource.kind):
        raise BadRequest(f"invalid object type: {_gvk(config)}")
    meta = config.get("metadata")
    if isinstance(meta, dict) and meta.get(FIELD) is not None:
        raise BadRequest(f"metadata.{FIELD} must be nil")


def _gvk(config: Object) -> str:
    group, version = parse_api_version(str(config.get("apiVersion") or ""))
    return f"{group}/{version}, Kind={config.get('kind') or ''}"


def _named(config: Object) -> str:
    meta = config.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return f"{meta.get('namespace') or ''}/{meta.get('name') or ''}; {_gvk(config)}"
