"""Pods that wait for a node which will not come back.

A pod that was deleted goes when its kubelet confirms that its containers have stopped. If the node is gone nobody does,
its name stays taken, and its job waits for ever. Taking such a pod away by force is safe only where the node is known
not to run it: otherwise two pods of one replica could write to the same place.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from kdl_workloads.engine.observed import NodeState
from kdl_workloads.engine.pod import Pod

MARGIN = timedelta(seconds=30)
"""How long after its grace period a pod may still be there before its node is asked about."""
LOOK_AGAIN = timedelta(seconds=60)
"""How long to wait before asking again about a node that was there."""

_NODE_LOST = frozenset({"NodeLost", "NodeUnreachable"})
_BY_TAINT = "DeletionByTaintManager"


def suspects(pods: Iterable[Pod], now: datetime) -> frozenset[str]:
    """Names of the nodes to ask about: those that owe us the end of a pod."""
    return frozenset(pod.spec.node_name for pod in pods if _overdue(pod, now) and not pod.ended)


def is_lost(pod: Pod, nodes: Mapping[str, NodeState], now: datetime) -> bool:
    """Whether the pod is overdue and its node is gone or not ready. Where nodes may not be read, the marks that the
    node controllers leave on the pod decide: NodeLost, eviction by taint, or a Ready condition that was taken away
    while its containers are still reported as ready."""
    if not _overdue(pod, now):
        return False
    state = nodes.get(pod.spec.node_name, NodeState.UNKNOWN)
    return state is NodeState.LOST or (state is NodeState.UNKNOWN and _marked(pod))


def is_forced(pod: Pod, nodes: Mapping[str, NodeState], now: datetime) -> bool:
    """Whether to delete the pod with grace period 0: it is overdue, and it has ended or its node is lost. Not again for
    a pod whose grace period is 0 already: what keeps that one is somebody's finalizer."""
    if not _overdue(pod, now) or pod.metadata.deletion_grace_period_seconds == 0:
        return False
    return pod.ended or is_lost(pod, nodes, now)


def look_again_at(pod: Pod, now: datetime) -> datetime | None:
    """When a pod that is being deleted has to be looked at again without an event; None for other pods."""
    overdue_at = _overdue_at(pod)
    if overdue_at is None or pod.metadata.deletion_grace_period_seconds == 0:
        return None
    return overdue_at if overdue_at > now else now + LOOK_AGAIN


def earliest_look(pods: Iterable[Pod], now: datetime) -> datetime | None:
    """The first of those times."""
    times = (look_again_at(pod, now) for pod in pods)
    return min((time for time in times if time is not None), default=None)


def _overdue(pod: Pod, now: datetime) -> bool:
    overdue_at = _overdue_at(pod)
    return overdue_at is not None and overdue_at <= now


def _overdue_at(pod: Pod) -> datetime | None:
    killed_at = pod.killed_at
    return killed_at + MARGIN if killed_at is not None and pod.spec.node_name else None


def _marked(pod: Pod) -> bool:
    target, ready = pod.condition("DisruptionTarget"), pod.condition("Ready")
    by_taint = target is not None and target.status == "True" and target.reason == _BY_TAINT
    containers = pod.condition("ContainersReady")
    # A kubelet changes both together; node controllers change Ready only.
    not_ready = ready is not None and ready.status != "True" and containers is not None and containers.status == "True"
    return pod.status.reason in _NODE_LOST or by_taint or not_ready
