"""The objects that are sent to the API server."""

from dataclasses import replace

import pytest

from kdl_workloads.engine.failure import MAX_MESSAGE, describe, signal_of
from kdl_workloads.engine.outcome import Outcome
from kdl_workloads.engine.pods import desired_pod, overwritten_restart_policies
from kdl_workloads.engine.replicas import Replica, places
from kdl_workloads.engine.services import desired_service
from kdl_workloads.framework import MASTER
from kdl_workloads.job import RestartPolicy
from unit.kdl_workloads.engine.world import PYTORCH, PYTORCH_KUBEDL, START, UID, WORKER, make_job, make_pod

OWNER = {
    "apiVersion": "kubeflow.org/v1",
    "kind": "PyTorchJob",
    "name": "job",
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": True,
}


def test_a_pod_carries_what_finds_and_holds_it() -> None:
    pod = desired_pod(PYTORCH, make_job(), MASTER, 0)
    assert pod["metadata"] == {
        "name": "job-master-0",
        "namespace": "ns",
        "labels": {
            "training.kubeflow.org/operator-name": "pytorchjob-controller",
            "training.kubeflow.org/job-name": "job",
            "training.kubeflow.org/replica-type": "master",
            "training.kubeflow.org/replica-index": "0",
            "training.kubeflow.org/job-role": "master",
        },
        "annotations": {"kdl.io/attempt": "0"},
        "finalizers": ["kdl.io/outcome"],
        "ownerReferences": [OWNER],
    }
    assert {item["name"] for item in pod["spec"]["containers"][0]["env"]} >= {"RANK", "WORLD_SIZE", "MASTER_ADDR"}


def test_metadata_of_the_template_is_kept_below_the_operators() -> None:
    job = make_job()
    metadata = {
        "name": "ignored",
        "annotations": {"a": "b"},
        "finalizers": ["x/y"],
        "labels": {"mine": "1", "training.kubeflow.org/job-name": "forged"},
    }
    template = {**job.roles[WORKER].template, "metadata": metadata}
    job = replace(job, roles={**job.roles, WORKER: replace(job.roles[WORKER], template=template)})
    found = desired_pod(PYTORCH, job, WORKER, 1)["metadata"]
    assert found["name"] == "job-worker-1"
    assert found["annotations"] == {"a": "b", "kdl.io/attempt": "0"}
    assert found["finalizers"] == ["kdl.io/outcome", "x/y"]
    assert (found["labels"]["mine"], found["labels"]["training.kubeflow.org/job-name"]) == ("1", "job")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (RestartPolicy.ALWAYS, "Always"),
        (RestartPolicy.ON_FAILURE, "OnFailure"),
        (RestartPolicy.NEVER, "Never"),
        (RestartPolicy.EXIT_CODE, "Never"),
    ],
)
def test_the_restart_policy_of_the_role_is_the_pods(policy: RestartPolicy, expected: str) -> None:
    job = make_job(policy=policy)
    assert desired_pod(PYTORCH, job, WORKER, 0)["spec"]["restartPolicy"] == expected
    assert overwritten_restart_policies(job) == []


def test_a_restart_policy_in_the_template_is_told() -> None:
    job = make_job(policy=RestartPolicy.EXIT_CODE)
    spec = {**job.roles[WORKER].template["spec"], "restartPolicy": "Always"}
    roles = {**job.roles, WORKER: replace(job.roles[WORKER], template={"spec": spec})}
    assert overwritten_restart_policies(replace(job, roles=roles)) == [WORKER]


def test_a_service_names_one_pod_before_it_is_ready() -> None:
    service = desired_service(PYTORCH_KUBEDL, make_job(PYTORCH_KUBEDL), MASTER, 0)
    assert service["metadata"]["name"] == "job-master-0"
    assert service["metadata"]["labels"]["job-role"] == "master"
    assert service["spec"] == {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {
            "group-name": "training.kubedl.io",
            "job-name": "job",
            "replica-type": "master",
            "replica-index": "0",
        },
        "ports": [{"name": "pytorchjob-port", "port": 23456, "targetPort": 23456}],
    }


def test_ports_without_a_name_get_one() -> None:
    job = make_job()
    ports = [{"containerPort": 80, "protocol": "UDP"}, {"name": "a", "containerPort": 81}]
    template = {"spec": {"containers": [{"name": "pytorch", "ports": ports}]}}
    job = replace(job, roles={WORKER: replace(job.roles[WORKER], template=template)})
    assert desired_service(PYTORCH, job, WORKER, 0)["spec"]["ports"] == [
        {"name": "port-80", "port": 80, "targetPort": 80, "protocol": "UDP"},
        {"name": "a", "port": 81, "targetPort": 81},
    ]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("job-worker-0", (WORKER, 0)),
        ("job-master-12", (MASTER, 12)),
        ("job-worker-01", None),
        ("job-worker-", None),
        ("job-worker-a", None),
        ("job-worker--1", None),
        ("job-ps-0", None),
        ("other-worker-0", None),
        ("worker-0", None),
        ("job", None),
    ],
)
def test_the_place_that_a_name_means(name: str, place: tuple[str, int] | None) -> None:
    assert places(make_job(), PYTORCH.framework)(name) == place


def test_a_failure_names_what_failed_where_and_how() -> None:
    states = [
        {"name": "sidecar", "state": {"terminated": {"exitCode": 1}}},
        {
            "name": "pytorch",
            "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "x" * 5000 + "MemoryError\n"}},
        },
    ]
    pod = make_pod("job-worker-1", "Failed", containers=states, node="node-7")
    failure = describe(Replica(WORKER, 1, pod, Outcome.FAILED, replaced=True, restarts=0), "pytorch", START)
    assert (failure.pod, failure.role, failure.index, failure.node) == ("job-worker-1", WORKER, 1, "node-7")
    assert (failure.container, failure.exit_code, failure.signal) == ("pytorch", 137, 9)
    assert failure.reason == "OOMKilled"
    assert failure.message.endswith("MemoryError")
    assert len(failure.message) == MAX_MESSAGE


@pytest.mark.parametrize(("exit_code", "signal"), [(0, None), (1, None), (128, None), (137, 9), (143, 15), (255, None)])
def test_signals(exit_code: int, signal: int | None) -> None:
    assert signal_of(exit_code) == signal
