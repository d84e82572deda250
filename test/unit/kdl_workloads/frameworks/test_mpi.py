"""MPIJob: files, pods, rights, older forms, and status rules."""

from typing import Any

import pytest

from kdl_rsh.layout import AGENT_CONTAINER
from kdl_rsh.script import SCRIPT
from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import KUBEDL, KUBEFLOW, Phase, RoleState, Verdict
from kdl_workloads.frameworks.mpi import MPI
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

PLUGIN = MPI("registry/agent:1")
GPU = "nvidia.com/gpu"


def decoded(version: str, spec: dict[str, Any]) -> Job:
    metadata = {"name": "job", "namespace": "team", "uid": "u"}
    obj = {"apiVersion": version, "kind": "MPIJob", "metadata": metadata, "spec": spec}
    return dialect_for(version).decode(obj, PLUGIN)


def template(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "image": "mpi:1"}], **spec}}


def roles(launcher: dict[str, Any] | None = None, workers: int | None = 2) -> dict[str, Any]:
    count = {} if workers is None else {"replicas": workers}
    return {"Launcher": {"template": launcher or template()}, "Worker": {**count, "template": template()}}


def files(job: Job) -> dict[str, str]:
    found: dict[str, str] = PLUGIN.objects(job)[0].body["data"]
    return found


@pytest.mark.parametrize(
    ("version", "clean", "port"), [(KUBEDL, CleanPodPolicy.RUNNING, 2222), (KUBEFLOW, CleanPodPolicy.NONE, 9999)]
)
def test_defaults(version: str, clean: CleanPodPolicy, port: int) -> None:
    job = decoded(version, {"mpiReplicaSpecs": roles(workers=None)})
    assert {name: spec.replicas for name, spec in job.roles.items()} == {"Worker": 1, "Launcher": 1}
    assert {spec.restart_policy for spec in job.roles.values()} == {RestartPolicy.NEVER}
    assert job.run_policy.clean_pod_policy is clean
    assert PLUGIN.conventions[version].port == port
    assert not any(PLUGIN.has_service(job, role) for role in job.roles)
    assert PLUGIN.waits_for(job, "Launcher") == {"Worker": Phase.RUNNING}


@pytest.mark.parametrize(
    ("version", "spec", "hosts"),
    [
        (KUBEDL, {}, "job-worker-0 slots=1\njob-worker-1 slots=1\n"),
        (KUBEDL, {"slotsPerWorker": 4}, "job-worker-0 slots=4\njob-worker-1 slots=4\n"),
        (KUBEDL, {"mpiDistribution": "IntelMPI", "slotsPerWorker": 2}, "job-worker-0:2\njob-worker-1:2\n"),
        (KUBEDL, {"mpiDistribution": "MPICH"}, "job-worker-0:1\njob-worker-1:1\n"),
        (KUBEFLOW, {"slotsPerWorker": 3}, "job-worker-0 slots=3\njob-worker-1 slots=3\n"),
    ],
)
def test_hosts(version: str, spec: dict[str, Any], hosts: str) -> None:
    found = files(decoded(version, {"mpiReplicaSpecs": roles(), **spec}))
    assert found["hostfile"] == hosts
    assert found["kubexec.sh"] == SCRIPT
    slots = spec.get("slotsPerWorker", 1)
    assert found["discover_hosts.sh"] == f"#!/bin/sh\necho job-worker-0:{slots}\necho job-worker-1:{slots}\n"


@pytest.mark.parametrize(
    ("distribution", "line"), [("OpenMPI", "job-launcher-0 slots=2"), ("IntelMPI", "job-launcher-0:2")]
)
def test_a_launcher_with_a_device_computes_in_kubedl(distribution: str, line: str) -> None:
    """In the form of its MPI; without a device it is no host."""
    spec = {"mpiDistribution": distribution, "slotsPerWorker": 2}
    device = template()
    device["spec"]["containers"][0]["resources"] = {"requests": {GPU: 1}}
    with_device = files(decoded(KUBEDL, {"mpiReplicaSpecs": roles(device), **spec}))["hostfile"].splitlines()
    assert (len(with_device), with_device[0]) == (3, line)
    assert len(files(decoded(KUBEFLOW, {"mpiReplicaSpecs": roles(device)}))["hostfile"].splitlines()) == 2


def test_the_files_follow_the_number_of_workers() -> None:
    fewer, more = (PLUGIN.objects(decoded(KUBEFLOW, {"mpiReplicaSpecs": roles(workers=n)}))[0] for n in (1, 3))
    assert not fewer.once
    assert len(more.body["data"]["hostfile"].splitlines()) == 3


