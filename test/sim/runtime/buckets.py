"""An operator with a finalizer, for something outside of the cluster: buckets in a service."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.finalizers import Finalizer
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.manager.manager import Manager
from kdl_runtime.types import Request, Result
from sim.runtime.kinds import BUCKETS

Mischief = Callable[[Request], Awaitable[None]]
NAME = "buckets"
FINALIZER = "sim.example.com/bucket"


class BucketSpec(msgspec.Struct, frozen=True):
    size: int = 0


class BucketObject(PartialObject, frozen=True):
    spec: BucketSpec = BucketSpec()


class BucketService(Protocol):
    """Keeps buckets by the UID of what they are for. Both methods may raise TransportError, done or not."""

    async def put(self, uid: str, size: int) -> None: ...

    async def remove(self, uid: str) -> None: ...


class BucketReconciler:
    def __init__(self, manager: Manager, service: BucketService, mischief: Mischief) -> None:
        self._client = manager.client
        self._service = service
        self._mischief = mischief
        self.buckets = manager.cache.declare(WatchSpec(BUCKETS, projection=BucketObject))
        self._finalizer = Finalizer(FINALIZER, self._apply, self._cleanup)

    async def reconcile(self, request: Request) -> Result | None:
        await self._mischief(request)
        bucket = self.buckets.get(request)
        return None if bucket is None else await self._finalizer.reconcile(self._client, BUCKETS, bucket)

    async def _apply(self, bucket: BucketObject) -> Result | None:
        await self._service.put(bucket.metadata.uid, bucket.spec.size)
        await self._mischief(bucket.metadata.key)
        return None

    async def _cleanup(self, bucket: BucketObject) -> Result | None:
        await self._service.remove(bucket.metadata.uid)
        await self._mischief(bucket.metadata.key)
        return None


def build(manager: Manager, service: BucketService, mischief: Mischief) -> None:
    """Two workers, and no reconciliation of more than 20 s."""
    reconciler = BucketReconciler(manager, service, mischief)
    options = ControllerOptions(max_concurrent_reconciles=2, reconcile_timeout=20)
    manager.add(Controller(NAME, reconciler.reconcile, options).for_(reconciler.buckets))
