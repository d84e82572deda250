"""Restarts of the whole job: all pods are stopped, then all start again, as one attempt."""

from datetime import timedelta

import pytest

from kdl_workloads.engine.pod import ATTEMPT
from kdl_workloads.job import ConditionType, ExitCodes, FailureAction, FailureRule, RestartScope, RunPolicy
from unit.kdl_workloads.engine.world import MASTER, WORKER, World, after, make_job, make_pod

WHOLE = RunPolicy(restart_scope=RestartScope.JOB)
ALL = ["job-master-0", "job-worker-0", "job-worker-1"]


def running(policy: RunPolicy = WHOLE) -> World:
    world = World(make_job(run_policy=policy))
    world.step()
    world.run()
    world.step()
    assert world.job.status.has(ConditionType.RUNNING)
    return world


def stop_all(world: World) -> None:
    """The kubelets stop every pod that was deleted."""
    for name in list(world.pods):
        if world.pods[name].terminating:
            world.stopped(name)


def test_one_failure_stops_all_and_then_starts_all() -> None:
    world = running()
    world.end("job-worker-1", 1)
    plan = world.step()
    assert sorted(delete.name for delete in plan.delete_pods) == ALL
    assert plan.create_pods == ()
    assert world.job.status.attempts == world.job.status.restarts == 1
    assert world.job.status.conditions[-1].type is ConditionType.RESTARTING
    assert set(world.pods) == {"job-master-0", "job-worker-0"}
    world.stopped("job-master-0")
    assert world.step().create_pods == (), "a pod of the last attempt is still there"
    world.stopped("job-worker-0")
    created = world.step().create_pods
    assert sorted(pod["metadata"]["name"] for pod in created) == ALL
    assert {pod["metadata"]["annotations"][ATTEMPT] for pod in created} == {"1"}
    assert world.job.status.attempts == 1


def test_failures_of_one_moment_are_one_attempt_and_what_dies_afterwards_counts_for_nothing() -> None:
    world = running()
    world.end("job-worker-0", 1)
    world.end("job-worker-1", 1)
    world.step()
    stop_all(world)
    world.step()
    assert world.job.status.attempts == 1
    assert world.job.status.replicas[WORKER].restarts == 2


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_the_backoff_limit_counts_whole_attempts(limit: int) -> None:
    world = running(RunPolicy(restart_scope=RestartScope.JOB, backoff_limit=limit))
    for _ in range(limit):
        world.end("job-worker-1", 1)
        world.step()
        stop_all(world)
        world.now += timedelta(seconds=600)
        world.step()
        world.run()
        world.step()
        assert world.job.status.has(ConditionType.RUNNING)
    world.end("job-worker-0", 1)
    world.step()
    assert world.job.status.has(ConditionType.FAILED)
    assert world.job.status.restarts == limit


def test_the_pause_before_an_attempt_grows() -> None:
    world = running()
    pauses = []
    for _ in range(3):
        world.end("job-worker-0", 1)
        world.step()
        stop_all(world)
        before = world.now
        while not (plan := world.step()).create_pods:
            assert plan.requeue_at is not None
            world.now = plan.requeue_at
        pauses.append((world.now - before).total_seconds())
        world.run()
        world.step()
    assert pauses == [0, 10, 20]


def test_an_attempt_that_has_lived_for_long_starts_again_at_once() -> None:
    world = running()
    for seconds in (0, 1200):
        world.now = after(seconds)
        world.end("job-worker-0", 1)
        world.step()
        stop_all(world)
        assert len(world.step().create_pods) == 3
        world.run()
        world.step()


def test_replicas_that_had_succeeded_run_again_with_their_peers() -> None:
    world = running()
    world.end("job-worker-0")
    world.step()
    assert world.job.status.replicas[WORKER].succeeded_indexes == {0}
    world.end("job-worker-1", 1)
    world.step()
    stop_all(world)
    world.step()
    assert world.created.count("job-worker-0") == 2


