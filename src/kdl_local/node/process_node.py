"""The node that runs pods as local processes: what the kubelet is on a real node."""

import asyncio
import logging
import os
import random
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdl_local.apiserver.direct import Direct
from kdl_local.apiserver.logs import LogOptions
from kdl_local.follow import Change, follow, uid_of
from kdl_local.node import container_log, isolation
from kdl_local.node.addresses import AddressPool
from kdl_local.node.claims import Claims
from kdl_local.node.container import Container
from kdl_local.node.context import HOST_ADDRESS, NodeContext, Timings
from kdl_local.node.images import Images
from kdl_local.node.launch import Isolation
from kdl_local.node.names import endpoint_of, service_view
from kdl_local.node.node_object import HEARTBEAT_SECONDS, NodeIdentity, NodeRegistration
from kdl_local.node.pod_worker import PodWorker
from kdl_local.node.streams import NodeStreams
from kdl_local.pods import is_finished, node_name
from kdl_local.recorder import Recorder
from kdl_local.resources import PODS, SERVICES
from kdl_runtime.clock import Clock
from kdl_runtime.errors import BadRequest, NotFound

log = logging.getLogger(__name__)

Object = Mapping[str, Any]

MAX_PODS = 110
RETRY_SECONDS = 2.0
HOSTS_DELAY_SECONDS = 0.02
"""Changes of names within this time are written to the hosts files together."""


@dataclass(frozen=True, slots=True)
class ProcessNodeOptions:
    """``directory`` belongs to the node alone: what it finds there is removed. ``isolation`` None tries what works.

    ``marks`` are variables that all processes of pods get, ``server_env`` those that tell pods of the API server.
    ``extra_capacity`` adds resources to the host's own, such as ``{"nvidia.com/gpu": "2"}``.
    """

    directory: Path
    name: str = "local"
    isolation: Isolation | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    server_env: Mapping[str, str] = field(default_factory=dict)
    extra_capacity: Mapping[str, str] = field(default_factory=dict)
    timings: Timings = field(default_factory=Timings)
    heartbeat: float = HEARTBEAT_SECONDS


