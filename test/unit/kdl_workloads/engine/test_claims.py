"""Claims that replicas have of their own, from the first pod to the end of the job."""

from dataclasses import replace
from typing import Any

import pytest

from kdl_runtime.codec.times import format_time
from kdl_workloads.engine.claims import after_finish, claim_owner, is_going
from kdl_workloads.job import ClaimRetention, ConditionType, Job, RunPolicy
from unit.kdl_workloads.engine.world import PYTORCH, PYTORCH_KUBEDL, START, UID, WORKER, World, made_claim, make_job

TEMPLATE: dict[str, Any] = {
    "metadata": {"name": "data", "labels": {"team": "vision"}, "annotations": {"note": "x"}},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
NAMES = ["data-job-worker-0", "data-job-worker-1"]
RETAINED = ClaimRetention()


def with_claims(job: Job, retention: ClaimRetention, *templates: Any) -> Job:
    spec = replace(job.roles[WORKER], claims=templates or (TEMPLATE,), claim_retention=retention)
    return replace(job, roles={**job.roles, WORKER: spec})


def world(retention: ClaimRetention = RETAINED, **parts: Any) -> World:
    return World(with_claims(make_job(roles={WORKER: 2}, **parts), retention))


def test_a_claim_comes_with_the_pod_and_has_no_owner() -> None:
    first, _ = world().step().create_claims
    assert first["metadata"]["name"] == "data-job-worker-0"
    assert first["metadata"]["annotations"] == {"note": "x", "kdl.io/job": "PyTorchJob/job"}
    assert first["metadata"]["labels"]["team"] == "vision"
    assert first["metadata"]["labels"]["training.kubeflow.org/job-name"] == "job"
    assert first["spec"] == TEMPLATE["spec"]
    assert "ownerReferences" not in first["metadata"]


@pytest.mark.parametrize("of", [PYTORCH, PYTORCH_KUBEDL], ids=["kubeflow", "kubedl"])
def test_the_watch_of_the_dialect_sees_the_claim(of: Any) -> None:
    job = with_claims(make_job(of, roles={WORKER: 1}), ClaimRetention())
    (claim,) = World(job, of).step().create_claims
    key, _, value = of.dialect.job_selector().partition("=")
    assert claim["metadata"]["labels"][key] == (value or "job")
    assert claim_owner(made_claim(claim)) == (job.kind, job.name)


def test_a_claim_that_goes_with_the_job_is_owned_by_it() -> None:
    claim = world(ClaimRetention(delete_when_deleted=True)).step().create_claims[0]
    assert [owner["uid"] for owner in claim["metadata"]["ownerReferences"]] == [UID]


def test_the_claim_is_a_volume_in_the_place_of_one_of_its_name() -> None:
    job = with_claims(make_job(roles={WORKER: 1}), ClaimRetention())
    spec = job.roles[WORKER]
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "other", "emptyDir": {}}]
    template = {**spec.template, "spec": {**spec.template["spec"], "volumes": volumes}}
    (pod,) = World(replace(job, roles={WORKER: replace(spec, template=template)})).step().create_pods
    assert pod["spec"]["volumes"] == [
        {"name": "other", "emptyDir": {}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-job-worker-0"}},
    ]


def test_a_replaced_pod_finds_its_claim_again() -> None:
    at = world()
    at.step()
    at.run()
    at.end("job-worker-1", 1)
    made = [at.step() for _ in range(4)]
    assert at.created.count("job-worker-1") == 2
    assert sum((plan.create_claims for plan in made), ()) == ()
    assert sorted(at.claims) == NAMES


def test_a_claim_that_somebody_deletes_is_made_again_only_with_a_pod() -> None:
    at = world()
    at.step()
    at.run()
    at.claims.pop("data-job-worker-1")
    assert at.step().create_claims == ()
    at.end("job-worker-1", 1)
    for _ in range(3):
        at.step()
    assert sorted(at.claims) == NAMES


@pytest.mark.parametrize(("exit_code", "condition"), [(0, ConditionType.SUCCEEDED), (1, ConditionType.FAILED)])
@pytest.mark.parametrize("deletes", [True, False])
def test_whether_claims_stay_when_the_job_has_finished(exit_code: int, condition: ConditionType, deletes: bool) -> None:
    at = world(ClaimRetention(delete_when_finished=deletes), run_policy=RunPolicy(backoff_limit=0))
    at.step()
    at.run()
    at.end("job-worker-1", 0)
    at.step()
    at.end("job-worker-0", exit_code)
    at.step()
    assert at.job.status.has(condition)
    assert sorted(at.claims) == ([] if deletes else NAMES)


def test_claims_go_after_the_end_whatever_stopped_the_operator() -> None:
    at = world(ClaimRetention(delete_when_finished=True))
    at.step()
    at.run()
    for name in list(at.pods):
        at.end(name)
    at.step("after")
    assert at.job.status.finished
    assert sorted(at.claims) == NAMES
    # A finished job is known by its outline only.
    at.job = replace(at.job, roles={})
    at.step()
    assert at.claims == {}
    assert at.step().delete_claims == ()


def test_suspension_keeps_claims() -> None:
    at = world(ClaimRetention(delete_when_finished=True, delete_when_deleted=True))
    at.step()
    at.run()
    at.set_policy(RunPolicy(suspend=True))
    at.step()
    assert sorted(at.claims) == NAMES


def test_a_pod_waits_until_a_claim_of_an_earlier_job_is_gone() -> None:
    at = world(ClaimRetention(delete_when_deleted=True))
    old = at.step("before").create_claims[0]
    owner = {**old["metadata"]["ownerReferences"][0], "uid": "earlier"}
    at.claims["data-job-worker-0"] = made_claim(old, ownerReferences=[owner])
    plan = at.step()
    assert [pod["metadata"]["name"] for pod in plan.create_pods] == ["job-worker-1"]
    assert [claim["metadata"]["name"] for claim in plan.create_claims] == ["data-job-worker-1"]
    created = at.job.status.condition(ConditionType.CREATED)
    assert created is not None
    assert "until the PersistentVolumeClaim data-job-worker-0 of an earlier job or pod is gone" in created.message
    del at.claims["data-job-worker-0"]
    assert [pod["metadata"]["name"] for pod in at.step().create_pods] == ["job-worker-0"]
    created = at.job.status.condition(ConditionType.CREATED)
    assert created is not None
    assert "waits" not in created.message


def test_a_claim_that_was_retained_is_used_again() -> None:
    at = world()
    old = at.step("before").create_claims[0]
    at.claims["data-job-worker-0"] = made_claim(old, uid="from the job before")
    plan = at.step()
    assert len(plan.create_pods) == 2
    assert [claim["metadata"]["name"] for claim in plan.create_claims] == ["data-job-worker-1"]


def test_a_replica_that_is_scaled_in_leaves_its_claim_for_when_it_is_back() -> None:
    at = world()
    at.step()
    at.run()
    workers = at.job.roles[WORKER]
    at.job = replace(at.job, roles={WORKER: replace(workers, replicas=1)})
    for _ in range(2):
        at.step()
        if "job-worker-1" in at.pods:
            at.stopped("job-worker-1")
    assert (sorted(at.pods), sorted(at.claims)) == (["job-worker-0"], NAMES)
    at.job = replace(at.job, roles={WORKER: workers})
    plan = at.step()
    assert [pod["metadata"]["name"] for pod in plan.create_pods] == ["job-worker-1"]
    assert plan.create_claims == ()


DELETES = {"kdl.io/when-finished": "Delete"}


@pytest.mark.parametrize(
    ("metadata", "deleted"),
    [
        ({"annotations": DELETES}, True),
        ({"annotations": {}}, False),
        ({"annotations": {"kdl.io/when-finished": "Retain"}}, False),
        ({"annotations": DELETES, "deletionTimestamp": format_time(START)}, False),
    ],
)
def test_what_goes_at_the_end(metadata: dict[str, Any], deleted: bool) -> None:
    claim = made_claim({"metadata": {"name": "a", **metadata}})
    assert [delete.name for delete in after_finish([claim])] == (["a"] if deleted else [])


OWNER = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "name": "job", "controller": True}


@pytest.mark.parametrize(
    ("metadata", "going"),
    [
        ({}, False),
        ({"deletionTimestamp": format_time(START)}, True),
        ({"ownerReferences": [{**OWNER, "uid": UID}]}, False),
        ({"ownerReferences": [{**OWNER, "uid": "other"}]}, True),
    ],
)
def test_is_going(metadata: dict[str, Any], going: bool) -> None:
    assert is_going(made_claim({"metadata": {"name": "a", **metadata}}), make_job()) is going


@pytest.mark.parametrize("value", ["", "PyTorchJob", "PyTorchJob-job"])
def test_an_annotation_that_names_no_job(value: str) -> None:
    assert claim_owner(made_claim({"metadata": {"name": "a", "annotations": {"kdl.io/job": value}}})) is None
