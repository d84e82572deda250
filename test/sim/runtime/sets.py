"""An operator whose children have names that follow from their owner's: a set of ConfigMaps."""

from collections.abc import Awaitable, Callable

import msgspec

from kdl_runtime.cache.index import OWNER_INDEX
from kdl_runtime.cache.spec import WatchSpec, owner_index
from kdl_runtime.client.client import Client, DeleteOptions, Patch, PatchType, Preconditions
from kdl_runtime.client.options import WriteOptions
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.controller.controller import Controller
from kdl_runtime.controller.options import ControllerOptions
from kdl_runtime.controller.ownership import set_controller_reference
from kdl_runtime.errors import NotFound
from kdl_runtime.manager.manager import Manager
from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_runtime.types import ObjectKey, Request, Result
from sim.runtime.kinds import SETS

Mischief = Callable[[Request], Awaitable[None]]
"""Called in the midst of reconciliations; may raise, hang and block."""
NAME = "sets"


class SetSpec(msgspec.Struct, frozen=True):
    count: int = 0
    text: str = ""


class SetStatus(msgspec.Struct, frozen=True):
    ready: int = 0
    text: str = ""


class SetObject(PartialObject, frozen=True):
    spec: SetSpec = SetSpec()
    status: SetStatus = SetStatus()


class Text(PartialObject, frozen=True):
    """A ConfigMap."""

    data: dict[str, str] = msgspec.field(default_factory=dict)


class SetReconciler:
    def __init__(self, manager: Manager, mischief: Mischief) -> None:
        self._client: Client = manager.client
        self._mischief = mischief
        self.sets = manager.cache.declare(WatchSpec(SETS, projection=SetObject))
        self.children = manager.cache.declare(WatchSpec(CONFIGMAPS, projection=Text, indexes=owner_index()))

    async def reconcile(self, request: Request) -> Result | None:
        await self._mischief(request)
        owner = self.sets.get(request)
        if owner is None or owner.metadata.deletion_timestamp is not None:
            return None
        wanted = [f"{request.name}-{index}" for index in range(owner.spec.count)]
        present = {child.metadata.name: child for child in self.children.by_index(OWNER_INDEX, owner.metadata.uid)}
        for name in wanted:
            if name not in present:
                await self._create(owner, name)
            elif present[name].metadata.deletion_timestamp is None and present[name].data != self._data(owner):
                await self._change(present[name], owner)
        await self._mischief(request)
        for name, child in present.items():
            if name not in wanted and child.metadata.deletion_timestamp is None:
                await self._delete(child)
        await self._report(owner, len(wanted))
        return None

    def _data(self, owner: SetObject) -> dict[str, str]:
        return {"text": owner.spec.text}

    async def _create(self, owner: SetObject, name: str) -> None:
        child = {"metadata": {"namespace": owner.metadata.namespace, "name": name}, "data": self._data(owner)}
        set_controller_reference(owner, SETS, child)
        await self._client.create(CONFIGMAPS, child)

    async def _change(self, child: Text, owner: SetObject) -> None:
        body = {"metadata": {"uid": child.metadata.uid}, "data": self._data(owner)}
        await self._client.patch(CONFIGMAPS, child.metadata.key, Patch(PatchType.MERGE, body))

    async def _delete(self, child: Text) -> None:
        try:
            options = DeleteOptions(preconditions=Preconditions(uid=child.metadata.uid))
            await self._client.delete(CONFIGMAPS, child.metadata.key, options)
        except NotFound:
            return

    async def _report(self, owner: SetObject, ready: int) -> None:
        status = SetStatus(ready, owner.spec.text)
        if owner.status == status:
            return
        metadata = {"uid": owner.metadata.uid, "resourceVersion": owner.metadata.resource_version}
        body = {"metadata": metadata, "status": {"ready": status.ready, "text": status.text}}
        key = ObjectKey(owner.metadata.namespace, owner.metadata.name)
        await self._client.patch(SETS, key, Patch(PatchType.MERGE, body), WriteOptions(subresource="status"))


def build(manager: Manager, mischief: Mischief) -> None:
    """Two workers, and no reconciliation of more than 20 s."""
    reconciler = SetReconciler(manager, mischief)
    options = ControllerOptions(max_concurrent_reconciles=2, reconcile_timeout=20)
    controller = Controller(NAME, reconciler.reconcile, options)
    manager.add(controller.for_(reconciler.sets).owns(reconciler.children))
