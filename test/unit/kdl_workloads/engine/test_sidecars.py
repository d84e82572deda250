"""A job whose pods have sidecars that never end: the training container decides."""

from typing import Any

import pytest

from kdl_workloads.engine.pod import Pod
from kdl_workloads.job import CleanPodPolicy, ConditionType, RunPolicy
from unit.kdl_workloads.engine.world import MASTER, PYTORCH, PYTORCH_KUBEDL, WORKER, World, make_job, make_pod


def through(name: str, pod: Pod, exit_code: int = 0) -> Pod:
    """The training has ended; the sidecar goes on."""
    state = {"terminated": {"exitCode": exit_code, "finishedAt": "2026-01-01T12:00:10Z"}}
    containers: list[dict[str, Any]] = [
        {"name": "pytorch", "state": state},
        {"name": "proxy", "state": {"running": {}}},
    ]
    return make_pod(name, "Running", uid=pod.uid, policy=pod.spec.restart_policy, containers=containers)


@pytest.mark.parametrize(
    ("policy", "left"),
    [(CleanPodPolicy.NONE, 3), (CleanPodPolicy.RUNNING, 0), (CleanPodPolicy.ALL, 0)],
)
@pytest.mark.parametrize("of", [PYTORCH, PYTORCH_KUBEDL], ids=["kubeflow", "kubedl"])
def test_the_job_succeeds_while_sidecars_run(policy: CleanPodPolicy, left: int, of: Any) -> None:
    world = World(make_job(of, roles={MASTER: 1, WORKER: 2}, run_policy=RunPolicy(clean_pod_policy=policy)), of)
    for _ in range(2):
        world.step()
        world.run()
    for name in ("job-worker-0", "job-worker-1", "job-master-0"):
        world.pods[name] = through(name, world.pods[name])
    world.step()
    status = world.job.status
    assert status.has(ConditionType.SUCCEEDED)
    assert {role: sorted(of.succeeded_indexes) for role, of in status.replicas.items()} == {MASTER: [0], WORKER: [0, 1]}
    world.step()
    assert len([pod for pod in world.pods.values() if not pod.terminating]) == left
    assert not any(pod.held for pod in world.pods.values())


def test_a_replica_that_is_through_is_neither_active_nor_run_again() -> None:
    world = World(make_job(roles={MASTER: 1, WORKER: 2}))
    for _ in range(2):
        world.step()
        world.run()
    world.step()
    world.pods["job-worker-0"] = through("job-worker-0", world.pods["job-worker-0"])
    world.step()
    workers = world.job.status.replicas[WORKER]
    assert (workers.active, workers.succeeded, workers.succeeded_indexes) == (1, 1, frozenset({0}))
    del world.pods["job-worker-0"]
    for _ in range(3):
        world.step()
    assert world.created.count("job-worker-0") == 1


ENDED_WELL = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T12:00:10Z"}}
ENDED_BADLY = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T12:00:10Z"}}
RUNS: dict[str, Any] = {"running": {}}


@pytest.mark.parametrize(
    ("policy", "states", "ending"),
    [
        ("Never", [ENDED_WELL], True),
        ("Never", [ENDED_BADLY], True),
        ("Never", [ENDED_WELL, RUNS], False),
        ("OnFailure", [ENDED_WELL], True),
        ("OnFailure", [ENDED_BADLY], False),
        ("Always", [ENDED_WELL], False),
        ("Never", [], False),
    ],
)
def test_a_pod_that_only_its_kubelet_s_sidecars_keep_is_not_cleaned_away(
    policy: str, states: list[dict[str, Any]], ending: bool
) -> None:
    """Its log is worth keeping, and it ends by itself."""
    containers = [{"name": f"c{number}", "state": state} for number, state in enumerate(states)]
    assert make_pod(phase="Running", policy=policy, containers=containers).ending is ending


def test_the_log_of_a_replica_that_has_just_ended_is_kept() -> None:
    world = World(make_job(roles={MASTER: 1, WORKER: 1}, run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.RUNNING)))
    for _ in range(2):
        world.step()
        world.run()
    master = world.pods["job-master-0"]
    ended = [{"name": "pytorch", "state": ENDED_WELL}]
    world.pods["job-master-0"] = make_pod("job-master-0", "Running", uid=master.uid, policy="Never", containers=ended)
    world.step()
    assert world.job.status.has(ConditionType.SUCCEEDED)
    world.step()
    assert {name for name, pod in world.pods.items() if not pod.terminating} == {"job-master-0"}
