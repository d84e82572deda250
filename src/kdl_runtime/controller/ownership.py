"""Who owns what: controller references, and the claiming of children by selector.

A controller reference is the one owner reference with ``controller: true``; garbage collection follows it, ``owns`` and
the owner index look it up. Claiming is that of Kubernetes' own controllers (pkg/controller/controller_ref_manager.go).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.controller.metadata import metadata_of
from kdl_runtime.errors import Invalid, KdlError, NotFound
from kdl_runtime.types import ObjectKey, Resource, parse_api_version


class OwnershipError(KdlError):
    """The object cannot have this owner."""


class AlreadyOwnedError(OwnershipError):
    """Another owner controls the object."""


def owner_reference(
    owner: PartialObject | Mapping[str, Any], resource: Resource, *, block_owner_deletion: bool = True
) -> dict[str, Any]:
    """The reference that makes ``owner`` (an object of ``resource``) the controller of what carries it.

    ``block_owner_deletion`` lets a foreground deletion of the owner wait for the child.
    """
    metadata = metadata_of(owner)
    if not metadata.uid:
        raise OwnershipError(f"{resource.kind} {metadata.key} has no UID yet: create it before what it owns")
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": metadata.name,
        "uid": metadata.uid,
        "controller": True,
        "blockOwnerDeletion": block_owner_deletion,
    }


def set_controller_reference(
    owner: PartialObject | Mapping[str, Any],
    resource: Resource,
    child: dict[str, Any],
    *,
    block_owner_deletion: bool = True,
) -> None:
    """Make ``owner``, an object of ``resource``, the controller of ``child``, which is changed in place.

    A reference to the same owner (group, kind and name) is replaced. AlreadyOwnedError when another object controls the
    child; OwnershipError when a namespaced owner is to own something outside of its namespace, which garbage
    collection would delete at once.
    """
    reference = owner_reference(owner, resource, block_owner_deletion=block_owner_deletion)
    metadata = child.setdefault("metadata", {})
    _check_namespaces(metadata_of(owner), resource, metadata)
    references: list[dict[str, Any]] = list(metadata.get("ownerReferences") or ())
    same = [index for index, present in enumerate(references) if _same_owner(present, reference)]
    for index, present in enumerate(references):
        if present.get("controller") and index not in same:
            raise AlreadyOwnedError(
                f"{metadata.get('name')} is controlled by {present.get('kind')} {present.get('name')} already: "
                f"it cannot be controlled by {resource.kind} {reference['name']} as well"
            )
    if same:
        references[same[0]] = reference
    else:
        references.append(reference)
    metadata["ownerReferences"] = references


def _same_owner(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    groups = {parse_api_version(reference.get("apiVersion", ""))[0] for reference in (one, other)}
    return len(groups) == 1 and one.get("kind") == other["kind"] and one.get("name") == other["name"]


def _check_namespaces(owner: ObjectMeta, resource: Resource, child: Mapping[str, Any]) -> None:
    if not resource.namespaced:
        return
    namespace = child.get("namespace") or ""
    if not namespace:
        raise OwnershipError(
            f"{child.get('name')} has no namespace: it cannot be owned by {resource.kind} {owner.key}, which has one"
        )
    if namespace != owner.namespace:
        raise OwnershipError(
            f"{namespace}/{child.get('name')} cannot be owned by {resource.kind} {owner.key}: "
            "an owner and what it owns must be in one namespace"
        )


class Claim(StrEnum):
    """What to do with a possible child."""

    KEEP = "Keep"
    """It is ours."""
    ADOPT = "Adopt"
    """Nobody controls it and it matches: take it over, after a live look at the owner."""
    RELEASE = "Release"
    """It is ours and matches no more: let it go."""
    IGNORE = "Ignore"


def decide_claim(child: ObjectMeta, owner: ObjectMeta, *, selected: bool) -> Claim:
    """The decision table of claiming. ``selected``: whether the owner's selector matches the child's labels."""
    controller = child.controller
    if controller is not None:
        if controller.uid != owner.uid:
            return Claim.IGNORE
        if selected:
            return Claim.KEEP
        return Claim.IGNORE if owner.deletion_timestamp else Claim.RELEASE
    if not selected or owner.deletion_timestamp or child.deletion_timestamp:
        return Claim.IGNORE
    return Claim.ADOPT if child.namespace == owner.namespace or not owner.namespace else Claim.IGNORE


class Claimer:
    """Adopts and releases children for one owner during one reconciliation.

    Before the first adoption the owner is read live, once: a cache that lags must not let a deleted owner adopt.
    """

    def __init__(self, client: Client, resource: Resource, owner: PartialObject) -> None:
        self._client = client
        self._resource = resource
        self._owner = owner
        self._may_adopt: bool | None = None

    async def claim(self, child_resource: Resource, child: PartialObject, *, selected: bool) -> bool:
        """Carry out ``decide_claim``; whether the child is the owner's afterwards."""
        match decide_claim(child.metadata, self._owner.metadata, selected=selected):
            case Claim.KEEP:
                return True
            case Claim.ADOPT:
                return await self._adopt(child_resource, child)
            case Claim.RELEASE:
                await self._release(child_resource, child)
        return False

    async def _adopt(self, child_resource: Resource, child: PartialObject) -> bool:
        if not await self._owner_lives():
            return False
        references = [*_references(child), owner_reference(self._owner, self._resource)]
        try:
            await self._client.patch(child_resource, child.key, _references_patch(child, references))
        except NotFound:
            return False
        return True

    async def _release(self, child_resource: Resource, child: PartialObject) -> None:
        references = [ref for ref in _references(child) if ref["uid"] != self._owner.metadata.uid]
        try:
            await self._client.patch(child_resource, child.key, _references_patch(child, references))
        except (NotFound, Invalid):
            # Gone, or another object by now (the UID in the patch did not fit): released either way.
            return

    async def _owner_lives(self) -> bool:
        if self._may_adopt is None:
            key = ObjectKey(self._owner.metadata.namespace, self._owner.metadata.name)
            try:
                live = await self._client.get(self._resource, key, as_=PartialObject)
            except NotFound:
                self._may_adopt = False
            else:
                same = live.metadata.uid == self._owner.metadata.uid
                self._may_adopt = same and live.metadata.deletion_timestamp is None
        return self._may_adopt


def _references(child: PartialObject) -> list[dict[str, Any]]:
    references = []
    for ref in child.metadata.owner_references:
        fields: dict[str, Any] = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name, "uid": ref.uid}
        if ref.controller is not None:
            fields["controller"] = ref.controller
        if ref.block_owner_deletion is not None:
            fields["blockOwnerDeletion"] = ref.block_owner_deletion
        references.append(fields)
    return references


def _references_patch(child: PartialObject, references: list[dict[str, Any]]) -> Patch:
    """Replaces the list, on condition that the object is the same and unchanged."""
    metadata = {
        "uid": child.metadata.uid,
        "resourceVersion": child.metadata.resource_version,
        "ownerReferences": references,
    }
    return Patch(PatchType.MERGE, {"metadata": metadata})
