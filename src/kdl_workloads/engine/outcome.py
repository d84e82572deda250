"""How a pod ended, and whose doing it was: its program's, the cluster's, or somebody's who deleted it.

Only the program's failures count against a job's back-off limit. What tells them apart is Kubernetes' own: the
condition ``DisruptionTarget`` (KEP-3329) and the pod reasons that the kubelet and the node controllers set.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from kdl_workloads.engine.pod import Pod, Terminated


class Outcome(StrEnum):
    """NONE: it has not ended, or its end is not known yet. LOST: its node is gone, so nobody will ever know."""

    NONE = "None"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DISRUPTED = "Disrupted"
    LOST = "Lost"
    DELETED = "Deleted"

    @property
    def known(self) -> bool:
        return self is not Outcome.NONE


DISRUPTION_REASONS = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting"})
"""``status.reason`` of pods that a node, or its shutdown, has ended (set by the kubelet and the node controllers)."""
REJECTION_REASONS = frozenset({"UnexpectedAdmissionError", "NodeAffinity", "OutOfcpu", "OutOfmemory", "OutOfpods"})
"""``status.reason`` of pods that a kubelet has refused to start: their program never ran."""
_ENDS_WITH_SUCCESS = frozenset({"Never", "OnFailure"})
"""Pod restart policies under which a container that has succeeded is not started again."""
_NODE_PRESSURE = ("The node was low on resource", "The node had condition")
"""How the kubelet's message begins when it evicts for the node's sake. An ``Evicted`` pod with another message has
exceeded a limit of its own, and would do so again."""


def outcome(pod: Pod, container: str, *, lost: bool = False) -> Outcome:
    """``container`` is the one that trains: once the kubelet will not start it again, its end is the pod's, also while
    a sidecar still runs, and however that ends. A pod without a container of that name ends by its phase. ``lost``: the
    pod is being deleted and its node is gone.

    A pod that was deleted and then ended by the signal is DELETED and not FAILED; one that had failed before is FAILED;
    one that succeeded in its grace period has SUCCEEDED (as batch/v1 Job counts it).
    """
    if pod.status.phase == "Succeeded" or _training_succeeded(pod, container):
        return Outcome.SUCCEEDED
    if pod.status.phase == "Failed" or _training_failed(pod, container):
        if disrupted(pod):
            return Outcome.DISRUPTED
        return Outcome.DELETED if _ended_by_delete(pod, container) else Outcome.FAILED
    if not pod.terminating:
        return Outcome.NONE
    if lost:
        return Outcome.LOST
    return Outcome.DELETED if _gone_for_good(pod) else Outcome.NONE


def disrupted(pod: Pod) -> bool:
    """Whether the cluster has ended the pod: eviction, preemption, taint, node shutdown, or refused by its node."""
    target = pod.condition("DisruptionTarget")
    if target is not None and target.status == "True":
        return True
    reason = pod.status.reason
    if reason == "Evicted":
        return pod.status.message.startswith(_NODE_PRESSURE)
    return reason in DISRUPTION_REASONS or reason in REJECTION_REASONS


def training_end(pod: Pod, container: str) -> tuple[str, Terminated] | None:
    """Name and end of the container whose end explains a failure: the training container if it failed, else the first
    that did, init containers before others; None if none did."""
    return _first_end(container, ((status.name, status.state.terminated) for status in pod.containers))


def previous_end(pod: Pod, container: str) -> tuple[str, Terminated] | None:
    """The same of the runs before these, of containers that the kubelet has started again, or is about to. How they end
    in a pod that was deleted may be the delete's doing, so the run before that one tells more."""

    def ends() -> Iterator[tuple[str, Terminated | None]]:
        for status in pod.containers:
            now, before = status.state.terminated, status.last_state.terminated
            yield status.name, (before or now) if pod.terminating else (now or before)

    return _first_end(container, ends())


def _first_end(container: str, ends: Iterable[tuple[str, Terminated | None]]) -> tuple[str, Terminated] | None:
    failed = [(name, end) for name, end in ends if end is not None and end.exit_code != 0]
    return next((found for found in failed if found[0] == container), next(iter(failed), None))


def _training_succeeded(pod: Pod, container: str) -> bool:
    end = pod.terminated(container)
    return end is not None and end.exit_code == 0 and pod.spec.restart_policy in _ENDS_WITH_SUCCESS


def _training_failed(pod: Pod, container: str) -> bool:
    end = pod.terminated(container)
    return end is not None and end.exit_code != 0 and pod.spec.restart_policy == "Never"


def _ended_by_delete(pod: Pod, container: str) -> bool:
    if not pod.terminating:
        return False
    found = training_end(pod, container)
    failed_at = found[1].ended_at if found is not None else None
    return failed_at is None or pod.deleted_before(failed_at)


def _gone_for_good(pod: Pod) -> bool:
    # Grace 0 is the kubelet's own last step, or a forced delete; a pod without a node has nobody to wait for.
    return pod.metadata.deletion_grace_period_seconds == 0 or not pod.spec.node_name
