"""Everything that acts beside the API server, started together."""

import asyncio
import random
from dataclasses import dataclass, field

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.types import ResourceTypes
from kdl_local.controllers.event_expiry import EventExpiry
from kdl_local.controllers.garbage import GarbageCollector
from kdl_local.controllers.namespaces import NamespaceController
from kdl_local.controllers.node_lifecycle import NodeLifecycle, NodeLifecycleOptions
from kdl_local.controllers.pod_garbage import QUARANTINE_SECONDS, PodGarbageCollector
from kdl_local.controllers.scheduler import Scheduler
from kdl_runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class ControllersOptions:
    """``scheduler`` False leaves pods to whoever else gives them a node."""

    scheduler: bool = True
    nodes: NodeLifecycleOptions = field(default_factory=NodeLifecycleOptions)
    pod_quarantine: float = QUARANTINE_SECONDS


async def run_controllers(
    direct: Direct, types: ResourceTypes, clock: Clock, rng: random.Random, options: ControllersOptions | None = None
) -> None:
    """Runs garbage collection, namespaces, node lifecycle, expiry of events, pod garbage and the
    scheduler until it is cancelled."""
    options = options or ControllersOptions()
    async with asyncio.TaskGroup() as group:
        group.create_task(GarbageCollector(direct, types, clock).run())
        group.create_task(NamespaceController(direct, types, clock).run())
        group.create_task(NodeLifecycle(direct, clock, rng, options.nodes).run())
        group.create_task(EventExpiry(direct, clock).run())
        group.create_task(PodGarbageCollector(direct, clock, options.pod_quarantine).run())
        if options.scheduler:
            group.create_task(Scheduler(direct, clock, rng).run())
