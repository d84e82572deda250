"""The whole operator against an API server, on virtual time."""

import asyncio

import pytest

from kdl_runtime.errors import NotFound
from kdl_runtime.resources.registry import PODS
from unit.kdl_workloads.operator.cluster import (
    NAMESPACE,
    PYTORCH_JOBS,
    RESOURCES,
    XGBOOST_JOBS,
    Cluster,
    on_virtual_time,
    pytorch_job,
    xgboost_job,
)

PODS_OF_JOB = ["job-master-0", "job-worker-0", "job-worker-1"]


@on_virtual_time
async def test_a_job_runs_and_succeeds() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        job = cluster.direct.create(PYTORCH_JOBS, pytorch_job(cleanPodPolicy="All"))
        await operator.until(lambda: list(cluster.pods()) == PODS_OF_JOB)
        assert cluster.services() == PODS_OF_JOB
        assert cluster.conditions(PYTORCH_JOBS) == ["Created=True"]
        pod = cluster.pods()["job-worker-1"]
        env = {item["name"]: item["value"] for item in pod["spec"]["containers"][0]["env"]}
        assert (env["RANK"], env["WORLD_SIZE"], env["MASTER_ADDR"]) == ("2", "3", "job-master-0")
        assert pod["metadata"]["finalizers"] == ["kdl.io/outcome"]
        cluster.run_all()
        await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1] == "Running=True")
        cluster.end("job-master-0")
        await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1] == "Succeeded=True")
        await operator.settle()
        for name, pod in cluster.pods().items():
            assert pod["metadata"].get("deletionTimestamp"), name
            cluster.kill(name)
        assert (cluster.pods(), cluster.services()) == ({}, [])
        status = cluster.status(PYTORCH_JOBS)
        assert status["replicaStatuses"]["Worker"]["succeeded"] == 2
        assert "PyTorchJobSucceeded" in cluster.events()
        value = operator.manager.metrics.registry.get_sample_value
        assert value("kubedl_jobs_created", {"kind": "pytorchjob"}) == 1
        assert value("kubedl_jobs_successful", {"kind": "pytorchjob"}) == 1
        assert value("kubedl_jobs_running", {"kind": "pytorchjob"}) == 0
        of_job = {"kind": "PyTorchJob", "name": "job", "namespace": NAMESPACE, "uid": job["metadata"]["uid"]}
        assert value("kubedl_jobs_first_pod_launch_delay_seconds_count", of_job) == 1
        value_of = {name: value(f"{name}_total", {}) for name in ("created_pods", "deleted_pods", "failed_pods")}
        assert value_of == {"created_pods": 3, "deleted_pods": 3, "failed_pods": 0}
        assert value("succeeded_service_creation_total", {}) == 3
        cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job")
        await operator.settle()
        assert value("kubedl_jobs_deleted", {"kind": "pytorchjob"}) == 1
        assert "uid=" not in operator.manager.metrics.render().decode(), "series of a job that is gone"


@on_virtual_time
async def test_a_job_that_waits_costs_no_request() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.until(lambda: len(cluster.pods()) == 3)
        cluster.run_all()
        await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1] == "Running=True")
        await operator.settle()
        before = operator.transport.requests
        await asyncio.sleep(60)
        assert operator.transport.requests == before


@on_virtual_time
async def test_both_groups_are_served_and_roles_wait() -> None:
    cluster = Cluster(*RESOURCES)
    async with cluster.operator() as operator:
        assert [controller.name for controller in operator.controllers] == [
            "pytorchjob-kubedl",
            "pytorchjob-kubeflow",
            "xgboostjob-kubedl",
            "xgboostjob-kubeflow",
        ]
        cluster.direct.create(XGBOOST_JOBS, xgboost_job())
        await operator.until(lambda: list(cluster.pods()) == ["job-master-0"])
        cluster.run("job-master-0")
        await operator.until(lambda: list(cluster.pods()) == ["job-master-0", "job-worker-0"])
        cluster.end("job-master-0")
        await operator.until(lambda: cluster.conditions(XGBOOST_JOBS)[-1] == "Succeeded=True")


