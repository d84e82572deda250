"""Which node a pod goes to, decided without I/O.

Filters and their words are kube-scheduler's: unschedulable nodes, taints, node name, node selector and required node
affinity, resources. Among the nodes that fit, the least allocated one wins. Preemption, preferred affinity, pod
affinity, topology spread, host ports and volumes play no part.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kdl_local.controllers.resources import CPU, MEMORY, PODS, Amounts, add, amounts, pod_requests, weight

UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"
ENOUGH_NODES = 100
"""How many fitting nodes are compared at most: kube-scheduler's ``minFeasibleNodesToFind``."""


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    effect: str
    value: str = ""

    def __str__(self) -> str:
        return f"{{{self.key}: {self.value}}}"


@dataclass(frozen=True, slots=True)
class Toleration:
    """An empty key with operator Exists tolerates everything, an empty effect every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    seconds: int | None = None

    def tolerates(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


@dataclass(frozen=True, slots=True)
class NodeRequirement:
    """One expression of a node selector term. ``on_field``: about ``metadata.name`` instead of a label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()
    on_field: bool = False

    def matches(self, node: "NodeView") -> bool:
        value = node.name if self.on_field else node.labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
        return False

    def _compares(self, value: str | None) -> bool:
        try:
            left, right = int(value or ""), int(self.values[0])
        except (ValueError, IndexError):
            return False
        return left > right if self.operator == "Gt" else left < right


@dataclass(frozen=True, slots=True)
class Demand:
    """Everything about a pod that decides where it fits. Equal demands always get the same answer.

    ``terms`` None asks for nothing; terms are alternatives, requirements within a term must all hold.
    """

    requests: tuple[tuple[str, int], ...] = ()
    weight: tuple[tuple[str, int], ...] = ()
    node_selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[tuple[NodeRequirement, ...], ...] | None = None
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeView:
    name: str
    allocatable: Amounts
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


@dataclass(slots=True)
class Usage:
    """Sums over the pods that a node was given."""

    pods: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    weight: dict[str, int] = field(default_factory=dict)

    def charge(self, demand: Demand) -> None:
        self.pods += 1
        self.requests = add(self.requests, dict(demand.requests))
        self.weight = add(self.weight, dict(demand.weight))

    def release(self, demand: Demand) -> None:
        self.pods -= 1
        self.requests = add(self.requests, {name: -value for name, value in demand.requests})
        self.weight = add(self.weight, {name: -value for name, value in demand.weight})


@dataclass(frozen=True, slots=True)
class Placement:
    node: str


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """``str()`` is the message that kube-scheduler would write."""

    nodes: int
    reasons: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        if not self.nodes:
            return "no nodes available to schedule pods"
        texts = sorted(f"{count} {reason}" for reason, count in self.reasons)
        return f"0/{self.nodes} nodes are available: {', '.join(texts)}."


def schedule(demand: Demand, nodes: Iterable[NodeView], assigned: Mapping[str, Usage]) -> Placement | Unschedulable:
    """The node for a pod, or why there is none. ``assigned`` holds what nodes have been given, by their names.

    The same arguments give the same answer: a tie goes to the node with fewer pods, then to the first name.
    """
    best: tuple[float, int, str] | None = None
    fitting = count = 0
    reasons: Counter[str] = Counter()
    nothing = Usage()
    for node in nodes:
        count += 1
        usage = assigned.get(node.name, nothing)
        failed = refusals(demand, node, usage)
        if failed:
            reasons.update(failed)
            continue
        rank = (-least_allocated(demand, node, usage), usage.pods, node.name)
        best = rank if best is None else min(best, rank)
        fitting += 1
        if fitting == ENOUGH_NODES:
            break
    if best is not None:
        return Placement(best[2])
    return Unschedulable(count, tuple(sorted(reasons.items())))


