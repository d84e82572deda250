"""Failure rules: which failures they hold for, and what then becomes of the pod, the job, and the count."""

from dataclasses import replace

import pytest

from kdl_workloads.engine.judgement import judged_nodes, rule_for
from kdl_workloads.engine.observed import NodeState
from kdl_workloads.engine.outcome import Outcome, outcome
from kdl_workloads.engine.pod import Pod
from kdl_workloads.frameworks.mars import Mars
from kdl_workloads.job import (
    ConditionType,
    ExitCodes,
    FailureAction,
    FailureRule,
    NodeConditions,
    ReplicaStatus,
    RestartPolicy,
    RunPolicy,
)
from unit.kdl_workloads.engine.world import KUBEDL, MASTER, WORKER, World, after, make_job, make_pod, workload

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


NOT_READY = frozenset({("Ready", "False")})
READY = frozenset({("Ready", "True")})
ON_BAD_NODE = FailureRule(FailureAction.RESTART_JOB, node_conditions=NOT_READY)


def test_nodes_are_asked_about_for_a_rule_that_needs_them_and_for_failed_pods_only() -> None:
    going_on, failed = make_pod("job-master-0", node="a"), make_pod(phase="Failed", exit_code=1, node="b")
    lost = make_pod("job-worker-1", deleted=after(-100), node="c")
    pods = {pod.name: pod for pod in (going_on, failed, lost)}
    nodes = {"c": NodeState.LOST}
    judging = World(make_job(run_policy=RunPolicy(failure_rules=(ON_BAD_NODE,))), pods=pods, nodes=nodes)
    assert judged_nodes(judging.observed()) == {"b", "c"}
    assert judged_nodes(World(make_job(), pods=pods, nodes=nodes).observed()) == set()


@pytest.mark.parametrize(("first", "later"), [(NOT_READY, READY), (READY, NOT_READY)])
def test_a_node_is_judged_as_it_was_when_the_failure_was_seen(first: NodeConditions, later: NodeConditions) -> None:
    """Its conditions may change while the failed pod waits to be replaced, also over a restart of the operator."""
    world = World(make_job(run_policy=RunPolicy(failure_rules=(ON_BAD_NODE,))))
    worker = replace(ReplicaStatus(), restarts=5)
    world.job = replace(world.job, status=replace(world.job.status, replicas={WORKER: worker}))
    world.pods["job-worker-0"] = make_pod(phase="Failed", exit_code=1, finished=world.now, policy="Never")
    world.node_conditions = {"node-1": first | {("GPU", "True")}}
    world.step()
    assert world.job.status.judged_nodes == {"uid-job-worker-0": first & NOT_READY}
    assert judged_nodes(world.observed()) == set()
    world.node_conditions = {"node-1": later}
    world.step()
    assert world.job.status.restarts == (first is NOT_READY)


def test_what_a_node_was_like_is_forgotten_with_its_pod() -> None:
    world = World(make_job(run_policy=RunPolicy(failure_rules=(ON_BAD_NODE,))))
    world.step()
    world.run()
    world.end("job-worker-0", 1)
    world.step()
    assert world.job.status.judged_nodes == {"job-worker-0-1": frozenset()}
    assert "job-worker-0" not in world.pods
    world.step()
    world.run()
    world.step()
    assert world.job.status.judged_nodes == {}


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


TOLERANT = workload(Mars(), KUBEDL)
ROLES = {"Scheduler": 1, WORKER: 2}


@pytest.mark.parametrize(
    ("policy", "code", "attempts", "replaced"),
    [
        (RestartPolicy.NEVER, 1, 0, False),
        (RestartPolicy.EXIT_CODE, 1, 0, False),
        (RestartPolicy.EXIT_CODE, 137, 1, True),
    ],
)
def test_a_failure_from_which_nothing_follows_is_not_charged(
    policy: RestartPolicy, code: int, attempts: int, replaced: bool
) -> None:
    world = mars_world(policy, RunPolicy(backoff_limit=0 if not replaced else 1))
    world.end("job-worker-0", code)
    world.step()
    assert world.job.status.attempts == attempts
    assert not world.job.status.finished
    assert ("job-worker-0" in world.pods) != replaced
    world.end("job-worker-1")
    world.step()
    assert [note.reason for note in world.notes].count("ExitedWithCode") == 1


def test_a_rule_fails_the_job_also_for_a_role_whose_failures_the_kind_tolerates() -> None:
    rule = FailureRule(FailureAction.FAIL_JOB, exit_codes=EXIT_3)
    world = mars_world(RestartPolicy.NEVER, RunPolicy(failure_rules=(rule,)))
    world.end("job-worker-0", 1)
    world.step()
    assert not world.job.status.finished
    world.end("job-worker-1", 3)
    world.step()
    assert world.job.status.has(ConditionType.FAILED)
    assert world.job.status.first_failure is not None
    assert world.job.status.first_failure.pod == "job-worker-1"


def mars_world(policy: RestartPolicy, run_policy: RunPolicy) -> World:
    world = World(make_job(TOLERANT, ROLES, policy, run_policy), TOLERANT)
    for _ in range(2):
        world.step()
        world.run()
    return world