@on_virtual_time
async def test_a_failed_pod_is_replaced_after_its_outcome_was_stored() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.until(lambda: len(cluster.pods()) == 3)
        cluster.run_all()
        first = cluster.pods()["job-worker-1"]["metadata"]["uid"]
        await operator.settle()
        cluster.end("job-worker-1", 1)
        await operator.until(lambda: "job-worker-1" in cluster.pods() and uid(cluster, "job-worker-1") != first)
        status = cluster.status(PYTORCH_JOBS)
        assert status["attempts"] == 1
        assert status["firstFailure"]["pod"] == "job-worker-1"
        assert "PyTorchJobRestarting" in cluster.events()


@on_virtual_time
async def test_an_operator_that_was_killed_goes_on_where_it_was() -> None:
    cluster = Cluster()
    cluster.direct.create(PYTORCH_JOBS, pytorch_job())
    async with cluster.operator() as operator:
        await operator.until(lambda: len(cluster.pods()) == 3)
        cluster.run_all()
        await operator.settle()
    uids = {name: uid(cluster, name) for name in PODS_OF_JOB}
    cluster.end("job-worker-0")
    cluster.direct.delete(PODS, NAMESPACE, "job-worker-0", grace_period_seconds=0)
    assert "job-worker-0" in cluster.pods(), "the finalizer keeps the outcome while no operator runs"
    async with cluster.operator() as operator:
        await operator.until(lambda: "job-worker-0" not in cluster.pods())
        await operator.settle()
        assert {name: uid(cluster, name) for name in cluster.pods()} == {
            name: uids[name] for name in ("job-master-0", "job-worker-1")
        }
        assert cluster.status(PYTORCH_JOBS)["replicaStatuses"]["Worker"]["succeededIndexes"] == "0"


@on_virtual_time
async def test_the_deadline_and_the_time_to_live_come_by_themselves() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job(activeDeadlineSeconds=3600, ttlSecondsAfterFinished=600))
        await operator.until(lambda: len(cluster.pods()) == 3)
        await asyncio.sleep(3590)
        assert cluster.conditions(PYTORCH_JOBS) == ["Created=True"]
        await asyncio.sleep(20)
        assert cluster.conditions(PYTORCH_JOBS)[-1] == "Failed=True"
        await asyncio.sleep(570)
        assert cluster.conditions(PYTORCH_JOBS)[-1] == "Failed=True"
        await asyncio.sleep(30)
        with pytest.raises(NotFound):
            cluster.direct.get(PYTORCH_JOBS, NAMESPACE, "job")


@on_virtual_time
async def test_pods_of_a_job_that_is_gone_are_let_go() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.until(lambda: len(cluster.pods()) == 3)
        cluster.direct.delete(PYTORCH_JOBS, NAMESPACE, "job", propagation="Background")
        await operator.settle()
        assert not any(pod["metadata"].get("finalizers") for pod in cluster.pods().values())


@on_virtual_time
async def test_a_bad_template_fails_its_job_and_no_other() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        bad = pytorch_job("bad")
        for spec in bad["spec"]["pytorchReplicaSpecs"].values():
            spec["template"]["spec"]["volumes"] = [{"name": "UPPER_case", "emptyDir": {}}]
        cluster.direct.create(PYTORCH_JOBS, bad)
        cluster.direct.create(PYTORCH_JOBS, pytorch_job("good"))
        await operator.until(lambda: len([name for name in cluster.pods() if name.startswith("good")]) == 3)
        await operator.settle()
        failed = cluster.status(PYTORCH_JOBS, "bad")["conditions"][-1]
        assert (failed["type"], failed["reason"]) == ("Failed", "PyTorchJobFailedValidation")
        assert "UPPER_case" in failed["message"]


