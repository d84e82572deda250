"""What the CRDs of single kinds accept and refuse, beyond what holds for all."""

from typing import Any

import pytest

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import KUBEDL, KUBEFLOW, KUBEFLOW_V2BETA1
from kdl_workloads.frameworks.registry import BUILT_IN
from unit.kdl_workloads.crds.test_admission import SCHEMAS, problems

FRAMEWORKS = {framework.kind: framework for framework in BUILT_IN}


def job(api_version: str, kind: str, roles: dict[str, int], **spec: Any) -> dict[str, Any]:
    framework = FRAMEWORKS[kind]
    container = framework.conventions[api_version].container
    template = {"spec": {"containers": [{"name": container, "image": "train:1"}]}}
    specs = {role: {"replicas": replicas, "template": template} for role, replicas in roles.items()}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "digits", "namespace": "default"},
        "spec": {framework.replica_specs_field: specs, **spec},
    }


MEMORY = {
    "plasmaStore": "/p",
    "lockFreeFileIO": True,
    "spillDirs": ["/a"],
    "workerCachePercentage": 120,
    "workerCacheSize": "1Gi",
}


@pytest.mark.parametrize(
    ("api_version", "kind", "roles", "spec"),
    [
        (KUBEDL, "TFJob", {"aimaster": 1, "PS": 2, "worker": 2, "Evaluator": 1}, {"successPolicy": "AllWorkers"}),
        (KUBEDL, "TFJob", {"Chief": 1, "Master": 1}, {"cacheBackend": None}),
        (KUBEFLOW, "TFJob", {"Master": 1, "PS": 1}, {"enableDynamicWorker": True, "successPolicy": ""}),
        (KUBEDL, "PyTorchJob", {"AIMaster": 1, "Master": 1}, {}),
        (KUBEDL, "XDLJob", {"PS": 1, "ExtendRole": 1}, {"minFinishWorkNum": 2, "minFinishWorkRate": 100}),
        (KUBEDL, "MarsJob", {"Scheduler": 1}, {"webHost": "h", "workerMemoryTuningPolicy": MEMORY}),
        (KUBEDL, "MarsJob", {"Scheduler": 2, "WebService": 1}, {"memoryTuningPolicy": MEMORY}),
        (KUBEDL, "ElasticDLJob", {"master": 1}, {"cleanPodPolicy": "None"}),
        (KUBEFLOW, "PaddleJob", {"Master": 3}, {"elasticPolicy": {"minReplicas": 1, "maxReplicas": 2}}),
        (KUBEFLOW, "MXJob", {"TunerTracker": 1, "TunerServer": 2, "Tuner": 1}, {"jobMode": "MXTune"}),
        (KUBEFLOW, "MXJob", {"Worker": 1}, {}),
    ],
)
def test_accepted(api_version: str, kind: str, roles: dict[str, int], spec: dict[str, Any]) -> None:
    assert problems(job(api_version, kind, roles, **spec)) == []


@pytest.mark.parametrize(
    ("api_version", "kind", "roles", "spec", "message"),
    [
        (KUBEFLOW, "TFJob", {"Chief": 1, "master": 1}, {}, "has both Chief and Master"),
        (KUBEFLOW, "TFJob", {"AIMaster": 1}, {}, "use PS, Master, Chief, Worker, Evaluator"),
        (KUBEDL, "TFJob", {"Chief": 2}, {}, "spec.tfReplicaSpecs.Chief.replicas must be 1"),
        (KUBEDL, "TFJob", {"Worker": 1}, {"successPolicy": "Some"}, "successPolicy"),
        (KUBEDL, "TFJob", {"Worker": 1}, {"enableDynamicWorker": True}, 'unknown field "spec.enableDynamicWorker"'),
        (KUBEFLOW, "PyTorchJob", {"AIMaster": 1}, {}, "use Master, Worker"),
        (KUBEDL, "XDLJob", {"Worker": 1}, {"minFinishWorkRate": 101}, "minFinishWorkRate"),
        (KUBEDL, "MarsJob", {"Worker": 1}, {}, "spec.marsReplicaSpecs.Scheduler is required, once"),
        (KUBEDL, "ElasticDLJob", {"Master": 2}, {}, "spec.elasticdlReplicaSpecs.Master.replicas must be 1"),
        (KUBEDL, "ElasticDLJob", {"Worker": 1}, {}, "spec.elasticdlReplicaSpecs.Master is required, once"),
        (
            KUBEFLOW,
            "PaddleJob",
            {"Worker": 1},
            {"elasticPolicy": {"minReplicas": 3, "maxReplicas": 2}},
            "must not be above",
        ),
        (KUBEFLOW, "MXJob", {"Scheduler": 2}, {}, "spec.mxReplicaSpecs.Scheduler.replicas must be 1"),
        (KUBEFLOW, "MXJob", {"Worker": 1}, {"jobMode": "Train"}, "jobMode"),
    ],
)
def test_refused(api_version: str, kind: str, roles: dict[str, int], spec: dict[str, Any], message: str) -> None:
    assert any(message in problem for problem in problems(job(api_version, kind, roles, **spec)))


