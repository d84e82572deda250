"""lightkube with a loop of one's own: list, watch, a dict as the cache, and a queue that holds each key once."""

import asyncio

from lightkube import AsyncClient, KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.resources.core_v1 import Pod

from bench.runtime.pods import SENT, SEQUENCE
from bench.runtime.probe import Probe, Reading

Key = tuple[str, str]


class Operator:
    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._cache: dict[Key, Pod] = {}
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()

    async def follow(self, url: str) -> None:
        config = KubeConfig.from_one(cluster=Cluster(server=url), user=User())
        client = AsyncClient(config=config, trust_env=False)
        listed = client.list(Pod, namespace="*")
        async for pod in listed:
            self._put("ADDED", pod)
        async for type_, pod in client.watch(Pod, namespace="*", resource_version=listed.resourceVersion):
            self._put(type_, pod)

    def _put(self, type_: str, pod: Pod) -> None:
        assert pod.metadata is not None
        key = (pod.metadata.namespace or "", pod.metadata.name or "")
        if type_ == "DELETED":
            self._cache.pop(key, None)
        else:
            self._cache[key] = pod
        if key not in self._queued:
            self._queued.add(key)
            self._queue.put_nowait(key)

    async def work(self) -> None:
        while True:
            key = await self._queue.get()
            self._queued.discard(key)
            pod = self._cache.get(key)
            if pod is not None:
                self._probe.reconcile(read(pod))


def read(pod: Pod) -> Reading:
    meta, spec, status = pod.metadata, pod.spec, pod.status
    assert meta is not None
    assert spec is not None
    assert status is not None
    container = (status.containerStatuses or [])[0]
    labels, annotations = meta.labels or {}, meta.annotations or {}
    return Reading(
        namespace=meta.namespace or "",
        name=meta.name or "",
        uid=meta.uid or "",
        job=labels["job-name"],
        owner=next((ref.uid for ref in meta.ownerReferences or () if ref.controller), ""),
        node=spec.nodeName or "",
        phase=status.phase or "",
        ready=container.ready,
        restarts=container.restartCount,
        sequence=annotations[SEQUENCE],
        sent=annotations[SENT],
    )


async def _operate(url: str, probe: Probe) -> None:
    operator = Operator(probe)
    async with asyncio.TaskGroup() as group:
        group.create_task(operator.work())
        group.create_task(operator.follow(url))


def run(url: str, probe: Probe) -> None:
    asyncio.run(_operate(url, probe))