@on_virtual_time
async def test_a_job_that_was_refused_goes_at_its_time() -> None:
    cluster = Cluster(rules=False)
    refused = pytorch_job("r" * 60, ttlSecondsAfterFinished=100)
    name = refused["metadata"]["name"]
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, refused)
        await operator.until(lambda: cluster.conditions(PYTORCH_JOBS, name)[-1:] == ["Failed=True"])
        await asyncio.sleep(110)
        with pytest.raises(NotFound):
            cluster.direct.get(PYTORCH_JOBS, NAMESPACE, name)


@on_virtual_time
async def test_a_name_that_is_taken_is_told_and_waited_for() -> None:
    cluster = Cluster()
    async with cluster.operator() as operator:
        containers = [{"name": "a", "image": "b"}]
        stranger = {"metadata": {"name": "job-worker-0", "namespace": NAMESPACE}, "spec": {"containers": containers}}
        cluster.direct.create(PODS, stranger)
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.settle()
        created = cluster.status(PYTORCH_JOBS)["conditions"][0]
        assert "Pod job-worker-0 exists and belongs to no job" in created["message"]
        assert "NameConflict" in cluster.events()
        cluster.direct.delete(PODS, NAMESPACE, "job-worker-0", grace_period_seconds=0)
        await operator.until(lambda: len(cluster.pods()) == 3)
        cluster.run_all()
        await operator.settle()
        assert "It waits" not in cluster.status(PYTORCH_JOBS)["conditions"][0]["message"]


@on_virtual_time
async def test_a_name_that_the_other_group_has_taken() -> None:
    """A job of the same kind and name in the other API group is no earlier one of this job: nobody deletes it."""
    cluster = Cluster()
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job())
        await operator.settle()
        owner = {**cluster.pods()["job-worker-0"]["metadata"]["ownerReferences"][0]}
        owner |= {"apiVersion": "training.kubedl.io/v1alpha1", "uid": "another"}
        containers = [{"name": "a", "image": "b"}]
        metadata = {"name": "twin-worker-0", "namespace": NAMESPACE, "ownerReferences": [owner | {"name": "twin"}]}
        cluster.direct.create(PODS, {"metadata": metadata, "spec": {"containers": containers}})
        cluster.direct.create(PYTORCH_JOBS, pytorch_job("twin"))
        await operator.settle()
        created = cluster.status(PYTORCH_JOBS, "twin")["conditions"][0]
        assert "belongs to PyTorchJob twin of training.kubedl.io/v1alpha1" in created["message"]
        assert "NameConflict" in cluster.events()


@on_virtual_time
async def test_a_restart_is_told_once() -> None:
    """Not again when it is over, in the words of when it began."""
    cluster = Cluster()
    async with cluster.operator() as operator:
        await operator.run_job()
        failed = uid(cluster, "job-master-0")
        cluster.end("job-master-0", 137)
        await operator.until(lambda: "job-master-0" in cluster.pods() and uid(cluster, "job-master-0") != failed)
        # From Restarting to the end, without a Running that anybody would have seen.
        cluster.run("job-master-0")
        cluster.end("job-master-0")
        await operator.until(lambda: cluster.conditions(PYTORCH_JOBS)[-1:] == ["Succeeded=True"])
        await operator.settle()
        assert cluster.events().count("PyTorchJobRestarting") == 1


@on_virtual_time
async def test_a_job_of_another_manager_is_not_touched() -> None:
    cluster = Cluster(rules=False)
    broken = pytorch_job("b" * 60, managedBy="kueue.x-k8s.io/multikueue")
    async with cluster.operator() as operator:
        cluster.direct.create(PYTORCH_JOBS, pytorch_job(managedBy="kueue.x-k8s.io/multikueue"))
        cluster.direct.create(PYTORCH_JOBS, broken)
        await operator.settle()
        assert cluster.status(PYTORCH_JOBS) == {}
        assert cluster.status(PYTORCH_JOBS, broken["metadata"]["name"]) == {}
        assert (cluster.pods(), cluster.services(), cluster.events()) == ({}, [], [])


def uid(cluster: Cluster, name: str) -> str:
    return str(cluster.pods()[name]["metadata"]["uid"])
