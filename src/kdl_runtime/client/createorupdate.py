"""Make an object be as a function says, with no request when it is so already.

After controllerutil's CreateOrUpdate and CreateOrPatch. Where one writer owns some fields of an object that others own
fields of, too, prefer ``client.apply``.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from kdl_runtime.client.api import Api
from kdl_runtime.client.options import Patch, PatchType, WriteOptions
from kdl_runtime.client.semantic import Originals, with_stored_defaults
from kdl_runtime.codec.patch import copy_json, json_equal, merge_diff
from kdl_runtime.errors import BadRequest, NotFound
from kdl_runtime.types import ObjectKey, Resource

Mutate = Callable[[dict[str, Any]], None]
"""Changes the object to what it should be; may be given one that has no more than its name.

It may replace parts of the object (``obj["spec"]["template"] = …``): what the new part does not name keeps the values
that the server has filled in, except in maps with keys of the user's own (labels, data). It may take keys out of the
parts that are there: these go. Name, namespace and UID must stay.
"""


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


async def create_or_update(
    client: Api, resource: Resource, key: ObjectKey, mutate: Mutate, known: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Outcome]:
    """The object, and what was done. Status is left alone.

    ``known`` is the object as the cache has it (``informer.object(key)``), which saves a request; it is not changed.
    Conflict if it has changed since: let the reconciliation be tried again.
    """
    stored = await _stored(client, resource, key, known)
    if stored is None:
        return await _create(client, resource, key, mutate), Outcome.CREATED
    wanted = _mutated(stored, key, mutate)
    wanted.pop("status", None)
    if "status" in stored:
        wanted["status"] = stored["status"]
    if json_equal(wanted, stored):
        return stored, Outcome.UNCHANGED
    return await client.update(resource, wanted), Outcome.UPDATED


async def create_or_patch(
    client: Api, resource: Resource, key: ObjectKey, mutate: Mutate, known: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Outcome]:
    """As ``create_or_update``, with merge patches of what is different, and of the status as a subresource of its own.

    Nothing is checked for changes since ``known`` was read: fields that ``mutate`` leaves alone are not touched.
    """
    stored = await _stored(client, resource, key, known)
    if stored is None:
        wanted = _new(resource, key, mutate)
        status = wanted.pop("status", None)
        created = await client.create(resource, wanted)
        if status:
            created = await _patch_status(client, resource, key, {"status": status})
        return created, Outcome.CREATED
    wanted = _mutated(stored, key, mutate)
    difference = merge_diff(stored, wanted) or {}
    status = {"status": difference.pop("status")} if "status" in difference else {}
    if not difference and not status:
        return stored, Outcome.UNCHANGED
    answer = stored
    if difference:
        answer = await client.patch(resource, key, Patch(PatchType.MERGE, difference))
    if status:
        answer = await _patch_status(client, resource, key, status)
    return answer, Outcome.UPDATED


async def _stored(
    client: Api, resource: Resource, key: ObjectKey, known: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if known is not None:
        return dict(known)
    try:
        return await client.get(resource, key)
    except NotFound:
        return None


async def _create(client: Api, resource: Resource, key: ObjectKey, mutate: Mutate) -> dict[str, Any]:
    wanted = _new(resource, key, mutate)
    wanted.pop("status", None)
    return await client.create(resource, wanted)


def _new(resource: Resource, key: ObjectKey, mutate: Mutate) -> dict[str, Any]:
    metadata = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    obj: dict[str, Any] = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
    mutate(obj)
    _check_identity(obj, key, "")
    return obj


def _mutated(stored: dict[str, Any], key: ObjectKey, mutate: Mutate) -> dict[str, Any]:
    """A copy of the stored object after ``mutate``, with the server's defaults where it left something open."""
    obj = copy_json(stored)
    originals = Originals(obj)
    mutate(obj)
    filled: dict[str, Any] = with_stored_defaults(obj, stored, originals)
    _check_identity(filled, key, stored["metadata"].get("uid") or "")
    return filled


async def _patch_status(client: Api, resource: Resource, key: ObjectKey, status: dict[str, Any]) -> dict[str, Any]:
    return await client.patch(resource, key, Patch(PatchType.MERGE, status), WriteOptions(subresource="status"))


def _check_identity(obj: Mapping[str, Any], key: ObjectKey, uid: str) -> None:
    metadata = obj.get("metadata") or {}
    if (metadata.get("namespace") or "", metadata.get("name"), metadata.get("uid") or "") != (*key, uid):
        raise BadRequest(f"the function that changes {key} has changed its name, namespace or UID, which must stay")
