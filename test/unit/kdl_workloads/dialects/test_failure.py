"""Reading restart scopes, failure rules and the order of roles."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.failure import failure_rules, restart_scope
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.dialects.kubeflow import Kubeflow
from kdl_workloads.dialects.order import check_order, read_depends_on
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.xgboost import XGBoost
from kdl_workloads.job import ExitCodes, FailureAction, FailureRule, RestartScope

Objects = Callable[..., dict[str, Any]]
RULE = {
    "action": "Restart",
    "count": False,
    "roles": ["Worker"],
    "onExitCodes": {"operator": "NotIn", "values": [0, 1]},
    "onSignals": [9],
    "onReasons": ["OOMKilled"],
    "onPodConditions": [{"type": "DisruptionTarget"}],
    "onNodeConditions": [{"type": "Ready", "status": "False"}],
    "onMessage": "NCCL*timed out",
}
READ = FailureRule(
    FailureAction.RESTART,
    counts=False,
    roles=frozenset({"worker"}),
    exit_codes=ExitCodes(frozenset({0, 1}), within=False),
    signals=frozenset({9}),
    reasons=frozenset({"OOMKilled"}),
    pod_conditions=frozenset({("DisruptionTarget", "True")}),
    node_conditions=frozenset({("Ready", "False")}),
    message="NCCL*timed out",
)


def test_every_field_of_a_rule() -> None:
    assert failure_rules({"failureRules": [RULE]}, "spec") == (READ,)
    assert failure_rules({}, "spec") == ()


def test_ignore_never_counts() -> None:
    (rule,) = failure_rules({"failureRules": [{"action": "Ignore", "count": True, "roles": ["PS"]}]}, "spec")
    assert rule.counts is False


def test_both_dialects_read_them_where_their_limits_are(kubedl_xgboost: Objects, kubeflow_pytorch: Objects) -> None:
    policy = {"restartScope": "Job", "failureRules": [RULE], "stopOnFailure": True}
    ours = kubedl_xgboost()
    ours["spec"] |= policy
    theirs = kubeflow_pytorch()
    theirs["spec"]["runPolicy"] = policy
    for job in (KubeDL().decode(ours, XGBoost()), Kubeflow().decode(theirs, PyTorch())):
        limits = job.run_policy
        assert (limits.restart_scope, limits.failure_rules) == (RestartScope.JOB, (READ,))
        assert limits.stop_on_failure
        assert "failureRules" not in job.options
    assert KubeDL().outline(ours).run_policy.stop_on_failure
    assert Kubeflow().outline(theirs).run_policy.stop_on_failure


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ("x", "spec.failureRules"),
        (["x"], "spec.failureRules[0]"),
        ([{"action": "Restart"}], "spec.failureRules[0]"),
        ([{"action": "Retry", "roles": ["a"]}], "spec.failureRules[0].action"),
        (
            [RULE, {"action": "Restart", "onExitCodes": {"operator": "Is", "values": [1]}}],
            "spec.failureRules[1].onExitCodes.operator",
        ),
        ([{"action": "Restart", "onExitCodes": {"values": [1]}}], "spec.failureRules[0].onExitCodes"),
        ([{"action": "Restart", "onSignals": ["KILL"]}], "spec.failureRules[0].onSignals"),
        ([{"action": "Restart", "onPodConditions": [{}]}], "spec.failureRules[0].onPodConditions"),
        ([{"action": "Restart", "onMessage": "x" * 257}], "spec.failureRules[0].onMessage"),
    ],
)
def test_what_cannot_be_read_is_named(rules: object, field: str) -> None:
    with pytest.raises(SpecError) as refused:
        failure_rules({"failureRules": rules}, "spec")
    assert refused.value.field == field


def test_an_unknown_scope_is_refused() -> None:
    assert restart_scope({}, "spec") is RestartScope.POD
    with pytest.raises(SpecError, match=r"spec\.restartScope: is 'Node' and must be one of Pod, Job"):
        restart_scope({"restartScope": "Node"}, "spec")


def test_the_order_that_the_user_gives() -> None:
    given = {"dependsOn": [{"upstream": "worker"}, {"upstream": "PS", "onPhase": "Succeeded"}]}
    assert read_depends_on(given, "spec.x", ["Worker", "PS", "Chief"]) == {"Worker": "Running", "PS": "Succeeded"}
    assert read_depends_on({"dependsOn": []}, "spec.x", ["Worker"]) == {}
    assert read_depends_on({}, "spec.x", ["Worker"]) is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "spec.x.dependsOn"),
        (["PS"], "spec.x.dependsOn[0]"),
        ([{"upstream": "Chief"}], "spec.x.dependsOn[0].upstream"),
        ([{"upstream": "PS", "onPhase": "Pending"}], "spec.x.dependsOn[0].onPhase"),
    ],
)
def test_an_order_that_cannot_be_read(given: object, field: str) -> None:
    with pytest.raises(SpecError) as refused:
        read_depends_on({"dependsOn": given}, "spec.x", ["Worker", "PS"])
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("given", "built_in", "circle"),
    [
        ({"A": {"B": "Running"}, "B": None}, {}, False),
        ({"A": {"B": "Running"}, "B": None}, {"B": ["A"]}, True),
        ({"A": {"A": "Running"}}, {}, True),
        ({"A": {"B": "Running"}, "B": {}}, {"B": ["A"]}, False),
    ],
)
def test_roles_do_not_wait_for_each_other(given: Any, built_in: Any, circle: bool) -> None:
    if not circle:
        check_order("spec.roles", given, built_in)
        return
    with pytest.raises(SpecError, match="waits for itself: A -> "):
        check_order("spec.roles", given, built_in)