@pytest.mark.parametrize(("length", "accepted"), [(63 - len("elasticdl--master"), True), (47, False)])
def test_a_name_that_stands_in_the_middle_of_the_pods(length: int, accepted: bool) -> None:
    obj = job(KUBEDL, "ElasticDLJob", {"Master": 1})
    obj["metadata"]["name"] = "a" * length
    assert [problem for problem in problems(obj) if "metadata.name is too long" in problem] == problems(obj)
    assert (problems(obj) == []) is accepted


def test_the_container_of_an_elasticdl_master_has_any_name() -> None:
    obj = job(KUBEDL, "ElasticDLJob", {"Master": 1})
    (container,) = obj["spec"]["elasticdlReplicaSpecs"]["Master"]["template"]["spec"]["containers"]
    container["name"] = "elasticdl-mnist-master"
    assert problems(obj) == []


EVERY_KIND = [(version, framework.kind) for framework in BUILT_IN for version in framework.conventions]


def required(api_version: str, kind: str) -> dict[str, int]:
    return dict.fromkeys(FRAMEWORKS[kind].conventions[api_version].required or {"Worker"}, 1)


@pytest.mark.parametrize("kind", [kind for version, kind in EVERY_KIND if version == KUBEFLOW])
def test_who_manages_a_job_does_not_change(kind: str) -> None:
    ours = job(KUBEFLOW, kind, required(KUBEFLOW, kind))
    theirs = job(KUBEFLOW, kind, required(KUBEFLOW, kind), runPolicy={"managedBy": "kueue.x-k8s.io/multikueue"})
    assert problems(theirs) == problems(theirs, theirs) == []
    for new, old in ((ours, theirs), (theirs, ours)):
        assert "managedBy is immutable" in "\n".join(problems(new, old))


@pytest.mark.parametrize(("api_version", "kind"), EVERY_KIND)
@pytest.mark.parametrize("wrong", [None, {}, {"template": {"spec": {"containers": []}}}])
def test_a_role_without_a_container_is_refused(api_version: str, kind: str, wrong: Any) -> None:
    obj = job(api_version, kind, required(api_version, kind))
    specs = obj["spec"][FRAMEWORKS[kind].replica_specs_field]
    specs[next(iter(specs))] = wrong
    with pytest.raises(SpecError):
        dialect_for(api_version).decode(obj, FRAMEWORKS[kind])
    # KubeDL's MPIJob may have its Launcher in an older form, so that the CRD takes null for none.
    assert problems(obj) or (api_version, kind, wrong) == (KUBEDL, "MPIJob", None)


def ssh_job(version: str = KUBEFLOW_V2BETA1, **spec: Any) -> dict[str, Any]:
    return job(version, "MPIJob", {"Launcher": 1, "Worker": 2}, **spec)


def test_an_mpi_job_of_v2beta1_is_told_by_its_default() -> None:
    new, old = ssh_job(), ssh_job(KUBEFLOW)
    for obj in (new, old):
        SCHEMAS[obj["apiVersion"], "MPIJob"].default(obj)
    assert new["spec"]["sshAuthMountPath"] == "/root/.ssh"
    assert "sshAuthMountPath" not in old["spec"]


def test_an_mpi_job_keeps_its_version() -> None:
    ours, path = ssh_job(KUBEFLOW), {"sshAuthMountPath": "/home/mpi/.ssh"}
    theirs = ssh_job(KUBEFLOW, **path)
    for new, old in ((ours, theirs), (theirs, ours)):
        assert "spec.sshAuthMountPath is what v2beta1 has and no other version" in "\n".join(problems(new, old))
    assert problems(theirs, ssh_job(KUBEFLOW, sshAuthMountPath="/root/.ssh")) == []


@pytest.mark.parametrize(
    "spec",
    [{"launcherCreationPolicy": "AtStartup"}, {"mpiImplementation": "MPICH"}, {"runLauncherAsWorker": False}],
    ids=lambda spec: next(iter(spec)),
)
def test_what_only_v2beta1_has_is_refused_in_v1(spec: dict[str, Any]) -> None:
    assert problems(ssh_job(**spec)) == []
    assert "spec.runLauncherAsWorker are of v2beta1" in "\n".join(problems(ssh_job(KUBEFLOW, **spec)))


def test_an_mpi_job_may_be_the_mpi_operators() -> None:
    assert problems(ssh_job(runPolicy={"managedBy": "kubeflow.org/mpi-operator"})) == []
    other = job(KUBEFLOW, "TFJob", {"Worker": 1}, runPolicy={"managedBy": "kubeflow.org/mpi-operator"})
    assert "managedBy" in "\n".join(problems(other))
