"""What the engine does for hooks of a plugin: gates, names without an index, further objects, fields of the status."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kdl_runtime.resources.registry import CONFIGMAPS
from kdl_workloads.engine.decide import decide
from kdl_workloads.engine.replicas import places
from kdl_workloads.framework import Conventions, Extra, Gate, RoleState, Verdict
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.job import ConditionType, Job, RestartPolicy
from unit.kdl_workloads.engine.world import KUBEDL, KUBEFLOW, MASTER, WORKER, World, make_job, make_pod, workload

GATE = Gate(MASTER, "ready", "yes")


CONVENTIONS = replace(
    PyTorch.conventions[KUBEFLOW], gate=GATE, pod_names={MASTER: "launch-{job}"}, services=frozenset({MASTER})
)


class Hooked(PyTorch):
    """A kind with everything that a plugin may ask of the engine."""

    conventions: Mapping[str, Conventions] = {KUBEFLOW: CONVENTIONS}

    def objects(self, job: Job) -> Sequence[Extra]:
        body = {"metadata": {"name": f"{job.name}-config", "labels": {"app": "a"}}, "data": {"a": "b"}}
        return [Extra(CONFIGMAPS, body)]

    def status_fields(self, job: Job) -> dict[str, Any]:
        return {"address": "here", "gone": None}

    def fails_job(self, job: Job, role: str) -> bool:
        return role == MASTER


OF = workload(Hooked())


def world(annotations: dict[str, str] | None = None) -> World:
    return World(replace(make_job(OF), annotations=annotations or {}), OF)


def created(world: World) -> list[str]:
    return [pod["metadata"]["name"] for pod in world.step().create_pods]


def test_roles_wait_for_the_gate_and_the_job_says_so() -> None:
    closed = world()
    assert created(closed) == ["launch-job"]
    (condition,) = closed.job.status.conditions
    assert condition.message.endswith("It waits for the annotation ready=yes, which its Master sets.")
    closed.job = replace(closed.job, annotations={"ready": "yes"})
    assert created(closed) == ["job-worker-0", "job-worker-1"]
    assert "waits" not in closed.job.status.conditions[0].message


def test_a_pod_without_an_index_is_known_again() -> None:
    place_of = places(make_job(OF), OF.framework)
    assert place_of("launch-job") == (MASTER, 0)
    assert place_of("job-worker-11") == (WORKER, 11)
    assert [place_of(name) for name in ("launch-job-0", "job-master-0", "launch-jo")] == [None] * 3
    running = world()
    running.step()
    running.run()
    assert running.step().create_pods == ()


def test_its_service_has_the_same_name() -> None:
    (service,) = world().step().create_services
    assert service["metadata"]["name"] == "launch-job"


def test_further_objects_are_the_jobs_own() -> None:
    (extra,) = world().step().extras
    owner = {"controller": True, "blockOwnerDeletion": True, "name": "job", "uid": "job-uid"}
    assert extra.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "job-config",
            "namespace": "ns",
            "labels": {"app": "a", **OF.dialect.job_labels(make_job(OF))},
            "ownerReferences": [{"apiVersion": KUBEFLOW, "kind": "PyTorchJob", **owner}],
        },
        "data": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("pods", "minutes", "made"),
    [
        ("missing", 0.5, False),
        ("missing", 2, True),
        ("waiting", 2, False),
        ("waiting", 10, True),
        ("running", 10, False),
        ("running", 60, True),
    ],
)
def test_further_objects_are_seen_to_again_before_new_pods_and_now_and_then(
    pods: str, minutes: float, made: bool
) -> None:
    known = world({"ready": "yes"})
    if pods != "missing":
        known.step()
    if pods == "running":
        known.run()
    observed = replace(known.observed(), extras_at=known.now - timedelta(minutes=minutes))
    plan = decide(observed)
    assert bool(plan.extras) == made
    if pods != "missing" and not made:
        assert plan.requeue_at == known.now + timedelta(minutes={"waiting": 10, "running": 60}[pods] - minutes)


def test_a_suspended_job_gets_no_further_objects() -> None:
    known = world()
    suspended = replace(known.job, run_policy=replace(known.job.run_policy, suspend=True))
    assert decide(replace(known.observed(), job=suspended)).extras == ()


def test_fields_of_the_status() -> None:
    known = world()
    known.job = replace(known.job, status=replace(known.job.status, extra={"gone": 1, "other": 2}))
    known.step()
    assert known.job.status.extra == {"address": "here", "other": 2}


@pytest.mark.parametrize(
    ("failed", "verdict"),
    [(WORKER, Verdict()), (MASTER, Verdict(ConditionType.FAILED, MASTER, 1))],
)
def test_failures_of_a_role_that_do_not_count(failed: str, verdict: Verdict) -> None:
    roles = {MASTER: RoleState(1), WORKER: RoleState(2), failed: RoleState(1, failed=1)}
    assert OF.framework.evaluate(make_job(OF), roles) == verdict


def test_a_failure_that_does_not_count_is_not_repaired_either() -> None:
    running = world({"ready": "yes"})
    running.step()
    running.pods["job-worker-0"] = make_pod("job-worker-0", "Failed", exit_code=1, policy="Never")
    running.job = replace(
        running.job,
        roles={role: replace(spec, restart_policy=RestartPolicy.NEVER) for role, spec in running.job.roles.items()},
    )
    running.run("launch-job", "job-worker-1")
    running.step()
    assert running.job.status.has(ConditionType.RUNNING)
    assert not running.job.status.finished
    assert "job-worker-0" in running.pods


def test_the_texts_are_the_kinds() -> None:
    conventions: Conventions = OF.conventions
    assert OF.dialect.texts_for(conventions) is OF.dialect.texts
    assert conventions.wording == {}
    other = workload(PyTorch(), KUBEDL)
    assert other.dialect.texts_for(other.conventions) is other.dialect.texts