def test_a_job_without_workers() -> None:
    job = decoded(KUBEFLOW, {"mpiReplicaSpecs": {"Launcher": {"template": template()}}})
    assert files(job)["hostfile"] == ""


@pytest.mark.parametrize("version", [KUBEDL, KUBEFLOW])
def test_only_the_agent_has_a_token(version: str) -> None:
    job = decoded(version, {"mpiReplicaSpecs": roles(), "mainContainer": "main"})
    spec = PLUGIN.pod_template(job, "Launcher", 0)["spec"]
    [agent] = spec["initContainers"]
    assert (agent["name"], agent["image"], agent["restartPolicy"]) == (AGENT_CONTAINER, "registry/agent:1", "Always")
    assert agent["command"] == ["kdl", "rsh-agent", "--pods", "job-worker-", "--container", "main"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("job-launcher", False)
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert token in [mount["mountPath"] for mount in agent["volumeMounts"]]
    mounts = [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]]
    assert mounts == ["/etc/mpi", "/run/kdl-rsh"]


@pytest.mark.parametrize("version", [KUBEDL, KUBEFLOW])
def test_an_account_of_its_own_may_enter_pods(version: str) -> None:
    _, account, binding = PLUGIN.objects(decoded(version, {"mpiReplicaSpecs": roles()}))
    assert (account.resource.kind, account.body["metadata"]["name"]) == ("ServiceAccount", "job-launcher")
    assert binding.body["roleRef"]["name"] == "kdl-mpi-launcher"
    assert binding.body["subjects"] == [{"kind": "ServiceAccount", "name": "job-launcher", "namespace": "team"}]
    assert account.once and binding.once


def test_an_account_that_the_user_has_chosen_stays() -> None:
    job = decoded(KUBEFLOW, {"mpiReplicaSpecs": roles(template(serviceAccountName="mine"))})
    _, binding = PLUGIN.objects(job)
    assert binding.body["subjects"][0]["name"] == "mine"
    spec = PLUGIN.pod_template(job, "Launcher", 0)["spec"]
    assert spec["serviceAccountName"] == "mine"
    assert "automountServiceAccountToken" not in spec


def test_workers_sleep_unless_they_have_something_to_do() -> None:
    specs = roles()
    specs["Worker"]["template"]["spec"]["containers"].append({"name": "b", "image": "i", "args": ["serve"]})
    spec = PLUGIN.pod_template(decoded(KUBEFLOW, {"mpiReplicaSpecs": specs}), "Worker", 1)["spec"]
    assert [(item.get("command"), item.get("args")) for item in spec["containers"]] == [
        (["sleep"], ["365d"]),
        (None, ["serve"]),
    ]
    assert "initContainers" not in spec
    [volume] = spec["volumes"]
    assert [item["path"] for item in volume["configMap"]["items"]] == ["kubexec.sh"]
    assert volume["configMap"]["name"] == "job-config"


def test_what_the_user_has_in_the_pod_stays() -> None:
    mine = template(volumes=[{"name": "data"}], initContainers=[{"name": "fetch", "image": "i"}])
    mine["spec"]["containers"][0]["env"] = [{"name": "A", "value": "b"}]
    spec = PLUGIN.pod_template(decoded(KUBEDL, {"mpiReplicaSpecs": roles(mine)}), "Launcher", 0)["spec"]
    assert [item["name"] for item in spec["initContainers"]] == [AGENT_CONTAINER, "fetch"]
    assert spec["volumes"][0] == {"name": "data"}
    assert spec["containers"][0]["env"][0] == {"name": "A", "value": "b"}


# ---- older forms


@pytest.mark.parametrize(
    ("older", "workers", "slots"),
    [
        ({"gpus": 8, "gpusPerNode": 8}, 1, 8),
        ({"gpus": 8, "gpusPerNode": 4}, 2, 4),
        ({"gpus": 8}, 8, 1),
        ({"gpus": 2, "gpusPerNode": 8}, 1, 2),
        ({"processingUnits": 6, "processingUnitsPerNode": 3}, 2, 3),
        ({"replicas": 3}, 3, 2),
        ({"replicas": 3, "processingResourceType": "cpu"}, 3, 5),
    ],
)
@pytest.mark.parametrize("specs", [{}, None])
def test_older_forms(older: dict[str, Any], workers: int, slots: int, specs: Any) -> None:
    limited = template()
    limited["spec"]["containers"][0]["resources"] = {"limits": {GPU: 2, "cpu": "4500m"}}
    given = {} if specs is None else {"mpiReplicaSpecs": specs}
    job = decoded(KUBEDL, {**older, "template": limited, **given})
    assert (job.roles["Worker"].replicas, job.roles["Launcher"].replicas) == (workers, 1)
    assert job.options["slotsPerWorker"] == slots


