"""Asking about single nodes. They are not watched: on a large cluster that would cost more memory than all jobs, for a
question that comes up only when a pod is overdue."""

from collections.abc import Iterable
from functools import partial

import msgspec

from kdl_runtime.client.client import Client
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.errors import Forbidden, NotFound, Unauthorized
from kdl_runtime.resources.registry import NODES
from kdl_runtime.types import ObjectKey
from kdl_workloads.engine.observed import NodeState
from kdl_workloads.engine.parallel import in_parallel
from kdl_workloads.engine.pod import PodCondition


class NodeStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    conditions: tuple[PodCondition, ...] = ()


class Node(PartialObject, frozen=True, gc=False, rename="camel", omit_defaults=True):
    status: NodeStatus = NodeStatus()

    @property
    def ready(self) -> bool:
        return any(condition.type == "Ready" and condition.status == "True" for condition in self.status.conditions)


async def node_states(client: Client, names: Iterable[str]) -> dict[str, NodeState]:
    """The state of each node; UNKNOWN where the operator may not read nodes. Any other error is raised: what the server
    tells in a moment is worth more than a guess now."""
    wanted = sorted(names)
    return dict(zip(wanted, await in_parallel(wanted, partial(_state, client)), strict=True))


async def node_conditions(client: Client, names: Iterable[str]) -> dict[str, frozenset[tuple[str, str]]]:
    """Type and status of each node's conditions: none where the operator may not read nodes, and Ready with status
    Unknown for a node that is gone."""
    wanted = sorted(names)
    return dict(zip(wanted, await in_parallel(wanted, partial(_conditions, client)), strict=True))


async def _conditions(client: Client, name: str) -> frozenset[tuple[str, str]]:
    try:
        node = await client.get(NODES, ObjectKey("", name), as_=Node)
    except NotFound:
        return frozenset({("Ready", "Unknown")})
    except (Forbidden, Unauthorized):
        return frozenset()
    return frozenset((condition.type, condition.status) for condition in node.status.conditions)


async def _state(client: Client, name: str) -> NodeState:
    try:
        node = await client.get(NODES, ObjectKey("", name), as_=Node)
    except NotFound:
        return NodeState.LOST
    except (Forbidden, Unauthorized):
        return NodeState.UNKNOWN
    return NodeState.READY if node.ready else NodeState.LOST
