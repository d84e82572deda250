"""The same job in the other API group."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdl_workloads.framework import KUBEDL, KUBEFLOW
from kdl_workloads.frameworks.registry import frameworks
from kdl_workloads.migration.conversion import Conversion, ConversionError, convert, remaining_differences
from kdl_workloads.migration.differences import differences

BOTH = sorted(name for name, of in frameworks().items() if {KUBEDL, KUBEFLOW} <= of.conventions.keys())


def manifest(kind: str, version: str, **spec: Any) -> dict[str, Any]:
    """A job of the kind with every role that both groups have."""
    framework = frameworks()[kind]
    container = {"name": framework.conventions[version].container, "image": "train:1"}
    roles = {role.name: {"template": {"spec": {"containers": [container]}}} for role in _roles(kind)}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "job", "namespace": "team"},
        "spec": {framework.replica_specs_field: roles, **spec},
    }


def _roles(kind: str) -> list[Any]:
    framework = frameworks()[kind]
    both = {role.name for role in framework.roles_in(KUBEDL)} & {role.name for role in framework.roles_in(KUBEFLOW)}
    # A TFJob has one of the two.
    return [role for role in framework.roles if role.name in both - ({"Chief"} if "Master" in both else set())]


def converted(obj: dict[str, Any], to: str) -> Conversion:
    return convert(obj, frameworks()[obj["kind"]], to)


def other(version: str) -> str:
    return KUBEFLOW if version == KUBEDL else KUBEDL


@pytest.mark.parametrize("version", [KUBEDL, KUBEFLOW])
@pytest.mark.parametrize("kind", BOTH)
def test_a_job_without_any_default_written_out_stays_the_same_job(kind: str, version: str) -> None:
    conversion = converted(manifest(kind, version), other(version))
    assert conversion.after.api_version == other(version)
    assert list(remaining_differences(conversion)) == []
    assert {role: spec.restart_policy for role, spec in conversion.after.roles.items()} == {
        role: spec.restart_policy for role, spec in conversion.before.roles.items()
    }
    framework = frameworks()[kind]
    for role in conversion.before.roles:
        assert framework.port(conversion.after, role) == framework.port(conversion.before, role)


@pytest.mark.parametrize("kind", BOTH)
def test_there_and_back_is_the_same_job(kind: str) -> None:
    there = converted(manifest(kind, KUBEDL, backoffLimit=3, activeDeadlineSeconds=60), KUBEFLOW)
    back = converted(there.object, KUBEDL)
    assert (there.lost, back.lost) == ((), ())
    assert back.after.run_policy == there.before.run_policy
    assert {role: (spec.replicas, spec.restart_policy) for role, spec in back.after.roles.items()} == {
        role: (spec.replicas, spec.restart_policy) for role, spec in there.before.roles.items()
    }


def test_the_run_policy_moves() -> None:
    scheduling = {"minAvailable": 2, "queue": "q", "priorityClassName": "high"}
    limits = {"cleanPodPolicy": "All", "backoffLimit": 3, "suspend": True}
    there = converted(manifest("XGBoostJob", KUBEDL, **limits, schedulingPolicy=scheduling), KUBEFLOW)
    policy = there.object["spec"]["runPolicy"]
    assert policy == {**limits, "schedulingPolicy": {"minAvailable": 2, "queue": "q", "priorityClass": "high"}}
    back = converted(there.object, KUBEDL).object["spec"]
    assert {name: back[name] for name in limits} == limits
    assert back["schedulingPolicy"] == scheduling
    assert "runPolicy" not in back


def test_a_nested_run_policy_of_kubedl_is_read_as_kubedl_reads_it() -> None:
    obj = manifest("XGBoostJob", KUBEDL, backoffLimit=1, RunPolicy={"backoffLimit": 5})
    assert converted(obj, KUBEFLOW).object["spec"]["runPolicy"]["backoffLimit"] == 5


def test_the_container_that_trains_and_its_port_get_the_name_of_the_group() -> None:
    obj = manifest("XGBoostJob", KUBEDL)
    sidecar = {"name": "logs", "image": "logs:1"}
    containers = obj["spec"]["xgbReplicaSpecs"]["Master"]["template"]["spec"]["containers"]
    containers[0]["ports"] = [{"name": "xgboostjob-port", "containerPort": 1234}, {"name": "web", "containerPort": 80}]
    obj["spec"]["xgbReplicaSpecs"]["Master"]["template"]["spec"]["containers"] = [sidecar, containers[0]]
    master = converted(obj, KUBEFLOW).object["spec"]["xgbReplicaSpecs"]["Master"]
    assert [container["name"] for container in master["template"]["spec"]["containers"]] == ["logs", "xgboost"]
    ports = master["template"]["spec"]["containers"][1]["ports"]
    assert [(port["name"], port["containerPort"]) for port in ports] == [("xgboostjob-port", 1234), ("web", 80)]


def test_fields_that_the_other_group_does_not_have_are_left_out_and_told() -> None:
    obj = manifest("XGBoostJob", KUBEDL, cronPolicy={"schedule": "@daily"}, schedulingPolicy={"priority": 3})
    obj["spec"]["xgbReplicaSpecs"]["Worker"]["spotReplicaSpec"] = {"spotReplicaNumber": 1}
    conversion = converted(obj, KUBEFLOW)
    assert conversion.lost == (
        "spec.runPolicy.cronPolicy",
        "spec.runPolicy.schedulingPolicy.priority",
        "spec.xgbReplicaSpecs.Worker.spotReplicaSpec",
    )
    told = differences(conversion, frameworks()["XGBoostJob"])
    assert told[:3] == [f"{path} does not exist in kubeflow.org/v1 and is left out" for path in conversion.lost]
    assert "spotReplicaSpec" not in conversion.object["spec"]["xgbReplicaSpecs"]["Worker"]


def test_status_and_what_the_server_added_are_left_out_and_the_original_is_not_changed() -> None:
    obj = manifest("XGBoostJob", KUBEDL)
    obj["metadata"] |= {"uid": "u", "resourceVersion": "7", "labels": {"a": "b"}, "managedFields": []}
    obj["status"] = {"conditions": []}
    before = deepcopy(obj)
    result = converted(obj, KUBEFLOW).object
    assert result["metadata"] == {"name": "job", "namespace": "team", "labels": {"a": "b"}}
    assert "status" not in result
    assert obj == before


def test_a_generated_name_is_kept() -> None:
    obj = manifest("XGBoostJob", KUBEDL)
    obj["metadata"] = {"generateName": "job-"}
    assert converted(obj, KUBEFLOW).object["metadata"] == {"generateName": "job-"}


@pytest.mark.parametrize(
    ("kind", "to", "message"),
    [
        ("MarsJob", KUBEFLOW, "MarsJob does not exist in kubeflow.org/v1: it is a kind of training.kubedl.io/v1alpha1"),
        ("XGBoostJob", "batch/v1", "XGBoostJob does not exist in batch/v1"),
    ],
)
def test_a_kind_that_the_other_group_does_not_have(kind: str, to: str, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        converted({"apiVersion": KUBEDL, "kind": kind, "metadata": {"name": "job"}, "spec": {}}, to)


def test_what_is_wrong_to_begin_with_is_named() -> None:
    obj = manifest("XGBoostJob", KUBEDL)
    del obj["spec"]["xgbReplicaSpecs"]["Master"]
    with pytest.raises(ConversionError, match=r"XGBoostJob job of .*: spec.xgbReplicaSpecs.Master: is required"):
        converted(obj, KUBEFLOW)


def test_a_role_that_the_other_group_does_not_have_is_an_error() -> None:
    obj = manifest("PyTorchJob", KUBEDL)
    roles = obj["spec"]["pytorchReplicaSpecs"]
    roles["AIMaster"] = roles["Master"]
    with pytest.raises(ConversionError, match=r"pytorchReplicaSpecs.AIMaster: is not a replica type of PyTorchJob"):
        converted(obj, KUBEFLOW)


def test_what_programs_and_people_notice_is_told() -> None:
    told = differences(converted(manifest("PyTorchJob", KUBEDL), KUBEFLOW), frameworks()["PyTorchJob"])
    assert told[0] == (
        "exit codes of Master (restartPolicy ExitCode): 128-129, 131-136, 139-142, 144-255 restart a pod and did not"
    )
    assert any(line.startswith("environment of worker-0: ") and "PET_NNODES=2 (is new)" in line for line in told)
    assert any("MASTER_ADDR=job-master-0 (was localhost)" in line for line in told)
    assert "Worker no longer waits until Master is Running" in " ".join(told)
    assert told[-1].startswith("pods are found by training.kubeflow.org/operator-name=pytorchjob-controller,")


def test_the_way_back_tells_the_opposite() -> None:
    obj = manifest("PyTorchJob", KUBEFLOW)
    obj["metadata"]["annotations"] = {"kubedl.io/git-sync-config": "{}", "team": "a"}
    obj["spec"]["pytorchReplicaSpecs"]["Worker"]["restartPolicy"] = "ExitCode"
    told = differences(converted(obj, KUBEDL), frameworks()["PyTorchJob"])
    assert told[0] == (
        "exit codes of Worker (restartPolicy ExitCode): 128-129, 131-136, 139-142, 144-255 fail the job and did not"
    )
    assert "Worker waits until Master is Running: dependsOn [] takes that away" in told
    assert "annotation kubedl.io/git-sync-config is kept: it is KubeDL's, and other operators do not read it" in told
    assert not any("annotation team" in line for line in told)


LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "cleanPodPolicy": st.sampled_from(["All", "Running", "None"]),
        "ttlSecondsAfterFinished": st.integers(0, 10**6),
        "activeDeadlineSeconds": st.integers(0, 10**6),
        "backoffLimit": st.integers(0, 10**3),
        "suspend": st.booleans(),
        "restartScope": st.sampled_from(["Pod", "Job"]),
        "stopOnFailure": st.booleans(),
    },
)


@given(
    st.sampled_from(BOTH),
    st.sampled_from([KUBEDL, KUBEFLOW]),
    LIMITS,
    st.sampled_from([None, "Always", "OnFailure", "Never", "ExitCode"]),
    st.one_of(st.none(), st.just(1)),
)
def test_any_job_stays_the_same_job(
    kind: str, version: str, limits: dict[str, Any], policy: str | None, replicas: int | None
) -> None:
    obj = manifest(kind, version, **(limits if version == KUBEDL else {"runPolicy": limits}))
    given = {"restartPolicy": policy, "replicas": replicas}
    for spec in obj["spec"][frameworks()[kind].replica_specs_field].values():
        spec |= {name: value for name, value in given.items() if value is not None}
    conversion = converted(obj, other(version))
    assert conversion.lost == ()
    assert conversion.after.run_policy == conversion.before.run_policy
    assert list(remaining_differences(conversion)) == []
