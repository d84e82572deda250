"""The headless service of one replica: a stable name in DNS for its pod."""

from collections.abc import Mapping
from typing import Any

from kdl_workloads.engine.children import owner_reference
from kdl_workloads.engine.observed import Workload
from kdl_workloads.job import Job
from kdl_workloads.template import find_container


def desired_service(workload: Workload, job: Job, role: str, index: int) -> dict[str, Any]:
    """Named as the pod and selecting only it, with every port of the training container.

    The name resolves as soon as the pod has an address (``publishNotReadyAddresses``), so that replicas can find each
    other before any of them is ready and no init container has to wait for DNS.
    """
    labels = workload.dialect.labels(job, role, index, master=False)
    master = workload.framework.is_master(job, role, index)
    container = find_container(job.roles[role].template, workload.conventions.container) or {}
    ports = [_service_port(port) for port in container.get("ports") or ()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": workload.framework.child_name(job, role, index),
            "namespace": job.namespace,
            "labels": workload.dialect.labels(job, role, index, master=master),
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels,
            **({"ports": ports} if ports else {}),
        },
    }


def _service_port(port: Mapping[str, Any]) -> dict[str, Any]:
    number = int(port["containerPort"])
    protocol = {"protocol": port["protocol"]} if port.get("protocol") else {}
    return {"name": port.get("name") or f"port-{number}", "port": number, "targetPort": number, **protocol}
