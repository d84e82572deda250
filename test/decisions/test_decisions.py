"""Random states of every kind: no decision breaks a law. ``python -m decisions`` takes more of them."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from decisions import laws
from decisions.__main__ import main
from decisions.laws import violations
from decisions.states import KINDS, NOW, observed
from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.observed import Observed
from kdl_workloads.engine.plan import Delete, Plan
from kdl_workloads.job import ConditionType

STATES = 3000
DEEDS = (
    *("create_pods", "delete_pods", "stop_pods", "release"),
    *("create_services", "delete_services", "create_claims", "delete_claims", "delete_job"),
)


def test_no_decision_breaks_a_law(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", str(STATES)]) == 0
    assert capsys.readouterr().out.startswith(f"{STATES} decisions in ")


def test_every_kind_and_every_end_comes_up() -> None:
    """Otherwise the laws would be asked about nothing."""
    seen: Counter[str] = Counter()
    for seed in range(STATES):
        found = observed(seed)
        plan = decide(found)
        seen[f"{found.workload.framework.kind}.{found.workload.dialect.name}"] += 1
        seen["problem"] += bool(found.problem)
        seen["world"] += bool(found.workload.framework.world(found.job))
        seen["groups"] += any(spec.groups for spec in found.job.roles.values())
        if plan.status is not None and not found.job.status.finished:
            for type_ in ConditionType:
                seen[type_] += plan.status.has(type_)
        for name in DEEDS:
            seen[name] += bool(getattr(plan, name))
        seen["restarts"] += plan.status is not None and plan.status.restarts > found.job.status.restarts
    kinds = {f"{of.framework.kind}.{of.dialect.name}" for of in KINDS}
    wanted = {*kinds, *DEEDS, "problem", "groups", "world", "restarts", *ConditionType} - {ConditionType.QUEUING}
    assert {name for name in wanted if seen[name] < 5} == set()


def test_a_seed_is_always_the_same_state() -> None:
    assert [observed(seed) for seed in range(20)] == [observed(seed) for seed in range(20)]


def made_twice(plan: Plan) -> Plan:
    return replace(plan, create_pods=plan.create_pods * 2)


def forgets(plan: Plan) -> Plan:
    return plan if plan.status is None else replace(plan, status=replace(plan.status, replicas={}))


def never_fails(plan: Plan) -> Plan:
    if plan.status is None or not plan.status.has(ConditionType.FAILED):
        return plan
    kept = tuple(c for c in plan.status.conditions if c.type is not ConditionType.FAILED)
    return replace(plan, status=replace(plan.status, conditions=kept))


def goes_back(plan: Plan) -> Plan:
    """A job that runs is no more than created again."""
    if plan.status is None or not plan.status.has(ConditionType.RESTARTING):
        return plan
    kept = tuple(c for c in plan.status.conditions if c.type is not ConditionType.RESTARTING)
    return replace(plan, status=replace(plan.status, conditions=kept))


def starts_anew(plan: Plan) -> Plan:
    return plan if plan.status is None else replace(plan, status=replace(plan.status, start_time=NOW))


def makes_no_claims(plan: Plan) -> Plan:
    return replace(plan, create_claims=())


def takes_claims_away(plan: Plan) -> Plan:
    return replace(
        plan, delete_claims=tuple(Delete(f"data-job-worker-{n}", f"uid-data-job-worker-{n}") for n in (0, 1))
    )


BUGS = [made_twice, forgets, never_fails, goes_back, starts_anew, makes_no_claims, takes_claims_away]


@pytest.mark.parametrize("bug", BUGS)
def test_bugs_are_found(bug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(found: Observed) -> Plan:
        plan: Plan = bug(decide(found))
        return plan

    monkeypatch.setattr(laws, "decide", wrong)
    assert any(violations(observed(seed)) for seed in range(300))


def test_a_deed_that_is_done_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(found: Observed) -> Plan:
        again = tuple(Delete(pod.name, pod.uid) for pod in found.pods if pod.status.phase == "Failed")
        return replace(decide(found), delete_pods=again)

    monkeypatch.setattr(laws, "decide", wrong)
    assert any("is done again" in text for seed in range(50) for text in violations(observed(seed)))


def test_a_decision_that_raises_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def wrong(_: Observed) -> Plan:
        raise KeyError("role")

    monkeypatch.setattr(laws, "decide", wrong)
    assert violations(observed(1)) == ["KeyError: 'role'"]
