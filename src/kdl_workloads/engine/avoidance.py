"""Nodes that pods of the job were lost with: its new pods keep off them for a while, where they can.

A node that has gone may come back at once and go again; the scheduler knows only whether it is there now. Keeping off
is a preference and no condition: where no other node fits, a job would else wait for ever for the one that has come
back. A pod is not moved when the time is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.outcome import Outcome
from kdl_workloads.engine.pod import Pod
from kdl_workloads.engine.replicas import Replicas
from kdl_workloads.job import JobStatus, LostNode

AVOIDED_FOR = timedelta(hours=1)
MAX_NODES = 16
"""How many nodes are remembered, those lost last."""
WEIGHT = 100
"""The most that a preference may weigh."""
GONE_WITH_NODE = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
"""Reasons of the condition DisruptionTarget of pods whose node was not ready, or is no more."""


def remember(observed: Observed, status: JobStatus, replicas: Replicas) -> JobStatus:
    """The status with the nodes that pods were lost with since it was last stored."""
    settled = observed.job.status.uncounted
    new = {
        replica.pod.spec.node_name: observed.stamp
        for replica in replicas.wanted.values()
        if replica.pod.uid not in settled
        and replica.pod.spec.node_name
        and _gone_with_node(replica.pod, replica.outcome)
    }
    if not new:
        return status
    kept = {node.name: node.time for node in status.lost_nodes if node.name not in new and _counts(node, observed.now)}
    nodes = [LostNode(name, time) for name, time in {**kept, **dict(sorted(new.items()))}.items()]
    return replace(status, lost_nodes=tuple(nodes[-MAX_NODES:]))


def avoided(status: JobStatus, now: datetime) -> tuple[str, ...]:
    """Names of the nodes that a pod made now keeps off."""
    return tuple(node.name for node in status.lost_nodes if _counts(node, now))


def keep_off(pod: Mapping[str, Any], nodes: Sequence[str]) -> Mapping[str, Any]:
    """The pod with a preference for every node but these, beside those that it has already."""
    if not nodes:
        return pod
    spec = pod["spec"]
    affinity = spec.get("affinity") or {}
    of_nodes = affinity.get("nodeAffinity") or {}
    # The API server takes one value per requirement on a field.
    others = [{"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in nodes]
    preferred = [
        *(of_nodes.get(_PREFERRED) or ()),
        {"weight": WEIGHT, "preference": {"matchFields": others}},
    ]
    return {**pod, "spec": {**spec, "affinity": {**affinity, "nodeAffinity": {**of_nodes, _PREFERRED: preferred}}}}


_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _gone_with_node(pod: Pod, outcome: Outcome) -> bool:
    if outcome is Outcome.LOST:
        return True
    target = pod.condition("DisruptionTarget")
    return (
        outcome is Outcome.DISRUPTED
        and target is not None
        and target.status == "True"
        and target.reason in GONE_WITH_NODE
    )


def _counts(node: LostNode, now: datetime) -> bool:
    return now - node.time < AVOIDED_FOR
