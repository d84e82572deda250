"""The official client: its informer, whose handlers put keys into a queue, and a thread that works on them."""

import queue
from typing import Any

import kubernetes.informer
from kubernetes import client

from bench.runtime.pods import SENT, SEQUENCE
from bench.runtime.probe import Probe, Reading

SharedInformer: Any = kubernetes.informer.SharedInformer
"""It has no types."""


def read(pod: Any) -> Reading:
    meta, container = pod.metadata, pod.status.container_statuses[0]
    return Reading(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        job=meta.labels["job-name"],
        owner=next((ref.uid for ref in meta.owner_references if ref.controller), ""),
        node=pod.spec.node_name,
        phase=pod.status.phase,
        ready=container.ready,
        restarts=container.restart_count,
        sequence=meta.annotations[SEQUENCE],
        sent=meta.annotations[SENT],
    )


def run(url: str, probe: Probe) -> None:
    api = client.CoreV1Api(client.ApiClient(client.Configuration(host=url)))
    informer = SharedInformer(list_func=api.list_pod_for_all_namespaces)
    keys: queue.SimpleQueue[str] = queue.SimpleQueue()

    def enqueue(pod: Any) -> None:
        keys.put(f"{pod.metadata.namespace}/{pod.metadata.name}")

    for type_ in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(type_, enqueue)
    informer.start()
    while True:
        pod = informer.cache.get_by_key(keys.get())
        if pod is not None:
            probe.reconcile(read(pod))
