"""Failure rules: which failures they hold for, and what then becomes of the pod, the job, and the count."""

from dataclasses import replace

import pytest

from kdl_workloads.engine.judgement import judged_nodes, rule_for
from kdl_workloads.engine.outcome import Outcome, outcome
from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import ConditionType, ExitCodes, FailureAction, FailureRule, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.world import MASTER, WORKER, World, make_job, make_pod

CONTAINER = "pytorch"
RESTART = FailureAction.RESTART
EXIT_3 = ExitCodes(frozenset({3}))
DISRUPTED = frozenset({("DisruptionTarget", "True")})


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (FailureRule(RESTART, exit_codes=ExitCodes(frozenset({1, 42}))), True),
        (FailureRule(RESTART, exit_codes=ExitCodes(frozenset({1}))), False),
        (FailureRule(RESTART, exit_codes=ExitCodes(frozenset({1}), within=False)), True),
        (FailureRule(RESTART, exit_codes=ExitCodes(frozenset({42}), within=False)), False),
        (FailureRule(RESTART, roles=frozenset({"worker"})), True),
        (FailureRule(RESTART, roles=frozenset({"master"})), False),
        (FailureRule(RESTART, signals=frozenset({9})), False),
        (FailureRule(RESTART, reasons=frozenset({"Error"})), True),
        (FailureRule(RESTART, reasons=frozenset({"Error"}), roles=frozenset({"master"})), False),
        (FailureRule(RESTART, pod_conditions=frozenset({("Ready", "False")})), True),
        (FailureRule(RESTART, pod_conditions=frozenset({("Ready", "True")})), False),
        (FailureRule(RESTART, node_conditions=frozenset({("Ready", "True")})), True),
        (FailureRule(RESTART, node_conditions=frozenset({("GPU", "True")})), False),
        (FailureRule(RESTART, message="NCCL * timed out"), False),
    ],
)
def test_a_rule_holds_if_all_that_it_asks_for_does(rule: FailureRule, holds: bool) -> None:
    assert is_found(rule, make_pod(phase="Failed", exit_code=42, conditions={"Ready": "False"})) == holds


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (FailureRule(RESTART, signals=frozenset({9, 15})), True),
        (FailureRule(RESTART, signals=frozenset({15})), False),
        (FailureRule(RESTART, reasons=frozenset({"OOMKilled"})), True),
        (FailureRule(RESTART, message="CUDA*memory"), True),
        (FailureRule(RESTART, message="CUDA ?ut of"), True),
        (FailureRule(RESTART, message="cuda"), False),
    ],
)
def test_how_a_container_was_killed(rule: FailureRule, holds: bool) -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "message": "line\nRuntimeError: CUDA out of memory.\n"}
    pod = make_pod(phase="Failed", containers=[{"name": CONTAINER, "state": {"terminated": ended}}])
    assert is_found(rule, pod) == holds


def is_found(rule: FailureRule, pod: Pod) -> bool:
    world = World(make_job(run_policy=RunPolicy(failure_rules=(rule,))))
    observed = replace(world.observed(), node_conditions={"node-1": frozenset({("Ready", "True")})})
    return rule_for(observed, WORKER, pod, outcome(pod, CONTAINER)) is rule


def test_the_first_rule_that_holds_decides() -> None:
    rules = tuple(FailureRule(action, roles=frozenset({"worker"})) for action in (RESTART, FailureAction.FAIL_JOB))
    world = World(make_job(run_policy=RunPolicy(failure_rules=rules)))
    pod = make_pod(phase="Failed", exit_code=1)
    assert rule_for(world.observed(), WORKER, pod, Outcome.FAILED) is rules[0]
    assert rule_for(world.observed(), WORKER, pod, Outcome.DELETED) is None
    assert rule_for(world.observed(), MASTER, pod, Outcome.FAILED) is None


def test_nodes_are_asked_about_for_a_rule_that_needs_them_and_for_failed_pods_only() -> None:
    pods = [make_pod(node="a"), make_pod(phase="Failed", exit_code=1, node="b")]
    rule = FailureRule(RESTART, node_conditions=frozenset({("Ready", "False")}))
    assert judged_nodes(make_job(run_policy=RunPolicy(failure_rules=(rule,))), CONTAINER, pods) == {"b"}
    assert judged_nodes(make_job(), CONTAINER, pods) == set()


