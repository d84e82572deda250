"""Defects of KubeDL and of Kubeflow's training operator that this one must not have, and that no other test is about.

docs/compatibility.md lists all of them, each with its test.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.observed import Workload
from kdl_workloads.engine.plan import Plan
from kdl_workloads.framework import KUBEDL, MASTER, WORKER
from kdl_workloads.frameworks.tensorflow import TensorFlow
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy, RunPolicy
from unit.kdl_workloads.engine.test_every_kind import KINDS, job_of, named
from unit.kdl_workloads.engine.world import World, make_job, workload

EVERY_KIND = pytest.mark.parametrize("of", KINDS, ids=named)


def decoded(of: Workload, roles: dict[str, dict[str, Any]], metadata: dict[str, Any] | None = None, **spec: Any) -> Job:
    """A job as a user writes it: ``roles`` has fields of replica specs beside their templates."""
    template = {"spec": {"containers": [{"name": of.conventions.container, "image": "train:1"}]}}
    specs = {role: {"template": template, **fields} for role, fields in roles.items()}
    obj = {
        "apiVersion": of.dialect.api_version,
        "kind": of.framework.kind,
        "metadata": {"name": "job", "namespace": "ns", "uid": "job-uid", **(metadata or {})},
        "spec": {of.framework.replica_specs_field: specs, **spec},
    }
    return of.dialect.decode(obj, of.framework)


def every_role(of: Workload) -> list[str]:
    return [role.name for role in of.framework.roles_in(of.dialect.api_version)]


def started(world: World) -> World:
    """All its pods run, also of roles that wait for others."""
    for _ in range(4):
        world.step()
        world.run()
    world.step()
    return world


@EVERY_KIND
def test_replicas_need_not_be_given(of: Workload) -> None:
    job = decoded(of, {role: {} for role in every_role(of)})
    assert {role: spec.replicas for role, spec in job.roles.items()} == dict.fromkeys(every_role(of), 1)


@EVERY_KIND
def test_every_role_gets_its_pods(of: Workload) -> None:
    job = decoded(of, {role: {} for role in every_role(of)}, {"annotations": {"aimaster": "ready"}})
    world = started(World(job, of))
    assert set(world.pods) == {of.framework.child_name(job, role, 0) for role in every_role(of)}


@EVERY_KIND
@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_job_without_any_policy_runs_to_its_end(of: Workload, exit_code: int) -> None:
    roles = of.conventions.required or {WORKER}
    world = started(World(decoded(of, {role: {"restartPolicy": "Never"} for role in roles}), of))
    assert world.job.status.start_time is not None
    for _ in range(1 + (of.conventions.backoff_limit or 0)):
        for name in list(world.pods):
            world.end(name, exit_code)
        world.step()
        world.now += timedelta(minutes=10)
        started(world)
    assert world.job.status.has(ConditionType.FAILED if exit_code else ConditionType.SUCCEEDED)
    world.step()
    assert not any(pod.held for pod in world.pods.values())


def test_a_worker_succeeds_in_the_same_look_as_another_fails_for_now() -> None:
    of = workload(TensorFlow(), KUBEDL)
    world = started(World(make_job(of, {WORKER: 2}, RestartPolicy.EXIT_CODE), of))
    world.end("job-worker-0", 0)
    world.end("job-worker-1", 137)
    world.step()
    assert world.job.status.has(ConditionType.SUCCEEDED)


@EVERY_KIND
def test_all_pods_are_cleaned_at_once_with_or_without_services(of: Workload) -> None:
    world = started(World(job_of(of, RunPolicy(clean_pod_policy=CleanPodPolicy.ALL)), of))
    pods = set(world.pods)
    for name in pods:
        world.end(name, 0)
    assert {delete.name for delete in world.step().delete_pods} == pods


@pytest.mark.parametrize("policy", list(CleanPodPolicy))
def test_a_job_past_its_backoff_limit_ends_once_keeps_what_it_should_and_goes_at_its_time(
    policy: CleanPodPolicy,
) -> None:
    limits = RunPolicy(policy, ttl_seconds_after_finished=60, backoff_limit=0)
    world = started(World(make_job(roles={MASTER: 1, WORKER: 2}, run_policy=limits)))
    world.end("job-worker-0", 1)
    plan = world.step()
    status = world.job.status
    assert status.has(ConditionType.FAILED)
    assert "reached the specified backoff limit" in status.conditions[-1].message
    assert status.completion_time == world.now
    assert plan.requeue_at == world.now + timedelta(seconds=60)
    left = {CleanPodPolicy.ALL: 0, CleanPodPolicy.RUNNING: 1, CleanPodPolicy.NONE: 3}[policy]
    assert sum(not pod.terminating for pod in world.pods.values()) == left
    assert sum(of.active for of in status.replicas.values()) == (2 if policy is CleanPodPolicy.NONE else 0)
    created = len(world.created)
    for _ in range(3):
        world.now += timedelta(seconds=30)
        world.step()
    assert len(world.created) == created
    assert world.job_deleted


@EVERY_KIND
@pytest.mark.parametrize("policy", [RestartPolicy.ON_FAILURE, RestartPolicy.ALWAYS])
def test_a_failure_that_is_replaced_does_not_end_the_job(of: Workload, policy: RestartPolicy) -> None:
    roles = {role: spec.replicas for role, spec in job_of(of).roles.items()}
    world = started(World(make_job(of, roles, policy), of))
    first = sorted(world.pods)[0]
    world.end(first, 1)
    world.step()
    assert world.job.status.has(ConditionType.RESTARTING)
    assert not world.job.status.finished
    world.step()
    assert world.created.count(first) == 2


@EVERY_KIND
def test_a_spec_that_cannot_be_carried_out_is_refused_once_and_asked_about_no_more(of: Workload) -> None:
    world = World(replace(job_of(of), roles={}), of)
    refused = decide(replace(world.observed(), problem="spec: is wrong"))
    assert refused.status is not None
    assert refused.status.has(ConditionType.FAILED)
    assert refused.requeue_at is None
    world.job = replace(world.job, status=world.stored(refused.status))
    assert decide(replace(world.observed(), problem="spec: is wrong")) == Plan()


ABSENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("gang scheduling", {"schedulingPolicy": {"minAvailable": 2, "queue": "q"}}, {}),
    ("host network", {}, {"annotations": {"kubedl.io/network-mode": "host"}}),
    ("model version", {"modelVersion": {"modelName": "m", "storage": {"nfs": {"server": "s", "path": "/p"}}}}, {}),
    ("model version without storage", {"modelVersion": {"modelName": "m"}}, {}),
    ("cache", {"cacheBackend": {"mountPath": "/cache"}}, {}),
    ("cron", {"cronPolicy": {"schedule": "* * * * *", "concurrencyPolicy": "Replace"}}, {}),
]


@pytest.mark.parametrize(("name", "spec", "metadata"), ABSENT, ids=[name for name, *_ in ABSENT])
@pytest.mark.parametrize("of", [of for of in KINDS if of.dialect.api_version == KUBEDL], ids=named)
def test_what_is_not_there_changes_no_pod(
    of: Workload, name: str, spec: dict[str, Any], metadata: dict[str, Any]
) -> None:
    roles: dict[str, dict[str, Any]] = {role: {} for role in of.conventions.required or {WORKER}}
    plain = decide(World(decoded(of, roles), of).observed())
    asked = decide(World(decoded(of, roles, metadata, **spec), of).observed())
    assert asked.create_pods == plain.create_pods != (), name
    assert asked.create_services == plain.create_services
    assert asked.extras == plain.extras
