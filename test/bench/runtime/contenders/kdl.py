"""kdl_runtime: a manager with one controller, as the documentation shows it."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from bench.runtime.pods import SENT, SEQUENCE
from bench.runtime.probe import Probe, Reading
from kdl_runtime import Client, Controller, Manager, ManagerOptions, Request, WatchSpec
from kdl_runtime.cache.informer import Informer
from kdl_runtime.cache.spec import projection_only
from kdl_runtime.clock import SystemClock
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.resources.registry import PODS
from kdl_runtime.transport.config import ClusterConfig
from kdl_runtime.transport.http import HttpTransport

OPTIONS = ManagerOptions(metrics_bind_address="0", health_probe_bind_address="0")


class ContainerStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    ready: bool = False
    restart_count: int = 0


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    node_name: str = ""


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    phase: str = ""
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(PartialObject, frozen=True, gc=False, rename="camel"):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


Read = Callable[[Informer[Pod], Request], Reading | None]


def projection(pods: Informer[Pod], key: Request) -> Reading | None:
    pod = pods.get(key)
    if pod is None:
        return None
    meta, containers = pod.metadata, pod.status.container_statuses
    owner = meta.controller
    return Reading(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        job=meta.labels["job-name"],
        owner=owner.uid if owner is not None else "",
        node=pod.spec.node_name,
        phase=pod.status.phase,
        ready=containers[0].ready,
        restarts=containers[0].restart_count,
        sequence=meta.annotations[SEQUENCE],
        sent=meta.annotations[SENT],
    )


def whole(pods: Informer[Pod], key: Request) -> Reading | None:
    """The whole object, decoded for this call."""
    pod = pods.object(key)
    return None if pod is None else of_dict(pod)


def of_dict(pod: Any) -> Reading:
    """Of a pod as JSON has it."""
    meta, container = pod["metadata"], pod["status"]["containerStatuses"][0]
    return Reading(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        job=meta["labels"]["job-name"],
        owner=next((ref["uid"] for ref in meta["ownerReferences"] if ref.get("controller")), ""),
        node=pod["spec"]["nodeName"],
        phase=pod["status"]["phase"],
        ready=container["ready"],
        restarts=container["restartCount"],
        sequence=meta["annotations"][SEQUENCE],
        sent=meta["annotations"][SENT],
    )


async def operate(url: str, probe: Probe, watch: WatchSpec[Pod], read: Read) -> None:
    clock = SystemClock()
    transport = HttpTransport(ClusterConfig(server=url), clock)
    manager = Manager(Client(transport, clock), OPTIONS)
    pods = manager.cache.declare(watch)

    async def reconcile(key: Request) -> None:
        reading = read(pods, key)
        if reading is not None:
            probe.reconcile(reading)

    manager.add(Controller("bench", reconcile).for_(pods))
    await manager.start()


def run(url: str, probe: Probe) -> None:
    """JSON and projection are kept; the reconciler reads the projection."""
    asyncio.run(operate(url, probe, WatchSpec(PODS, Pod), projection))


def run_projected(url: str, probe: Probe) -> None:
    """Only the projection is kept."""
    asyncio.run(operate(url, probe, WatchSpec(PODS, Pod, shrink=projection_only), projection))


def run_whole(url: str, probe: Probe) -> None:
    """The reconciler reads the whole object as a dict of its own."""
    asyncio.run(operate(url, probe, WatchSpec(PODS, Pod), whole))
