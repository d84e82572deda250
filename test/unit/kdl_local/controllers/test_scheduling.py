from typing import Any

import pytest

from kdl_local.controllers.resources import pod_requests
from kdl_local.controllers.scheduling import (
    Demand,
    NodeView,
    Placement,
    Taint,
    Toleration,
    Unschedulable,
    Usage,
    demand_of,
    node_view,
    refusals,
    schedule,
)

GI = 1024**3


def node(name: str = "n", **changes: Any) -> NodeView:
    allocatable = {"cpu": 4000, "memory": 8 * GI, "pods": 10, **changes.pop("allocatable", {})}
    return NodeView(name, allocatable, **changes)


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], **spec}}


def asking(**requests: str) -> dict[str, Any]:
    return pod(containers=[{"name": "c", "resources": {"requests": requests}}])


def used(pods: int = 1, **requests: int) -> Usage:
    return Usage(pods, dict(requests), dict(requests))


AFFINITY = "requiredDuringSchedulingIgnoredDuringExecution"


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    return pod(affinity={"nodeAffinity": {AFFINITY: {"nodeSelectorTerms": list(terms)}}})


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


UNSELECTED = ["node(s) didn't match Pod's node affinity/selector"]


@pytest.mark.parametrize(
    ("pod_", "node_", "usage", "expected"),
    [
        pytest.param(pod(), node(), Usage(), [], id="nothing asked"),
        pytest.param(asking(cpu="4"), node(), Usage(), [], id="exactly all CPU"),
        pytest.param(asking(cpu="4001m"), node(), Usage(), ["Insufficient cpu"], id="one milli too much"),
        pytest.param(asking(cpu="2"), node(), used(cpu=2001), ["Insufficient cpu"], id="counts what runs"),
        pytest.param(
            asking(cpu="5", memory="9Gi"), node(), Usage(), ["Insufficient cpu", "Insufficient memory"], id="both"
        ),
        pytest.param(
            asking(**{"nvidia.com/gpu": "1"}), node(), Usage(), ["Insufficient nvidia.com/gpu"], id="unknown resource"
        ),
        pytest.param(
            asking(**{"nvidia.com/gpu": "2"}), node(allocatable={"nvidia.com/gpu": 2}), Usage(), [], id="extended"
        ),
        pytest.param(pod(), node(), used(pods=10), ["Too many pods"], id="pods"),
        pytest.param(asking(cpu="0"), node(allocatable={"cpu": 0}), Usage(), [], id="a request of 0 always fits"),
        pytest.param(pod(), node(unschedulable=True), Usage(), ["node(s) were unschedulable"], id="cordoned"),
        pytest.param(
            pod(tolerations=[{"operator": "Exists"}]), node(unschedulable=True), Usage(), [], id="tolerates a cordon"
        ),
        pytest.param(
            pod(),
            node(taints=(Taint("k", "NoSchedule", "v"),)),
            Usage(),
            ["node(s) had untolerated taint {k: v}"],
            id="taint",
        ),
        pytest.param(pod(), node(taints=(Taint("k", "PreferNoSchedule"),)), Usage(), [], id="a taint that only asks"),
        pytest.param(pod(nodeSelector={"a": "b"}), node(labels={"a": "b"}), Usage(), [], id="selector"),
        pytest.param(pod(nodeSelector={"a": "b"}), node(labels={"a": "c"}), Usage(), UNSELECTED, id="other label"),
        pytest.param(affinity(expression("a", "In", "x", "y")), node(labels={"a": "y"}), Usage(), [], id="In"),
        pytest.param(affinity(expression("a", "In", "x")), node(), Usage(), UNSELECTED, id="In, absent"),
        pytest.param(affinity(expression("a", "NotIn", "x")), node(), Usage(), [], id="NotIn, absent"),
        pytest.param(affinity(expression("a", "Exists")), node(labels={"a": ""}), Usage(), [], id="Exists"),
        pytest.param(affinity(expression("a", "DoesNotExist")), node(labels={"a": ""}), Usage(), UNSELECTED, id="not"),
        pytest.param(affinity(expression("a", "Gt", "5")), node(labels={"a": "6"}), Usage(), [], id="Gt"),
        pytest.param(affinity(expression("a", "Lt", "5")), node(labels={"a": "x"}), Usage(), UNSELECTED, id="Lt, text"),
        pytest.param(
            affinity(expression("a", "In", "x"), expression("b", "Exists")),
            node(labels={"b": "1"}),
            Usage(),
            [],
            id="terms are alternatives",
        ),
        pytest.param(affinity({}), node(), Usage(), UNSELECTED, id="an empty term selects nothing"),
        pytest.param(
            affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}),
            node(),
            Usage(),
            [],
            id="by name",
        ),
    ],
)
def test_filters(pod_: dict[str, Any], node_: NodeView, usage: Usage, expected: list[str]) -> None:
    assert refusals(demand_of(pod_), node_, usage) == expected


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (Toleration("k", "Equal", "v", "NoSchedule"), True),
        (Toleration("k", "Equal", "other", "NoSchedule"), False),
        (Toleration("k", "Exists"), True),
        (Toleration("", "Exists"), True),
        (Toleration("k", "Exists", effect="NoExecute"), False),
        (Toleration("other", "Exists"), False),
        (Toleration("", "Equal", "v"), False),
    ],
)
def test_tolerations(toleration: Toleration, expected: bool) -> None:
    assert toleration.tolerates(Taint("k", "NoSchedule", "v")) is expected