def test_a_job_that_was_suspended_comes_back_without_a_restart() -> None:
    world = running()
    world.set_policy(RunPolicy(restart_scope=RestartScope.JOB, suspend=True))
    world.step()
    world.set_policy(WHOLE)
    world.step()
    stop_all(world)
    world.step()
    world.step()
    assert world.job.status.restarts == 0
    assert sorted(world.created) == sorted(ALL * 2)


def test_a_pod_that_somebody_deletes_takes_its_peers_along_and_is_charged_to_nobody() -> None:
    world = running()
    world.delete("job-worker-0")
    world.step()
    assert world.job.status.restarts == 0, "its end is not known yet"
    world.stopped("job-worker-0")
    world.step()
    assert world.job.status.restarts == 1
    assert world.job.status.attempts == 0


@pytest.mark.parametrize(("action", "restarts"), [(FailureAction.RESTART_JOB, 1), (FailureAction.RESTART, 0)])
def test_a_rule_restarts_the_whole_job_where_the_scope_is_a_pod(action: FailureAction, restarts: int) -> None:
    world = running(RunPolicy(failure_rules=(FailureRule(action, exit_codes=ExitCodes(frozenset({3}))),)))
    world.end("job-worker-0", 3)
    world.step()
    assert world.job.status.restarts == restarts


def test_a_rule_that_ignores_replaces_one_pod_also_where_the_scope_is_the_job() -> None:
    rule = FailureRule(FailureAction.IGNORE, counts=False, exit_codes=ExitCodes(frozenset({3})))
    world = running(RunPolicy(restart_scope=RestartScope.JOB, failure_rules=(rule,)))
    world.end("job-worker-0", 3)
    world.step()
    world.step()
    assert (world.job.status.restarts, world.job.status.attempts) == (0, 0)
    assert world.created.count("job-worker-0") == 2


@pytest.mark.parametrize("stop", ["before", "after"])
def test_a_crash_at_any_point_changes_nothing(stop: str) -> None:
    world = running()
    world.end("job-worker-1", 1)
    world.step(stop)
    world.step()
    stop_all(world)
    world.step(stop)
    world.step()
    assert world.job.status.restarts == 1
    assert sorted(world.created) == sorted(ALL * 2)


def test_the_result_of_the_new_attempt_counts() -> None:
    world = running()
    world.end("job-worker-1", 1)
    world.step()
    stop_all(world)
    world.step()
    world.run()
    world.end("job-master-0")
    world.step()
    assert world.job.status.has(ConditionType.SUCCEEDED)
    assert world.job.status.replicas[MASTER].succeeded == 1


def test_nothing_is_made_among_pods_that_are_all_going() -> None:
    """A new pod would be a peer that goes on, and the others a reason to start once more."""
    world = running()
    del world.pods["job-master-0"]
    world.delete("job-worker-0")
    world.delete("job-worker-1")
    assert world.step().create_pods == ()
    stop_all(world)
    world.step()
    world.step()
    assert world.job.status.restarts == 0
    assert sorted(world.pods) == ALL


def test_a_failure_that_a_rule_ignores_does_not_start_the_job_again_once_its_pod_is_going() -> None:
    """Without the time of its end nobody can tell the delete that followed from one that was its cause."""
    rule = FailureRule(FailureAction.IGNORE, False, reasons=frozenset({"DeadlineExceeded"}))
    world = running(RunPolicy(restart_scope=RestartScope.JOB, failure_rules=(rule,)))
    failed = make_pod(phase="Failed", reason="DeadlineExceeded", containers=[], uid="job-worker-0-1", held=True)
    world.pods["job-worker-0"] = failed
    assert [delete.name for delete in world.step().delete_pods] == ["job-worker-0"]
    world.pods["job-worker-0"] = make_pod(
        phase="Failed", reason="DeadlineExceeded", containers=[], uid="job-worker-0-1", deleted=world.now, grace=0
    )
    world.step()
    assert world.job.status.restarts == 0
    world.step()
    assert world.created.count("job-worker-0") == 2
