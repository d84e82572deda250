"""How pods end, and whose doing it was."""

from typing import Any

import pytest

from kdl_workloads.engine.outcome import Outcome, outcome
from unit.kdl_workloads.engine.world import after, make_pod

SIDECAR = {"name": "sidecar", "state": {}}


def ended(exit_code: int, at: float = 10, name: str = "pytorch") -> dict[str, Any]:
    stamp = after(at).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"name": name, "state": {"terminated": {"exitCode": exit_code, "finishedAt": stamp}}}


TABLE: list[tuple[str, str, dict[str, Any], Outcome]] = [
    ("waits", "Pending", {}, Outcome.NONE),
    ("runs", "Running", {}, Outcome.NONE),
    ("unknown phase", "Unknown", {}, Outcome.NONE),
    ("succeeded", "Succeeded", {"exit_code": 0}, Outcome.SUCCEEDED),
    ("failed", "Failed", {"exit_code": 1}, Outcome.FAILED),
    ("failed without a container's word", "Failed", {"reason": "DeadlineExceeded"}, Outcome.FAILED),
    ("preempted", "Failed", {"conditions": {"DisruptionTarget": "True"}, "exit_code": 137}, Outcome.DISRUPTED),
    ("a disruption that was called off", "Failed", {"conditions": {"DisruptionTarget": "False"}}, Outcome.FAILED),
    ("evicted for the node's sake", "Failed", {"reason": "Evicted", "message": "The node was low on resource: memory."},
     Outcome.DISRUPTED),
    ("evicted for its own", "Failed", {"reason": "Evicted", "message": "Pod ephemeral local storage usage exceeds"},
     Outcome.FAILED),
    ("node shut down", "Failed", {"reason": "Terminated", "message": "Pod was terminated in response to imminent"},
     Outcome.DISRUPTED),
    ("node gone", "Failed", {"reason": "NodeLost"}, Outcome.DISRUPTED),
    ("refused by its node", "Failed", {"reason": "OutOfcpu"}, Outcome.DISRUPTED),
    ("training failed, sidecar runs", "Running", {"policy": "Never", "containers": [ended(1), SIDECAR]},
     Outcome.FAILED),
    ("training failed, kubelet restarts it", "Running", {"policy": "OnFailure", "containers": [ended(1), SIDECAR]},
     Outcome.NONE),
    ("training through, sidecar runs", "Running", {"policy": "Never", "containers": [ended(0), SIDECAR]},
     Outcome.SUCCEEDED),
    ("training through, sidecar runs, OnFailure", "Running", {"containers": [ended(0), SIDECAR]}, Outcome.SUCCEEDED),
    ("training through, and will be started again", "Running", {"policy": "Always", "containers": [ended(0), SIDECAR]},
     Outcome.NONE),
    ("training through, then the sidecar failed", "Failed", {"containers": [ended(0), ended(1, 11, "sidecar")]},
     Outcome.SUCCEEDED),
    ("training through, then evicted", "Failed",
     {"containers": [ended(0), ended(137, 11, "sidecar")], "conditions": {"DisruptionTarget": "True"}},
     Outcome.SUCCEEDED),
    ("training through, then deleted", "Running",
     {"deleted": after(20), "containers": [ended(0), SIDECAR]}, Outcome.SUCCEEDED),
    ("sidecar through, training runs", "Running",
     {"policy": "Never", "containers": [{"name": "pytorch"}, ended(0, name="sidecar")]}, Outcome.NONE),
    ("no container of that name", "Running", {"policy": "Never", "containers": [ended(0, name="other"), SIDECAR]},
     Outcome.NONE),
    ("sidecar failed, training runs", "Running",
     {"policy": "Never", "containers": [{"name": "pytorch"}, ended(1, name="sidecar")]}, Outcome.NONE),
    ("is being deleted", "Running", {"deleted": after(5)}, Outcome.NONE),
    ("deleted, then killed", "Failed", {"deleted": after(5), "exit_code": 143, "finished": after(6)}, Outcome.DELETED),
    ("deleted, then killed, and its kubelet has confirmed that", "Failed",
     {"deleted": after(8), "grace": 0, "exit_code": 143, "finished": after(6)}, Outcome.DELETED),
    ("failed long before it was deleted", "Failed",
     {"deleted": after(100), "grace": 0, "exit_code": 1, "finished": after(6)}, Outcome.FAILED),
    ("deleted, then through", "Succeeded", {"deleted": after(5), "exit_code": 0, "finished": after(6)},
     Outcome.SUCCEEDED),
    ("failed, then deleted", "Failed", {"deleted": after(5), "exit_code": 1, "finished": after(4)}, Outcome.FAILED),
    ("training failed, then deleted, sidecar killed", "Failed",
     {"deleted": after(15), "policy": "Never", "containers": [ended(1, 10), ended(143, 16, "sidecar")]},
     Outcome.FAILED),
    ("drained", "Failed",
     {"deleted": after(5), "exit_code": 143, "finished": after(6), "conditions": {"DisruptionTarget": "True"}},
     Outcome.DISRUPTED),
    ("its kubelet has confirmed the end", "Running", {"deleted": after(5), "grace": 0}, Outcome.DELETED),
    ("deleted before it had a node", "Pending", {"deleted": after(5), "node": ""}, Outcome.DELETED),
]  # fmt: skip


@pytest.mark.parametrize(("phase", "parts", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_outcome(phase: str, parts: dict[str, Any], expected: Outcome) -> None:
    assert outcome(make_pod(phase=phase, **parts), "pytorch") is expected


def test_a_pod_that_is_deleted_on_a_lost_node_is_lost() -> None:
    assert outcome(make_pod(deleted=after(5)), "pytorch", lost=True) is Outcome.LOST