def refusals(demand: Demand, node: NodeView, usage: Usage) -> list[str]:
    """Why the pod cannot go to the node: the reasons of the first filter that says no, none if it fits."""
    if node.unschedulable and not _tolerated(Taint(UNSCHEDULABLE_TAINT, "NoSchedule"), demand):
        return ["node(s) were unschedulable"]
    for taint in node.taints:
        if taint.effect != "PreferNoSchedule" and not _tolerated(taint, demand):
            return [f"node(s) had untolerated taint {taint}"]
    if not selects(demand, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    failed = []
    if usage.pods + 1 > node.allocatable.get(PODS, 0):
        failed.append("Too many pods")
    for name, request in demand.requests:
        if request and usage.requests.get(name, 0) + request > node.allocatable.get(name, 0):
            failed.append(f"Insufficient {name}")
    return failed


def selects(demand: Demand, node: NodeView) -> bool:
    """Whether the node selector and the required node affinity accept the node."""
    if any(node.labels.get(key) != value for key, value in demand.node_selector):
        return False
    if demand.terms is None:
        return True
    # A term without requirements selects nothing.
    return any(term and all(requirement.matches(node) for requirement in term) for term in demand.terms)


def least_allocated(demand: Demand, node: NodeView, usage: Usage) -> float:
    """Mean of the fractions of CPU and memory that stay free, from 0 to 1."""
    free = []
    asked = dict(demand.weight)
    for name in (CPU, MEMORY):
        capacity = node.allocatable.get(name, 0)
        used = usage.weight.get(name, 0) + asked.get(name, 0)
        free.append(max(capacity - used, 0) / capacity if capacity else 0.0)
    return sum(free) / len(free)


def _tolerated(taint: Taint, demand: Demand) -> bool:
    return any(toleration.tolerates(taint) for toleration in demand.tolerations)


# ---- from API objects


def demand_of(pod: Mapping[str, Any]) -> Demand:
    """ValueError if a quantity of the pod is malformed."""
    spec = pod["spec"]
    requests = pod_requests(spec)
    return Demand(
        requests=tuple(sorted(requests.items())),
        weight=tuple(sorted(weight(requests, spec.get("containers") or ()).items())),
        node_selector=tuple(sorted((spec.get("nodeSelector") or {}).items())),
        terms=_terms(spec),
        tolerations=tolerations_of(pod),
    )


def tolerations_of(pod: Mapping[str, Any]) -> tuple[Toleration, ...]:
    return tuple(
        Toleration(
            key=item.get("key") or "",
            operator=item.get("operator") or "Equal",
            value=item.get("value") or "",
            effect=item.get("effect") or "",
            seconds=item.get("tolerationSeconds"),
        )
        for item in pod["spec"].get("tolerations") or ()
    )


def node_view(node: Mapping[str, Any]) -> NodeView:
    spec, metadata = node.get("spec") or {}, node["metadata"]
    status = node.get("status") or {}
    return NodeView(
        name=metadata["name"],
        allocatable=amounts(status.get("allocatable") or status.get("capacity")),
        labels=dict(metadata.get("labels") or {}),
        taints=taints_of(node),
        unschedulable=bool(spec.get("unschedulable")),
    )


def taints_of(node: Mapping[str, Any]) -> tuple[Taint, ...]:
    taints = (node.get("spec") or {}).get("taints") or ()
    return tuple(Taint(item["key"], item["effect"], item.get("value") or "") for item in taints)


def _terms(spec: Mapping[str, Any]) -> tuple[tuple[NodeRequirement, ...], ...] | None:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return None
    return tuple(
        (
            *(_requirement(item, on_field=False) for item in term.get("matchExpressions") or ()),
            *(_requirement(item, on_field=True) for item in term.get("matchFields") or ()),
        )
        for term in required.get("nodeSelectorTerms") or ()
    )


def _requirement(item: Mapping[str, Any], *, on_field: bool) -> NodeRequirement:
    return NodeRequirement(item["key"], item["operator"], tuple(item.get("values") or ()), on_field)
