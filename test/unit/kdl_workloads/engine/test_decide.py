"""The state machine, row by row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.observed import Block, NodeState, Workload
from kdl_workloads.engine.plan import Plan
from kdl_workloads.job import CleanPodPolicy, ConditionType, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.world import (
    KUBEDL,
    MASTER,
    PYTORCH,
    PYTORCH_KUBEDL,
    WORKER,
    XGBOOST,
    World,
    after,
    make_job,
    make_pod,
)

PODS = ["job-master-0", "job-worker-0", "job-worker-1"]


def states(world: World) -> list[str]:
    return [f"{c.type}={c.status}" for c in world.job.status.conditions]


def running(run_policy: RunPolicy | None = None) -> World:
    world = World(make_job(run_policy=run_policy))
    world.step()
    world.run()
    world.step()
    return world


def test_a_new_job_is_known_and_gets_everything_in_one_pass() -> None:
    world = World(make_job())
    plan = world.step()
    assert states(world) == ["Created=True"]
    assert world.job.status.start_time == world.now
    assert sorted(world.services) == PODS
    assert world.created == PODS
    assert plan.notes == ()
    assert world.step() == Plan()


def test_a_job_runs_and_succeeds_with_its_master() -> None:
    world = running()
    assert states(world) == ["Created=True", "Running=True"]
    assert {role: of.active for role, of in world.job.status.replicas.items()} == {MASTER: 1, WORKER: 2}
    world.now = after(60)
    world.end("job-master-0")
    world.step()
    status = world.job.status
    assert states(world) == ["Created=True", "Running=False", "Succeeded=True"]
    assert status.completion_time == after(60)
    assert {role: (of.active, of.succeeded) for role, of in status.replicas.items()} == {MASTER: (0, 1), WORKER: (0, 2)}
    assert world.services == {}
    assert not any(pod.held for pod in world.pods.values())
    assert [note.reason for note in world.notes] == ["PyTorchJobSucceeded"]
    assert world.step() == Plan()


def test_nothing_is_written_when_nothing_changes() -> None:
    world = running()
    writes = world.writes
    assert world.step() == Plan()
    assert world.writes == writes


@pytest.mark.parametrize(
    ("policy", "exit_code", "of", "restarts"),
    [
        (RestartPolicy.NEVER, 1, PYTORCH, False),
        (RestartPolicy.NEVER, 137, PYTORCH, False),
        (RestartPolicy.ON_FAILURE, 1, PYTORCH, True),
        (RestartPolicy.ALWAYS, 1, PYTORCH, True),
        (RestartPolicy.EXIT_CODE, 1, PYTORCH, False),
        (RestartPolicy.EXIT_CODE, 127, PYTORCH, False),
        (RestartPolicy.EXIT_CODE, 128, PYTORCH, True),
        (RestartPolicy.EXIT_CODE, 139, PYTORCH, True),
        (RestartPolicy.EXIT_CODE, 255, PYTORCH, True),
        (RestartPolicy.EXIT_CODE, 1, PYTORCH_KUBEDL, False),
        (RestartPolicy.EXIT_CODE, 128, PYTORCH_KUBEDL, False),
        (RestartPolicy.EXIT_CODE, 130, PYTORCH_KUBEDL, True),
        (RestartPolicy.EXIT_CODE, 137, PYTORCH_KUBEDL, True),
        (RestartPolicy.EXIT_CODE, 138, PYTORCH_KUBEDL, True),
        (RestartPolicy.EXIT_CODE, 139, PYTORCH_KUBEDL, False),
        (RestartPolicy.EXIT_CODE, 143, PYTORCH_KUBEDL, True),
    ],
)
def test_restart_policy_and_exit_code(policy: RestartPolicy, exit_code: int, of: Workload, restarts: bool) -> None:
    world = World(make_job(of, {WORKER: 2}, policy), of)
    world.step()
    world.run()
    world.step()
    world.now = after(60)
    world.end("job-worker-1", exit_code)
    world.step()
    status = world.job.status
    assert status.attempts == 1
    failure = status.first_failure
    assert failure is not None
    assert (failure.pod, failure.role, failure.index, failure.exit_code) == ("job-worker-1", WORKER, 1, exit_code)
    assert status.has(ConditionType.RESTARTING) is restarts
    assert status.has(ConditionType.FAILED) is not restarts
    assert ("job-worker-1" not in world.pods) is restarts
    world.step()
    assert world.created.count("job-worker-1") == (2 if restarts else 1)


def test_a_restarting_job_runs_again_and_keeps_its_counts() -> None:
    world = running()
    world.end("job-worker-1", 1)
    world.step()
    assert states(world) == ["Created=True", "Restarting=True"]
    world.step()
    world.run()
    world.step()
    assert states(world) == ["Created=True", "Running=True"]
    assert world.job.status.attempts == 1
    assert world.job.status.replicas[WORKER].restarts == 1
    assert world.job.status.replicas[WORKER].failed == 0
    assert world.job.status.uncounted == frozenset()


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_the_backoff_limit_is_the_number_of_retries(limit: int) -> None:
    world = running(RunPolicy(backoff_limit=limit))
    for _ in range(limit + 1):
        assert not world.job.status.finished
        world.end("job-worker-0", 1)
        world.step()
        world.step()
        world.run()
        world.step()
    assert world.job.status.has(ConditionType.FAILED)
    assert world.created.count("job-worker-0") == limit + 1
    assert world.job.status.attempts == limit + 1
    assert "backoff limit" in world.notes[-1].message


@pytest.mark.parametrize(("restarts", "fails"), [(0, False), (2, False), (3, True)])
def test_restarts_of_containers_count_against_the_backoff_limit(restarts: int, fails: bool) -> None:
    world = running(RunPolicy(backoff_limit=2))
    world._set("job-worker-0", "Running", restarts=restarts)
    world.step()
    assert world.job.status.has(ConditionType.FAILED) is fails


def test_restarts_of_a_container_outlive_its_pod() -> None:
    world = running(RunPolicy(backoff_limit=4))
    world._set("job-worker-0", "Running", restarts=3)
    world.step()
    world.delete("job-worker-0")
    world.end("job-worker-0", 143, restarts=3)
    world.step()
    assert world.job.status.attempts == 3
    assert world.job.status.replicas[WORKER].restarts == 3
    world.step()
    world.run()
    world._set("job-worker-0", "Running", restarts=2)
    world.step()
    assert world.job.status.has(ConditionType.FAILED)


def test_the_deadline_is_a_timer_and_a_limit() -> None:
    world = running(RunPolicy(active_deadline_seconds=100))
    assert world.step().requeue_at == after(100)
    world.now = after(99.9)
    world.step()
    assert not world.job.status.finished
    world.now = after(100)
    world.step()
    assert world.job.status.has(ConditionType.FAILED)
    assert "longer than specified deadline" in world.notes[-1].message


def test_a_result_comes_before_a_limit() -> None:
    world = running(RunPolicy(active_deadline_seconds=100, backoff_limit=0))
    world.now = after(200)
    world.end("job-master-0")
    world.end("job-worker-0", 1)
    world.step()
    assert world.job.status.has(ConditionType.SUCCEEDED)


@pytest.mark.parametrize("ended", ["Succeeded", "Failed"])
@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (CleanPodPolicy.ALL, set()),
        (CleanPodPolicy.RUNNING, {"job-master-0"}),
        (CleanPodPolicy.NONE, {"job-master-0", "job-worker-0", "job-worker-1"}),
    ],
)
def test_what_is_left_of_a_finished_job(policy: CleanPodPolicy, left: set[str], ended: str) -> None:
    world = World(make_job(policy=RestartPolicy.NEVER, run_policy=RunPolicy(clean_pod_policy=policy)))
    world.step()
    world.run("job-master-0", "job-worker-0")
    world.step()
    world.end("job-master-0", 0 if ended == "Succeeded" else 1)
    plan = world.step()
    assert [c.type for c in world.job.status.conditions][-1] == ended
    assert {name for name, pod in world.pods.items() if not pod.terminating} == left
    assert {delete.grace_period_seconds for delete in plan.delete_pods} <= {None}
    assert world.services == {}
    assert not any(pod.held for pod in world.pods.values())
    assert replace(world.step(), requeue_at=None) == Plan(), "only pods that stop are looked at again"


@pytest.mark.parametrize("ttl", [0, 30])
def test_a_finished_job_is_deleted_after_its_time_to_live(ttl: int) -> None:
    world = running(RunPolicy(ttl_seconds_after_finished=ttl))
    world.now = after(10)
    world.end("job-master-0")
    plan = world.step()
    if ttl:
        assert plan.requeue_at == after(10 + ttl)
        world.now = after(10 + ttl - 0.1)
        assert not world.step().delete_job
        world.now = after(10 + ttl)
        world.step()
    assert world.job_deleted


def test_suspend_takes_everything_away_and_resume_starts_anew() -> None:
    world = running(RunPolicy(clean_pod_policy=CleanPodPolicy.NONE))
    started = world.job.status.start_time
    suspended = replace(world.job.run_policy, suspend=True)
    world.job = replace(world.job, run_policy=suspended)
    world.step()
    assert states(world) == ["Created=True", "Running=False", "Suspended=True"]
    stopped = world.job.status.condition(ConditionType.RUNNING)
    assert stopped is not None and stopped.reason == "PyTorchJobSuspended"
    assert world.services == {}
    assert all(pod.terminating for pod in world.pods.values())
    assert world.job.status.start_time == started
    for name in PODS:
        world.stopped(name)
    world.step()
    assert world.pods == {}
    assert world.job.status.attempts == 0
    world.now = after(500)
    world.job = replace(world.job, run_policy=replace(suspended, suspend=False))
    world.step()
    assert states(world) == ["Created=True", "Running=False", "Suspended=False"]
    assert world.job.status.start_time == after(500)
    world.run()
    world.step()
    assert states(world) == ["Created=True", "Suspended=False", "Running=True"]
    assert [note.reason for note in world.notes] == ["PyTorchJobSuspended", "PyTorchJobResumed"]


def test_a_job_may_be_created_suspended() -> None:
    world = World(make_job(run_policy=RunPolicy(suspend=True, active_deadline_seconds=5)))
    assert world.step().requeue_at is None
    assert states(world) == ["Created=True", "Suspended=True"]
    assert world.job.status.start_time is None
    assert (world.pods, world.services) == ({}, {})


def test_a_replica_that_has_succeeded_is_not_run_again_after_a_resume() -> None:
    world = running()
    world.end("job-worker-0")
    world.step()
    world.job = replace(world.job, run_policy=RunPolicy(suspend=True))
    world.step()
    world.stopped("job-master-0")
    world.stopped("job-worker-1")
    world.step()
    world.job = replace(world.job, run_policy=RunPolicy())
    world.step()
    assert world.created == [*PODS, "job-master-0", "job-worker-1"]


def test_a_replica_that_has_succeeded_is_not_run_again_when_its_pod_goes() -> None:
    world = running()
    world.end("job-worker-0")
    world.step()
    assert world.job.status.replicas[WORKER].succeeded_indexes == {0}
    world.delete("job-worker-0")
    assert "job-worker-0" not in world.pods
    world.step()
    assert world.created == PODS


def test_the_outcome_of_a_pod_that_was_deleted_is_kept_before_it_goes() -> None:
    world = running()
    world.end("job-worker-0")
    world.delete("job-worker-0")
    assert "job-worker-0" in world.pods
    plan = world.step()
    assert plan.status is not None
    assert [pod.name for pod in plan.release] == ["job-worker-0"]
    assert "job-worker-0" not in world.pods
    world.step()
    assert world.created == PODS


def test_a_pod_that_was_deleted_by_hand_is_replaced_and_charged_to_nobody() -> None:
    world = running(RunPolicy(backoff_limit=0))
    world.delete("job-worker-0")
    plan = world.step()
    assert plan.create_pods == ()
    world.stopped("job-worker-0")
    world.step()
    world.step()
    assert world.created == [*PODS, "job-worker-0"]
    assert world.job.status.attempts == 0
    assert world.job.status.first_failure is None


@pytest.mark.parametrize("policy", list(RestartPolicy))
def test_a_disruption_is_replaced_under_every_policy_and_charged_to_nobody(policy: RestartPolicy) -> None:
    world = World(make_job(policy=policy, run_policy=RunPolicy(backoff_limit=0)))
    world.step()
    world.run()
    world.step()
    world.end("job-worker-0", 137, conditions={"DisruptionTarget": ("True", "PreemptionByScheduler")})
    world.step()
    assert world.job.status.has(ConditionType.RESTARTING)
    world.step()
    assert world.created == [*PODS, "job-worker-0"]
    assert world.job.status.attempts == 0
    assert world.job.status.replicas[WORKER].restarts == 1
    failure = world.job.status.first_failure
    assert failure is not None and failure.pod == "job-worker-0"


@pytest.mark.parametrize(
    ("node", "forced"), [(NodeState.LOST, True), (NodeState.READY, False), (NodeState.UNKNOWN, False)]
)
def test_a_pod_on_a_lost_node_is_taken_away_by_force(node: NodeState, forced: bool) -> None:
    world = running()
    world.now = after(100)
    world.delete("job-worker-0")
    assert world.step().requeue_at == after(160)
    world.now = after(160)
    world.nodes = {"node-1": node}
    plan = world.step()
    assert [d.grace_period_seconds for d in plan.delete_pods] == ([0] if forced else [])
    assert ("job-worker-0" in world.pods) is not forced
    if not forced:
        assert plan.requeue_at == after(220)
    world.step()
    assert world.created.count("job-worker-0") == (2 if forced else 1)
    assert world.job.status.attempts == 0


def test_a_role_waits_for_another() -> None:
    world = World(make_job(PYTORCH_KUBEDL), PYTORCH_KUBEDL)
    world.step()
    assert world.created == ["job-master-0"]
    world.step()
    assert world.created == ["job-master-0"]
    world.run("job-master-0")
    world.step()
    assert world.created == PODS


def test_a_job_that_was_scaled_in_loses_its_highest_replicas() -> None:
    world = running()
    job = make_job(roles={MASTER: 1, WORKER: 1}, status=world.job.status)
    world.job = job
    plan = world.step()
    assert [delete.name for delete in plan.delete_pods] == ["job-worker-1"]
    assert "job-worker-1" not in world.services
    world.stopped("job-worker-1")
    world.step()
    assert world.job.status.attempts == 0
    assert world.created == PODS


def test_a_job_of_another_manager_is_left_alone() -> None:
    job = make_job(run_policy=RunPolicy(managed_by="kueue.x-k8s.io/multikueue"))
    assert World(job).step() == Plan()


def test_pods_of_a_job_that_is_being_deleted_are_let_go() -> None:
    world = running()
    world.job = replace(world.job, deleting=True)
    plan = world.step()
    assert plan == Plan(release=plan.release)
    assert [pod.name for pod in plan.release] == PODS


@pytest.mark.parametrize(("node", "forced"), [(NodeState.READY, []), (NodeState.LOST, ["job-worker-0"])])
@pytest.mark.parametrize("end", ["deleted", "finished"])
def test_a_pod_on_a_lost_node_outlives_no_job(node: NodeState, forced: list[str], end: str) -> None:
    world = running()
    if end == "finished":
        world.end("job-master-0")
        world.step()
    world.job = replace(world.job, deleting=end == "deleted")
    world.delete("job-worker-0", 30)
    first = world.step()
    assert (first.requeue_at, first.delete_pods) == (world.now + timedelta(seconds=60), ())
    overdue = replace(world.observed(), now=world.now + timedelta(seconds=60), nodes={"node-1": node})
    plan = decide(overdue)
    assert [(pod.name, pod.grace_period_seconds) for pod in plan.delete_pods] == [(name, 0) for name in forced]
    assert plan.requeue_at == world.now + timedelta(seconds=120)


def test_a_replica_that_succeeds_while_it_is_scaled_in_is_not_run_again() -> None:
    world = running()
    full = world.job
    world.job = make_job(roles={MASTER: 1, WORKER: 1}, status=world.job.status)
    world.end("job-worker-1")
    world.step()
    assert world.job.status.replicas[WORKER].succeeded_indexes == {1}
    world.job = replace(full, status=world.job.status)
    world.step()
    assert world.created == PODS


def test_a_spec_that_cannot_be_carried_out_fails_the_job_before_anything_is_created() -> None:
    observed = replace(World(replace(make_job(), roles={})).observed(), problem="spec.x: is wrong")
    plan = decide(observed)
    assert plan.status is not None
    assert [c.reason for c in plan.status.conditions] == ["PyTorchJobCreated", "PyTorchJobFailedValidation"]
    assert "spec.x: is wrong" in plan.status.conditions[-1].message
    assert (plan.create_pods, plan.create_services) == ((), ())
    assert [note.type for note in plan.notes] == ["Warning"]


def test_an_edit_that_breaks_the_spec_of_a_running_job_does_not_end_it() -> None:
    world = running()
    broken = replace(world.observed(), job=replace(world.job, roles={}), problem="spec.x: is wrong")
    plan = decide(broken)
    assert plan.status is not None and not plan.status.finished
    assert "spec.x: is wrong" in plan.status.conditions[0].message
    assert (plan.delete_pods, plan.delete_services, plan.release) == ((), (), ())
    world.job = replace(world.job, status=plan.status)
    world.step()
    assert "spec.x" not in world.job.status.conditions[0].message


def test_a_refusal_of_the_api_server_stops_creates_and_is_explained() -> None:
    world = World(make_job())
    block = Block("exceeded quota: pods=0", until=after(5))
    plan = decide(replace(world.observed(), block=block))
    assert plan.status is not None
    assert plan.status.conditions[0].message.endswith("It waits: exceeded quota: pods=0")
    assert (plan.create_pods, plan.create_services, plan.requeue_at) == ((), (), after(5))
    world.now = after(5)
    assert len(decide(replace(world.observed(), block=block)).create_pods) == 3


def test_an_object_that_the_api_server_refuses_for_good_fails_the_job() -> None:
    plan = decide(replace(World(make_job()).observed(), block=Block("Pod x is refused", after(5), fatal=True)))
    assert plan.status is not None and plan.status.has(ConditionType.FAILED)
    assert plan.status.conditions[-1].reason == "PyTorchJobFailedValidation"


@pytest.mark.parametrize("name", ["job-worker-0", "job-worker-1"])
def test_the_cause_of_the_end_takes_the_place_of_a_failure_that_was_overcome(name: str) -> None:
    world = World(make_job(policy=RestartPolicy.EXIT_CODE))
    world.step()
    world.run()
    world.end("job-worker-0", 137)
    world.step()
    overcome = world.job.status.first_failure
    assert overcome is not None and overcome.pod == "job-worker-0"
    world.step()
    world.run()
    world.end(name, 2)
    world.step()
    failure = world.job.status.first_failure
    assert failure is not None and (failure.pod, failure.exit_code) == (name, 2)
    assert world.job.status.has(ConditionType.FAILED)


def test_pods_that_are_no_replicas_are_left_alone() -> None:
    world = running()
    world.pods["job-tensorboard-0"] = make_pod("job-tensorboard-0", held=False)
    world.end("job-master-0")
    world.job = replace(world.job, run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.ALL))
    world.step()
    assert not world.pods["job-tensorboard-0"].terminating


def test_reasons_follow_the_dialect() -> None:
    world = World(make_job(PYTORCH_KUBEDL), PYTORCH_KUBEDL)
    world.step()
    assert world.job.api_version == KUBEDL
    assert world.job.status.conditions[0].reason == "JobCreated"


def test_an_xgboost_job_fails_with_its_worker() -> None:
    world = World(make_job(XGBOOST, policy=RestartPolicy.NEVER), XGBOOST)
    world.step()
    world.run()
    world.step()
    world.end("job-worker-0", 3)
    world.step()
    assert states(world) == ["Created=True", "Running=False", "Failed=True"]
    assert [note.reason for note in world.notes] == ["ExitedWithCode", "XGBoostJobFailed"]