def test_what_is_given_in_today_s_form_wins() -> None:
    job = decoded(KUBEDL, {"gpus": 8, "slotsPerWorker": 3, "mpiReplicaSpecs": roles(), "template": template()})
    assert (job.roles["Worker"].replicas, job.options["slotsPerWorker"]) == (2, 3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"gpus": 8, "gpusPerNode": 3}, r"spec.gpus: is 8 and must be a multiple of 3, the number per node"),
        ({"gpus": 8, "processingUnits": 8}, r"spec.gpus: excludes spec.processingUnits"),
        ({"gpus": 8}, r"spec.mpiReplicaSpecs: is required"),
        ({"mpiReplicaSpecs": {"Worker": {"template": template()}}}, r"spec.mpiReplicaSpecs.Launcher: is required"),
    ],
)
def test_what_does_not_fit_together_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        decoded(KUBEDL, spec)


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ({"runPolicy": {"cleanPodPolicy": "All"}}, CleanPodPolicy.ALL),
        ({"cleanPodPolicy": "All"}, CleanPodPolicy.ALL),
        ({"cleanPodPolicy": "None", "runPolicy": {"cleanPodPolicy": "All"}}, CleanPodPolicy.ALL),
    ],
)
@pytest.mark.parametrize("version", [KUBEDL, KUBEFLOW])
def test_both_places_of_the_run_policy(version: str, spec: dict[str, Any], policy: CleanPodPolicy) -> None:
    assert decoded(version, {"mpiReplicaSpecs": roles(), **spec}).run_policy.clean_pod_policy is policy


def test_inline_limits_fill_the_gaps_of_a_run_policy() -> None:
    job = decoded(KUBEDL, {"mpiReplicaSpecs": roles(), "backoffLimit": 1, "runPolicy": {"activeDeadlineSeconds": 9}})
    assert (job.run_policy.backoff_limit, job.run_policy.active_deadline_seconds) == (1, 9)


# ---- status


RUNS, DONE = Verdict(ConditionType.RUNNING), Verdict(ConditionType.SUCCEEDED)
FAILED = ConditionType.FAILED


@pytest.mark.parametrize(
    ("launcher", "worker", "kubedl", "kubeflow"),
    [
        (RoleState(1), RoleState(2, active=2), Verdict(), Verdict()),
        (RoleState(1, active=1), RoleState(2, active=1), Verdict(), RUNS),
        (RoleState(1, active=1), RoleState(2, active=2), RUNS, RUNS),
        (RoleState(1, succeeded_indexes=frozenset({0})), RoleState(2, active=2), DONE, DONE),
        (
            RoleState(1, failed=1),
            RoleState(2, active=2),
            Verdict(FAILED, "Launcher", 1),
            Verdict(FAILED, "Launcher", 1),
        ),
        (RoleState(1, active=1), RoleState(2, failed=1), Verdict(FAILED, "Worker", 1), Verdict(FAILED, "Worker", 1)),
    ],
)
def test_status(launcher: RoleState, worker: RoleState, kubedl: Verdict, kubeflow: Verdict) -> None:
    for version, wanted in ((KUBEDL, kubedl), (KUBEFLOW, kubeflow)):
        job = decoded(version, {"mpiReplicaSpecs": roles()})
        assert PLUGIN.evaluate(job, {"Launcher": launcher, "Worker": worker}) == wanted


def test_who_is_the_master() -> None:
    for version, master in ((KUBEDL, False), (KUBEFLOW, True)):
        job = decoded(version, {"mpiReplicaSpecs": roles()})
        assert PLUGIN.is_master(job, "Launcher", 0) is master
        assert not PLUGIN.is_master(job, "Worker", 0)
    assert PLUGIN.child_name(decoded(KUBEFLOW, {"mpiReplicaSpecs": roles()}), "Launcher", 0) == "job-launcher"
    assert PLUGIN.child_name(decoded(KUBEDL, {"mpiReplicaSpecs": roles()}), "Launcher", 0) == "job-launcher-0"


def test_texts() -> None:
    job = decoded(KUBEDL, {"mpiReplicaSpecs": roles()})
    texts = dialect_for(KUBEDL).texts_for(PLUGIN.conventions[KUBEDL])
    assert texts.succeeded(job).message == "MPIJob job has successfully completed."
    assert texts.failed(job, "Launcher", 1).message == "MPIJob job is failed because 1 Launcher replica(s) failed"
    job = decoded(KUBEFLOW, {"mpiReplicaSpecs": roles()})
    texts = dialect_for(KUBEFLOW).texts_for(PLUGIN.conventions[KUBEFLOW])
    assert texts.running(job).message == "MPIJob job is running."
    assert texts.succeeded(job).message == "MPIJob job is successfully completed."
