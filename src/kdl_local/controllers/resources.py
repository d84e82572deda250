"""Sums of resources: what a pod asks for and what a node has, as the scheduler counts them.

CPU is counted in thousandths, everything else in whole units, both rounded up, so that sums are exact integers.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING
from functools import lru_cache
from typing import Any

from kdl_runtime.codec.quantity import parse_quantity

Amounts = Mapping[str, int]

CPU, MEMORY, PODS = "cpu", "memory", "pods"

DEFAULT_MILLI_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024
"""What a container without requests counts for when nodes are compared (not when they are filtered), as in
kube-scheduler's ``GetNonzeroRequests``: without it a thousand such pods would look like an empty node."""


@lru_cache(maxsize=4096)
def amount(name: str, quantity: str) -> int:
    """A quantity in the unit in which its resource is counted. ValueError for what is not a quantity."""
    value = parse_quantity(quantity)
    if name == CPU:
        value *= 1000
    return int(value.to_integral_value(rounding=ROUND_CEILING))


def amounts(quantities: Mapping[str, Any] | None) -> dict[str, int]:
    """A resource list of the API (``requests``, ``allocatable``) in counted units."""
    return {name: amount(name, str(quantity)) for name, quantity in (quantities or {}).items()}


def add(left: Amounts, right: Amounts) -> dict[str, int]:
    total = dict(left)
    for name, value in right.items():
        total[name] = total.get(name, 0) + value
    return total


def largest(left: Amounts, right: Amounts) -> dict[str, int]:
    """The larger of both, resource by resource."""
    return {name: max(left.get(name, 0), right.get(name, 0)) for name in (*left, *right)}


def pod_requests(spec: Mapping[str, Any]) -> dict[str, int]:
    """What a pod needs at its most demanding moment.

    Init containers run one after the other beside the sidecars (init containers with restartPolicy Always) started
    before them; then the containers run beside all sidecars
    (https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers).
    """
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        requests = container_requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars = add(sidecars, requests)
            peak = largest(peak, sidecars)
        else:
            peak = largest(peak, add(sidecars, requests))
    running = sidecars
    for container in spec.get("containers") or ():
        running = add(running, container_requests(container))
    return add(largest(running, peak), amounts(spec.get("overhead")))


def container_requests(container: Mapping[str, Any]) -> dict[str, int]:
    """Requests of one container; a limit without a request is also the request, as the API server defaults it."""
    resources = container.get("resources") or {}
    return amounts(resources.get("limits")) | amounts(resources.get("requests"))


def weight(requests: Amounts, containers: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """CPU and memory for which a pod counts when nodes are compared."""
    count = sum(1 for _ in containers)
    return {
        CPU: requests.get(CPU) or DEFAULT_MILLI_CPU * count,
        MEMORY: requests.get(MEMORY) or DEFAULT_MEMORY * count,
    }
