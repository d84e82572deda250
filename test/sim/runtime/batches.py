"""An operator whose children get their names from the API server: without expectations it would make too many."""

from collections.abc import Awaitable, Callable

import msgspec

from kdl_runtime.cache.index import OWNER_INDEX
from kdl_runtime.cache.spec import WatchSpec, owner_index
from kdl_runtime.client.client import DeleteOptions, Preconditions
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.expectations import Expectations
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.controller.ownership import set_controller_reference
from kdl_runtime.errors import NotFound
from kdl_runtime.manager.manager import Manager
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.types import Request, Result
from sim.runtime.kinds import BATCHES

Mischief = Callable[[Request], Awaitable[None]]
NAME = "batches"
PATIENCE = 30.0
"""Virtual seconds after which what was expected and has not come is not waited for any longer."""


class BatchSpec(msgspec.Struct, frozen=True):
    count: int = 0


class BatchObject(PartialObject, frozen=True):
    spec: BatchSpec = BatchSpec()


class BatchReconciler:
    def __init__(self, manager: Manager, mischief: Mischief) -> None:
        self._client = manager.client
        self._mischief = mischief
        self._expectations = Expectations(manager.clock, PATIENCE)
        self.batches = manager.cache.declare(WatchSpec(BATCHES, projection=BatchObject))
        self.children = manager.cache.declare(WatchSpec(CONFIGMAPS, indexes=owner_index()))
        self.children.add_handler(self._expectations.observer(BATCHES))

    async def reconcile(self, request: Request) -> Result | None:
        await self._mischief(request)
        owner = self.batches.get(request)
        if owner is None:
            self._expectations.forget(request)
            return None
        if owner.metadata.deletion_timestamp is not None:
            return None
        if not self._expectations.satisfied(request):
            # What is awaited brings us back, and if it never comes, time does.
            return Result(requeue_after=PATIENCE)
        children = self.children.by_index(OWNER_INDEX, owner.metadata.uid)
        living = [child for child in children if child.metadata.deletion_timestamp is None]
        for _ in range(owner.spec.count - len(living)):
            await self._create(request, owner)
        await self._mischief(request)
        for child in living[owner.spec.count :]:
            await self._delete(request, child)
        return None

    async def _create(self, request: Request, owner: BatchObject) -> None:
        child = {"metadata": {"namespace": request.namespace, "generateName": f"{request.name}-"}}
        set_controller_reference(owner, BATCHES, child)
        async with self._expectations.creation(request):
            await self._client.create(CONFIGMAPS, child)

    async def _delete(self, request: Request, child: PartialObject) -> None:
        uid = child.metadata.uid
        async with self._expectations.deletion(request, uid):
            try:
                options = DeleteOptions(preconditions=Preconditions(uid=uid))
                await self._client.delete(CONFIGMAPS, child.metadata.key, options)
            except NotFound:
                self._expectations.deletion_seen(request, uid)


def build(manager: Manager, mischief: Mischief) -> None:
    """Two workers, and no reconciliation of more than 20 s."""
    reconciler = BatchReconciler(manager, mischief)
    options = ControllerOptions(max_concurrent_reconciles=2, reconcile_timeout=20)
    controller = Controller(NAME, reconciler.reconcile, options)
    manager.add(controller.for_(reconciler.batches).owns(reconciler.children))
