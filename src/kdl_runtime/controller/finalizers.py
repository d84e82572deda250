"""Finalizers: what has to be done before an object may go.

The contract is that of kube-rs (kube-runtime/src/finalizer.rs): once ``apply`` was ever started for an object, the
object does not go before ``cleanup`` has succeeded. Both may be called many times and be cancelled at any point, so
both must be idempotent. ``cleanup`` must not assume that ``apply`` has succeeded.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from kdl_runtime.client.client import Client, Patch, PatchType
from kdl_runtime.codec.meta import ObjectMeta, PartialObject
from kdl_runtime.controller.metadata import metadata_of
from kdl_runtime.errors import NotFound
from kdl_runtime.types import Resource, Result

O = TypeVar("O", bound=PartialObject | Mapping[str, Any])  # noqa: E741  # the object, whatever its form


class FinalizerStep(StrEnum):
    """What is to be done for an object with regard to one finalizer."""

    ADD = "Add"
    APPLY = "Apply"
    CLEAN_UP = "CleanUp"
    NOTHING = "Nothing"


def next_step(metadata: ObjectMeta, finalizer: str) -> FinalizerStep:
    """Add it, then apply; once the object is being deleted, clean up; when it is off, nothing."""
    present = finalizer in metadata.finalizers
    if metadata.deletion_timestamp is not None:
        return FinalizerStep.CLEAN_UP if present else FinalizerStep.NOTHING
    return FinalizerStep.APPLY if present else FinalizerStep.ADD


def addition_patch(metadata: ObjectMeta, finalizer: str) -> Patch:
    """A JSON patch that fails (Invalid) when the object is another by now.

    The first finalizer replaces the absent list, so that one also fails when the object has changed in any way.
    """
    if metadata.finalizers:
        test: dict[str, Any] = {"op": "test", "path": "/metadata/uid", "value": metadata.uid}
        addition: dict[str, Any] = {"op": "add", "path": "/metadata/finalizers/-", "value": finalizer}
    else:
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata.resource_version}
        addition = {"op": "add", "path": "/metadata/finalizers", "value": [finalizer]}
    return Patch(PatchType.JSON, [test, addition])


def removal_patch(metadata: ObjectMeta, finalizer: str) -> Patch:
    """A JSON patch that fails (Invalid) when the object is another by now, or the finalizer is not where it was; it
    conflicts with no other change."""
    path = f"/metadata/finalizers/{metadata.finalizers.index(finalizer)}"
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": metadata.uid},
        {"op": "test", "path": path, "value": finalizer},
        {"op": "remove", "path": path},
    ]
    return Patch(PatchType.JSON, operations)


async def ensure_finalizer(
    client: Client, resource: Resource, obj: PartialObject | Mapping[str, Any], finalizer: str
) -> bool:
    """Put the finalizer on, unless it is there or the object is being deleted, when the API server refuses additions.

    True when it was added. NotFound when the object is gone.
    """
    metadata = metadata_of(obj)
    if next_step(metadata, finalizer) is not FinalizerStep.ADD:
        return False
    await client.patch(resource, metadata.key, addition_patch(metadata, finalizer))
    return True


async def remove_finalizer(
    client: Client, resource: Resource, obj: PartialObject | Mapping[str, Any], finalizer: str
) -> bool:
    """Take the finalizer off. True when it was taken off now; an object that is gone has none."""
    metadata = metadata_of(obj)
    if finalizer not in metadata.finalizers:
        return False
    try:
        await client.patch(resource, metadata.key, removal_patch(metadata, finalizer))
    except NotFound:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Finalizer(Generic[O]):
    """One finalizer and what it stands for. ``name`` is qualified: ``example.com/bucket``."""

    name: str
    apply: Callable[[O], Awaitable[Result | None]]
    cleanup: Callable[[O], Awaitable[Result | None]]

    async def reconcile(self, client: Client, resource: Resource, obj: O) -> Result | None:
        """Do the next step for ``obj``. Adding and removing cause an event, which brings the reconciler back.

        A clean-up that is not finished returns a ``Result`` with ``requeue_after``, or raises: the finalizer stays on.
        """
        match next_step(metadata_of(obj), self.name):
            case FinalizerStep.ADD:
                await ensure_finalizer(client, resource, obj, self.name)
            case FinalizerStep.APPLY:
                return await self.apply(obj)
            case FinalizerStep.CLEAN_UP:
                result = await self.cleanup(obj)
                if result is not None and result.requeue_after:
                    return result
                await remove_finalizer(client, resource, obj, self.name)
        return None
