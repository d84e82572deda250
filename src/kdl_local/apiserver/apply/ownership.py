"""Who owns what after a write."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from kdl_local.apiserver.apply.comparison import Comparison, compare
from kdl_local.apiserver.apply.fieldset import (
    SELF,
    FieldSet,
    Path,
    difference,
    intersection,
    of_paths,
    paths,
    recursive_difference,
    union,
)
from kdl_local.apiserver.apply.fieldtypes import FieldType
from kdl_local.apiserver.apply.leaves import error_text, leaves, type_errors
from kdl_local.apiserver.apply.merging import merge
from kdl_local.apiserver.apply.owners import UPDATE, Identity, Owned, Owners, capped
from kdl_local.apiserver.apply.removal import reconciled, with_named_fields, without
from kdl_runtime.codec.patch import json_equal

Object = dict[str, Any]

BEFORE_FIRST_APPLY = "before-first-apply"
"""The manager of what was in an object before anybody's ownership was recorded."""

_NEVER_OWNED = ("f:apiVersion", "f:kind")
_NEVER_OWNED_METADATA = frozenset(
    {
        SELF,
        "f:name",
        "f:namespace",
        "f:creationTimestamp",
        "f:selfLink",
        "f:uid",
        "f:clusterName",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
    }
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a kind: its type, how objects of the version written come to be of it, and what no writer of this
    version and subresource can own, because the server resets it. The type of one that is not ``fixed`` may have been
    another when the owners were recorded.
    """

    type: FieldType
    convert: Callable[[Object], Object] | None = None
    reset: FieldSet | None = None
    fixed: bool = True

    def shown(self, obj: Object, failure: str = "") -> Object:
        """An object of the version written in this one. ConversionError, which begins with ``failure``, if it has
        fields that this version does not know."""
        if self.convert is None:
            return obj
        found = self.convert(obj)
        if not self.fixed and (errors := type_errors(found, self.type, duplicates=True)):
            raise ConversionError(f"{failure}{error_text(errors)}")
        return found


@dataclass(frozen=True, slots=True)
class Writing:
    """A write: by whom, of which version (a key of ``versions``), and when (``now`` gives a ``metav1.Time``).

    ``versions`` has None for a version that is not served any more; what was owned in it is forgotten.
    """

    manager: str
    api_version: str
    subresource: str
    now: Callable[[], str]
    versions: Callable[[str], Version | None]

    @property
    def version(self) -> Version:
        found = self.versions(self.api_version)
        if found is None:
            raise LookupError(f"{self.api_version} is not served")
        return found


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that somebody else owns, and has with another value."""

    identity: Identity
    owned: Owned
    path: Path


class ConflictsError(Exception):
    """An apply would change what others own."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = list(conflicts)


class ConversionError(ValueError):
    """An object has fields that a version in which others own fields does not know; ``str()`` says where."""


class FieldTypeError(Exception):
    """An applied object is not of its type; ``str()`` says where."""


# ---- updates


def updated(writing: Writing, old: Object, new: Object, owners: Owners) -> Owners:
    """After a write that is no apply: whoever changes a field owns it alone, and nobody owns what is not there.

    A new object is a change of ``{}``. Raises ConversionError.
    """
    comparison = _compared(writing.version, old, new)
    if comparison.same:
        known = {identity: owned for identity, owned in owners.items() if writing.versions(owned.api_version)}
        return owners if len(known) == len(owners) else known
    result, _ = _without_changes(writing, old, new, _reconciled(writing, old, owners), comparison)
    own = strip(comparison.changed)
    if own:
        identity = Identity(writing.manager, UPDATE, writing.api_version, writing.subresource)
        before = result.get(identity)
        fields = union(own, before.fields) if before else own
        result[identity] = Owned(fields, writing.api_version, writing.now())
    return capped(result)


def _compared(version: Version, old: Object, new: Object) -> Comparison:
    before = version.shown(old, "failed to convert old object: ")
    after = version.shown(new, "failed to convert new object: ")
    found = compare(before, after, version.type)
    if not version.reset or found.same:
        return found
    return Comparison(
        recursive_difference(found.changed, version.reset), recursive_difference(found.removed, version.reset)
    )


def _without_changes(
    writing: Writing, old: Object, new: Object, owners: Owners, own: Comparison
) -> tuple[Owners, dict[Identity, FieldSet]]:
    """The owners of what has not changed, and what was taken from others by changing it."""
    comparisons: dict[str, Comparison] = {writing.api_version: own}
    result: Owners = {}
    taken: dict[Identity, FieldSet] = {}
    for identity, owned in owners.items():
        version = writing.versions(owned.api_version)
        if version is None:
            continue
        if owned.api_version not in comparisons:
            comparisons[owned.api_version] = _compared(version, old, new)
        comparison = comparisons[owned.api_version]
        if not (owned.may_meet(comparison.changed) or owned.may_meet(comparison.removed)):
            result[identity] = owned
            continue
        lost = intersection(owned.fields, comparison.changed)
        if lost:
            taken[identity] = lost
        left = difference(difference(owned.fields, lost), comparison.removed)
        if left:
            result[identity] = owned if left is owned.fields else owned.with_fields(left)
    return result, taken


def strip(fields: FieldSet) -> FieldSet:
    """Without what nobody owns: the object's identity, and what the server alone writes."""
    result = {element: below for element, below in fields.items() if element not in _NEVER_OWNED}
    meta = result.pop("f:metadata", None)
    if meta:
        owned = {element: below for element, below in meta.items() if element not in _NEVER_OWNED_METADATA}
        if owned:
            result["f:metadata"] = owned
    return result


def _reconciled(writing: Writing, live: Object, owners: Owners) -> Owners:
    """After a change of the schema."""
    result: Owners = {}
    shown = set()
    for identity, owned in owners.items():
        version = writing.versions(owned.api_version)
        if version is None:
            continue
        if owned.api_version not in shown:
            shown.add(owned.api_version)
            version.shown(live)
        fields = owned.stored if version.fixed else reconciled(owned.fields, version.type)
        result[identity] = owned if fields is owned.stored else Owned(fields, owned.api_version, owned.time)
    return result


# ---- applies


@dataclass(frozen=True, slots=True)
class Applied:
    """``object`` is the merged object, of the version that was applied, or None if nothing in it changes."""

    object: Object | None
    owners: Owners


def applied(writing: Writing, live: Object, config: Object, owners: Owners, *, force: bool = False) -> Applied:
    """What an apply makes of ``live``, an object of the version of ``config``, or ``{}`` if there is none yet.

    Raises FieldTypeError for a ``config`` that is not of its type, ConflictsError unless ``force``, ConversionError.
    """
    version = writing.version
    _check(config, version.type)
    if not owners:
        first = replace(writing, manager=BEFORE_FIRST_APPLY)
        owners = updated(first, {}, live, {}) if live else {}
    owners = _reconciled(writing, live, owners)
    identity = Identity.applier(writing.manager, writing.subresource)
    last = owners.get(identity)
    claimed = leaves(config, version.type)
    if version.reset:
        claimed = recursive_difference(claimed, version.reset)
    claims: Owners = {**owners, identity: Owned(claimed, writing.api_version, last.time if last else "")}
    result = merge(live, config, version.type)
    if last is not None and last.fields:
        result = _pruned(writing, result, claims, last)
    others = {key: owned for key, owned in owners.items() if key != identity}
    after, taken = _without_changes(writing, live, result, others, _compared(version, live, result))
    if taken and not force:
        raise ConflictsError(
            [Conflict(identity, others[identity], path) for identity, lost in taken.items() for path in paths(lost)]
        )
    same = json_equal(live, result)
    own = strip(claimed)
    if own:
        time = claims[identity].time if same else writing.now()
        after[identity] = Owned(own, writing.api_version, time)
    return Applied(None if same else result, after)


def _check(config: Object, type_: FieldType) -> None:
    errors = type_errors(config, type_, duplicates=False)
    if errors:
        raise FieldTypeError(error_text(errors))


def _pruned(writing: Writing, merged: Object, claims: Mapping[Identity, Owned], last: Owned) -> Object:
    """Without what the applier has applied the last time, does not apply now, and nobody else owns."""
    version = writing.versions(last.api_version)
    if version is None:
        return merged
    type_ = version.type
    shown = version.shown(merged, "failed to convert merged object to last applied version: ")
    before = with_named_fields(last.fields, type_)
    pruned = without(shown, before, type_)
    whole = with_named_fields(leaves(shown, type_), type_)
    by_version: dict[str, FieldSet] = {}
    for owned in claims.values():
        by_version[owned.api_version] = union(by_version.get(owned.api_version, {}), owned.fields)
    for api_version, fields in sorted(by_version.items(), key=lambda item: item[0] != last.api_version):
        other = writing.versions(api_version)
        if other is not None:
            # Versions differ in nothing but their schema and their apiVersion, or in the names of fields.
            kept = union(with_named_fields(leaves(pruned, type_), type_), with_named_fields(fields, other.type))
            pruned = without(shown, difference(whole, kept), type_)
    gone = difference(whole, with_named_fields(leaves(pruned, type_), type_))
    result = without(shown, intersection(gone, before), type_)
    if "apiVersion" in result:
        result["apiVersion"] = writing.api_version
    return result


@lru_cache
def reset_fields(*fields: Path) -> FieldSet:
    """The set of the fields that a subresource does not write."""
    return of_paths([tuple(f"f:{name}" for name in field) for field in fields])