@pytest.mark.parametrize(
    ("action", "counts", "policy", "ends", "attempts"),
    [
        (FailureAction.RESTART, None, RestartPolicy.NEVER, False, 1),
        (FailureAction.RESTART, False, RestartPolicy.NEVER, False, 0),
        (FailureAction.IGNORE, False, RestartPolicy.NEVER, False, 0),
        (FailureAction.FAIL_JOB, None, RestartPolicy.ON_FAILURE, True, 1),
    ],
)
def test_what_a_rule_does_with_a_failure(
    action: FailureAction, counts: bool | None, policy: RestartPolicy, ends: bool, attempts: int
) -> None:
    rule = FailureRule(action, counts, exit_codes=EXIT_3)
    world = World(make_job(policy=policy, run_policy=RunPolicy(failure_rules=(rule,))))
    world.step()
    world.run()
    world.end("job-worker-0", 3)
    world.step()
    assert world.job.status.has(ConditionType.FAILED) == ends
    assert world.job.status.attempts == attempts
    world.step()
    assert world.created.count("job-worker-0") == (1 if ends else 2)


@pytest.mark.parametrize(
    ("rule", "attempts", "ends"),
    [
        (FailureRule(RESTART, pod_conditions=DISRUPTED), 0, False),
        (FailureRule(RESTART, counts=True, pod_conditions=DISRUPTED), 1, False),
        (FailureRule(FailureAction.FAIL_JOB, pod_conditions=DISRUPTED), 0, True),
    ],
)
def test_a_disruption_can_be_charged_and_can_end_the_job(rule: FailureRule, attempts: int, ends: bool) -> None:
    world = World(make_job(run_policy=RunPolicy(failure_rules=(rule,))))
    world.step()
    world.run()
    world.end("job-worker-0", 137, conditions={"DisruptionTarget": "True"})
    world.step()
    assert world.job.status.attempts == attempts
    assert world.job.status.has(ConditionType.FAILED) == ends
    assert world.job.status.first_failure is not None


def test_the_kubelet_restarts_no_container_that_rules_judge() -> None:
    rule = FailureRule(FailureAction.FAIL_JOB, exit_codes=EXIT_3)
    world = World(make_job(run_policy=RunPolicy(failure_rules=(rule,))))
    assert {pod["spec"]["restartPolicy"] for pod in world.step().create_pods} == {"Never"}
    world = World(make_job())
    assert {pod["spec"]["restartPolicy"] for pod in world.step().create_pods} == {"OnFailure"}


@pytest.mark.parametrize("stop", [True, False])
def test_peers_of_a_failed_job_are_ended_and_kept(stop: bool) -> None:
    world = World(make_job(policy=RestartPolicy.NEVER, run_policy=RunPolicy(stop_on_failure=stop)))
    world.step()
    world.run("job-worker-0", "job-worker-1")
    world.end("job-worker-0", 1)
    plan = world.step()
    assert [pod.name for pod in plan.stop_pods] == (["job-worker-1"] if stop else [])
    assert [delete.name for delete in plan.delete_pods] == (["job-master-0"] if stop else [])
    assert world.job.status.replicas[WORKER].active == (0 if stop else 1)
    if stop:
        world.stop_by_deadline("job-worker-1")
        assert world.step().stop_pods == ()
    assert "job-worker-1" in world.pods


def test_a_role_waits_for_what_the_user_names() -> None:
    job = make_job(roles={MASTER: 1, WORKER: 1})
    roles = {MASTER: replace(job.roles[MASTER], depends_on={WORKER: "Succeeded"}), WORKER: job.roles[WORKER]}
    world = World(replace(job, roles=roles))
    world.step()
    assert world.created == ["job-worker-0"]
    world.run()
    world.step()
    assert world.created == ["job-worker-0"]
    world.end("job-worker-0")
    world.step()
    assert world.created == ["job-worker-0", "job-master-0"]
