"""When a pod that does not go is taken away by force."""

from datetime import datetime
from typing import Any

import pytest

from kdl_workloads.engine.lost import is_forced, is_lost, look_again_at, suspects
from kdl_workloads.engine.observed import NodeState
from unit.kdl_workloads.engine.world import after, make_pod

DELETED: dict[str, Any] = {"deleted": after(0), "grace": 30}
TAINTED = {"conditions": {"DisruptionTarget": ("True", "DeletionByTaintManager")}}
NOT_READY = {"conditions": {"Ready": "False", "ContainersReady": "True"}}
CRASHING = {"conditions": {"Ready": "False", "ContainersReady": "False"}}


@pytest.mark.parametrize(
    ("parts", "now", "named"),
    [
        ({}, 1000, False),
        (DELETED, 59, False),
        (DELETED, 60, True),
        ({**DELETED, "node": ""}, 1000, False),
        ({**DELETED, "phase": "Failed"}, 1000, False),
    ],
)
def test_which_nodes_are_asked_about(parts: dict[str, Any], now: float, named: bool) -> None:
    assert suspects([make_pod(**parts)], after(now)) == ({"node-1"} if named else set())


@pytest.mark.parametrize(
    ("parts", "node", "now", "lost"),
    [
        (DELETED, NodeState.LOST, 59, False),
        (DELETED, NodeState.LOST, 60, True),
        (DELETED, NodeState.READY, 9999, False),
        ({**DELETED, **TAINTED}, NodeState.READY, 9999, False),
        (DELETED, None, 9999, False),
        ({**DELETED, **TAINTED}, None, 60, True),
        ({**DELETED, **NOT_READY}, None, 60, True),
        ({**DELETED, **CRASHING}, None, 9999, False),
        ({**DELETED, "reason": "NodeLost"}, NodeState.UNKNOWN, 60, True),
        ({"reason": "NodeLost"}, NodeState.LOST, 9999, False),
    ],
)
def test_lost(parts: dict[str, Any], node: NodeState | None, now: float, lost: bool) -> None:
    nodes = {} if node is None else {"node-1": node}
    assert is_lost(make_pod(**parts), nodes, after(now)) is lost
    assert is_forced(make_pod(**parts), nodes, after(now)) is lost


def test_a_pod_that_has_ended_needs_no_node_to_be_forced() -> None:
    pod = make_pod(phase="Failed", **DELETED)
    assert is_forced(pod, {}, after(60))
    assert not is_forced(make_pod(phase="Failed", deleted=after(0), grace=0), {}, after(60))


@pytest.mark.parametrize(
    ("parts", "now", "expected"),
    [
        ({}, 0, None),
        (DELETED, 10, after(60)),
        (DELETED, 70, after(130)),
        ({"deleted": after(0), "grace": 0}, 10, None),
    ],
)
def test_when_to_look_again(parts: dict[str, Any], now: float, expected: datetime | None) -> None:
    assert look_again_at(make_pod(**parts), after(now)) == expected
