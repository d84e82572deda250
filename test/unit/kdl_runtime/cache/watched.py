"""An informer that is fed by hand."""

import random
from typing import Any, cast

from kdl_runtime.cache.collection import Page, WatchEnvironment, WatcherOptions
from kdl_runtime.cache.event import Event
from kdl_runtime.cache.informer import Informer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client, ListOptions, WatchOptions
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import RawList, encode
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import PODS
from kdl_runtime.types import ObjectKey
from unit.kdl_runtime.cache.scripted import Answer, ScriptedCollection, event

KEY = ObjectKey("ns", "a")
EXPIRED = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


class ScriptedClient:
    """The two methods of a client that watching needs; namespaces share one script."""

    def __init__(self, *answers: Answer) -> None:
        self.collection = ScriptedCollection(list(answers))
        self.asked: list[tuple[str, str]] = []
        self.fields: list[str] = []

    async def list_page(self, _resource: Any, namespace: str, options: ListOptions) -> RawList:
        self.asked.append((namespace, options.label_selector))
        self.fields.append(options.field_selector)
        return await self.collection.list(Page(options.resource_version, options.limit or 0, options.continue_))

    def watch(self, _resource: Any, namespace: str, options: WatchOptions) -> Any:
        return self.collection.watch(
            options.resource_version,
            timeout_seconds=options.timeout_seconds or 0,
            initial_events=bool(options.send_initial_events),
        )


class Watched:
    """An informer on scripted answers, and what its handler was told."""

    def __init__(self, *answers: Answer, **spec: Any) -> None:
        self.client = ScriptedClient(*answers)
        self.clock: Clock = self.client.collection.clock
        self.metrics = Metrics()
        options = WatcherOptions(stream_lists=False)
        environment = WatchEnvironment(self.clock, random.Random(1), self.metrics.for_watch("pods", "pods"), options)
        self.informer: Informer[PartialObject] = Informer(
            WatchSpec(PODS, **spec), cast(Client, self.client), environment
        )
        self.told: list[tuple[str, str, str, bool]] = []
        self.informer.add_handler(self.tell)

    def tell(self, event: Event[PartialObject]) -> None:
        old = event.old.metadata.resource_version if event.old else ""
        new = event.new.metadata.resource_version if event.new else ""
        self.told.append((f"{event.type} {event.object.metadata.name}", old, new, event.initial))

    def synced(self) -> bool:
        return self.informer.synced

    async def steps(self, count: int) -> None:
        for _ in range(count):
            for watcher in self.informer._watchers.values():
                await watcher.step()

    def write(self, obj: dict[str, Any]) -> None:
        self.informer.apply_write(encode(obj))

    def delete(self, obj: dict[str, Any]) -> None:
        self.informer.apply_delete(encode(obj))

    @property
    def shown(self) -> dict[str, str]:
        return {obj.metadata.name: obj.metadata.resource_version for obj in self.informer.list()}