class ProcessNode:
    """``run`` registers the node and runs its pods until it is cancelled; then every process of them is killed."""

    def __init__(self, direct: Direct, clock: Clock, rng: random.Random, options: ProcessNodeOptions) -> None:
        shutil.rmtree(options.directory, ignore_errors=True)
        pods = options.directory / "pods"
        pods.mkdir(mode=0o700, parents=True)
        granted = options.isolation if options.isolation is not None else isolation.detect(str(pods))
        if granted is Isolation.NONE:
            log.warning("%s", isolation.MESSAGES[granted])
        capacity = {**host_capacity(), **options.extra_capacity}
        self._context = NodeContext(
            name=options.name,
            direct=direct,
            clock=clock,
            recorder=Recorder(direct, clock, rng, "kubelet", options.name),
            directory=pods,
            isolation=granted,
            addresses=AddressPool(skip=rng.randrange(2**15)),
            images=Images(options.directory / "programs"),
            claims=Claims(direct, options.directory / "claims"),
            capacity=capacity,
            timings=options.timings,
            marks=options.marks,
            server_env=options.server_env,
        )
        condition = {
            "type": "PodsIsolated",
            "status": "False" if granted is Isolation.NONE else "True",
            "reason": f"Isolation{granted.value.capitalize()}",
            "message": isolation.MESSAGES[granted],
        }
        identity = NodeIdentity(
            options.name, HOST_ADDRESS, capacity, {"type": "process"}, runtime="process", extra_conditions=(condition,)
        )
        self._registration = NodeRegistration(direct, clock, identity)
        self._options = options
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._names_changed = asyncio.Event()
        self.streams = NodeStreams(lambda pod: self._workers.get(uid_of(pod)))
        """The ``StreamProvider`` for the pods of this node."""

    @property
    def name(self) -> str:
        return self._context.name

    @property
    def isolation(self) -> Isolation:
        return self._context.isolation

    async def run(self) -> None:
        self._registration.register()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat())
                group.create_task(self._follow_pods(group))
                group.create_task(self._follow_services())
                group.create_task(self._context.claims.run())
                group.create_task(self._write_hosts())
        finally:
            self._context.addresses.close()
            shutil.rmtree(self._options.directory, ignore_errors=True)

    async def logs(self, pod: Object, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """A ``LogProvider`` for the pods of this node."""
        worker = self._workers.get(uid_of(pod))
        container = worker.container(options.container) if worker else None
        if container is None:
            raise NotFound(f"the log of pod {pod['metadata']['name']} is not on this node any more")
        run = container.run - 1 if options.previous else container.run
        path = container.log_path(max(run, 0))
        if run < 0 or not path.exists():
            raise BadRequest(_no_log(pod, container, previous=options.previous))
        writer = container.log if not options.previous else None
        return container_log.read(path, writer, options, self._context.clock.now())

    # ---- what changes

    async def _beat(self) -> None:
        while True:
            await self._context.clock.sleep(self._options.heartbeat)
            self._registration.heartbeat()

    async def _follow_services(self) -> None:
        async with aclosing(follow(self._context.direct, SERVICES)) as changes:
            async for change in changes:
                view = service_view(change.new) if change.new is not None else None
                self._context.names.put_service(change.key, view)
                self._names_changed.set()

    async def _follow_pods(self, group: asyncio.TaskGroup) -> None:
        async with aclosing(follow(self._context.direct, PODS)) as changes:
            async for change in changes:
                endpoint = endpoint_of(change.new) if change.new is not None else None
                self._context.names.put_pod(change.key, endpoint)
                self._names_changed.set()
                self._pod_changed(group, change)

    def _pod_changed(self, group: asyncio.TaskGroup, change: Change) -> None:
        pod, uid = change.latest, uid_of(change.latest)
        worker = self._workers.get(uid)
        if worker is None:
            if change.new is None or node_name(pod) != self._context.name or is_finished(pod):
                return
            worker = self._workers[uid] = PodWorker(self._context, pod)
            self._tasks[uid] = group.create_task(self._work(worker))
        worker.update(change.new)
        if change.new is None and uid not in self._tasks:
            self._forget(uid)

    async def _write_hosts(self) -> None:
        written = -1
        while True:
            await self._names_changed.wait()
            await self._context.clock.sleep(HOSTS_DELAY_SECONDS)
            self._names_changed.clear()
            if self._context.names.revision == written:
                continue
            written = self._context.names.revision
            for uid in tuple(self._tasks):
                self._workers[uid].refresh_hosts()

    async def _work(self, worker: PodWorker) -> None:
        """Runs a pod. A mistake of this program must not take the other pods down: it is told, and tried again."""
        while True:
            try:
                await worker.run()
                break
            except Exception as error:
                log.exception("pod %s", worker.uid)
                message = f"error of the node, see its log: {error!r}"
                self._context.recorder.event(worker.pod, "Warning", "FailedSync", message)
                await self._context.clock.sleep(RETRY_SECONDS)
        del self._tasks[worker.uid]
        self._context.claims.release(worker.uid)
        if worker.gone:
            self._forget(worker.uid)

    def _forget(self, uid: str) -> None:
        self._workers.pop(uid).remove_files()


def _no_log(pod: Object, container: Container, *, previous: bool) -> str:
    """In the kubelet's words."""
    name = pod["metadata"]["name"]
    if previous:
        return f'previous terminated container "{container.name}" in pod "{name}" not found'
    reason = container.waiting_reason or "ContainerCreating"
    return f'container "{container.name}" in pod "{name}" is waiting to start: {reason}'


def host_capacity() -> dict[str, str]:
    """CPUs that this process may use, and the host's memory."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    cpus = len(os.sched_getaffinity(0))
    return {"cpu": str(cpus), "memory": f"{pages * size // 1024}Ki", "pods": str(MAX_PODS)}