def test_the_least_allocated_node_wins() -> None:
    nodes = [node("full"), node("half"), node("tainted", taints=(Taint("k", "NoSchedule"),))]
    assigned = {"full": used(cpu=3000, memory=6 * GI), "half": used(cpu=2000, memory=4 * GI)}
    assert schedule(demand_of(asking(cpu="1")), nodes, assigned) == Placement("half")


def test_pods_without_requests_spread_too() -> None:
    nodes, assigned = [node("a"), node("b")], {"a": Usage(), "b": Usage()}
    demand = demand_of(pod())
    placed = []
    for _ in range(4):
        decision = schedule(demand, nodes, assigned)
        assert isinstance(decision, Placement)
        assigned[decision.node].charge(demand)
        placed.append(decision.node)
    assert placed == ["a", "b", "a", "b"]


def test_a_larger_node_is_preferred_by_the_fraction_that_stays_free() -> None:
    nodes = [node("small"), node("large", allocatable={"cpu": 64000, "memory": 256 * GI})]
    assert schedule(demand_of(asking(cpu="2", memory="4Gi")), nodes, {}) == Placement("large")


def test_the_message_counts_reasons_in_the_words_of_the_scheduler() -> None:
    nodes = [
        node("a", allocatable={"cpu": 1000}),
        node("b", allocatable={"cpu": 500}),
        node("c", taints=(Taint("nvidia.com/gpu", "NoSchedule"),)),
    ]
    decision = schedule(demand_of(asking(cpu="2")), nodes, {})
    assert isinstance(decision, Unschedulable)
    assert str(decision) == (
        "0/3 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: }, 2 Insufficient cpu."
    )


def test_without_nodes() -> None:
    assert str(schedule(Demand(), [], {})) == "no nodes available to schedule pods"


def test_what_is_released_is_free_again() -> None:
    usage, demand = Usage(), demand_of(asking(cpu="3", memory="1Gi"))
    usage.charge(demand)
    assert refusals(demand, node(), usage) == ["Insufficient cpu"]
    usage.release(demand)
    assert (usage.pods, refusals(demand, node(), usage)) == (0, [])


def test_a_node_is_read_from_its_object() -> None:
    view = node_view(
        {
            "metadata": {"name": "n", "labels": {"a": "b"}},
            "spec": {"unschedulable": True, "taints": [{"key": "k", "effect": "NoExecute"}]},
            "status": {"allocatable": {"cpu": "1500m", "memory": "1Gi", "pods": "5"}},
        }
    )
    assert view == NodeView(
        "n", {"cpu": 1500, "memory": GI, "pods": 5}, {"a": "b"}, (Taint("k", "NoExecute"),), unschedulable=True
    )


def container(cpu: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        pytest.param({"containers": [container("1"), container("500m")]}, 1500, id="containers add up"),
        pytest.param(
            {"initContainers": [container("3"), container("2")], "containers": [container("1")]},
            3000,
            id="init containers run one by one",
        ),
        pytest.param(
            {"initContainers": [container("1", restartPolicy="Always")], "containers": [container("1")]},
            2000,
            id="a sidecar runs beside the containers",
        ),
        pytest.param(
            {
                "initContainers": [container("1", restartPolicy="Always"), container("3")],
                "containers": [container("1")],
            },
            4000,
            id="and beside the init containers after it",
        ),
        pytest.param(
            {
                "initContainers": [container("3"), container("1", restartPolicy="Always")],
                "containers": [container("1")],
            },
            3000,
            id="but not beside those before it",
        ),
        pytest.param(
            {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]}, 2000, id="a limit is a request"
        ),
        pytest.param({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1250, id="overhead"),
        pytest.param({"containers": [container("0.0001")]}, 1, id="rounded up"),
    ],
)
def test_requests_of_a_pod(spec: dict[str, Any], cpu: int) -> None:
    assert pod_requests(spec)["cpu"] == cpu


def test_a_malformed_quantity_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="lots"):
        demand_of(asking(cpu="lots"))
