"""Reading the replica specs: names, defaults, and what is refused."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.dialects.kubedl import KubeDL
from kdl_workloads.dialects.kubeflow import Kubeflow
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.frameworks.xgboost import XGBoost
from kdl_workloads.job import RestartPolicy

Objects = Callable[..., dict[str, Any]]
XGB = "spec.xgbReplicaSpecs"


def container(obj: dict[str, Any], role: str = "Worker") -> dict[str, Any]:
    field = next(name for name in obj["spec"] if name.endswith("ReplicaSpecs"))
    found: dict[str, Any] = obj["spec"][field][role]["template"]["spec"]["containers"][0]
    return found


def test_roles_come_in_the_order_of_the_kind(kubedl_xgboost: Objects) -> None:
    job = KubeDL().decode(kubedl_xgboost(), XGBoost())
    assert list(job.roles) == ["Master", "Worker"]
    assert [spec.replicas for spec in job.roles.values()] == [1, 2]


def test_keys_in_any_case(kubedl_xgboost: Objects) -> None:
    obj = kubedl_xgboost()
    specs = obj["spec"]["xgbReplicaSpecs"]
    obj["spec"]["xgbReplicaSpecs"] = {"MASTER": specs["Master"], "worker": specs["Worker"]}
    assert list(KubeDL().decode(obj, XGBoost()).roles) == ["Master", "Worker"]


def test_the_object_is_not_changed(kubedl_xgboost: Objects) -> None:
    obj = kubedl_xgboost()
    before = copy.deepcopy(obj)
    KubeDL().decode(obj, XGBoost())
    assert obj == before


def test_the_port_is_added_to_the_training_container(kubedl_xgboost: Objects) -> None:
    obj = kubedl_xgboost()
    obj["spec"]["xgbReplicaSpecs"]["Worker"]["template"]["spec"]["containers"].insert(0, {"name": "a", "image": "i"})
    sidecar, trainer = KubeDL().decode(obj, XGBoost()).roles["Worker"].template["spec"]["containers"]
    assert "ports" not in sidecar
    assert trainer["ports"] == [{"name": "xgboostjob-port", "containerPort": 9999}]


def test_a_port_of_that_name_is_kept(kubedl_xgboost: Objects) -> None:
    obj = kubedl_xgboost()
    container(obj)["ports"] = [{"name": "web", "containerPort": 80}, {"name": "xgboostjob-port", "containerPort": 7}]
    template = KubeDL().decode(obj, XGBoost()).roles["Worker"].template
    assert template["spec"]["containers"][0]["ports"] == container(obj)["ports"]


def test_kubedl_adds_the_port_of_pytorch_to_the_master_only(kubeflow_pytorch: Objects) -> None:
    obj = kubeflow_pytorch() | {"apiVersion": "training.kubedl.io/v1alpha1"}
    roles = KubeDL().decode(obj, PyTorch()).roles
    ports = {role: spec.template["spec"]["containers"][0].get("ports") for role, spec in roles.items()}
    assert ports == {"Master": [{"name": "pytorchjob-port", "containerPort": 23456}], "Worker": None}


@pytest.mark.parametrize(("given", "wanted"), [(None, "FallbackToLogsOnError"), ("File", "File")])
def test_failures_bring_their_last_log_lines(kubedl_xgboost: Objects, given: str | None, wanted: str) -> None:
    obj = kubedl_xgboost()
    if given:
        container(obj)["terminationMessagePolicy"] = given
    template = KubeDL().decode(obj, XGBoost()).roles["Worker"].template
    assert template["spec"]["containers"][0]["terminationMessagePolicy"] == wanted


@pytest.mark.parametrize(
    ("dialect", "framework", "role", "policy"),
    [
        (KubeDL(), XGBoost(), "Master", RestartPolicy.NEVER),
        (KubeDL(), XGBoost(), "Worker", RestartPolicy.NEVER),
        (KubeDL(), PyTorch(), "Master", RestartPolicy.EXIT_CODE),
        (KubeDL(), PyTorch(), "Worker", RestartPolicy.ON_FAILURE),
        (Kubeflow(), XGBoost(), "Worker", RestartPolicy.NEVER),
        (Kubeflow(), PyTorch(), "Master", RestartPolicy.ON_FAILURE),
    ],
)
def test_default_restart_policies(dialect: Any, framework: Any, role: str, policy: RestartPolicy) -> None:
    conventions = framework.conventions[dialect.api_version]
    spec = {"template": {"spec": {"containers": [{"name": conventions.container, "image": "i"}]}}}
    obj = {
        "apiVersion": dialect.api_version,
        "kind": framework.kind,
        "metadata": {"name": "j"},
        "spec": {framework.replica_specs_field: {"Master": spec, "Worker": spec}},
    }
    assert dialect.decode(obj, framework).roles[role].restart_policy is policy


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never", "ExitCode"])
def test_a_given_restart_policy(kubedl_xgboost: Objects, policy: str) -> None:
    obj = kubedl_xgboost()
    obj["spec"]["xgbReplicaSpecs"]["Worker"]["restartPolicy"] = policy
    assert KubeDL().decode(obj, XGBoost()).roles["Worker"].restart_policy == policy


def no_master(specs: dict[str, Any]) -> None:
    del specs["Master"]


def two_masters(specs: dict[str, Any]) -> None:
    specs["Master"]["replicas"] = 2


def no_worker(specs: dict[str, Any]) -> None:
    specs["Worker"]["replicas"] = 0


def text(specs: dict[str, Any]) -> None:
    specs["Worker"]["replicas"] = "two"


def two_spellings(specs: dict[str, Any]) -> None:
    specs["worker"] = specs["Worker"]


def unknown(specs: dict[str, Any]) -> None:
    specs["Chief"] = specs["Worker"]


def nothing(specs: dict[str, Any]) -> None:
    specs.clear()


def no_template(specs: dict[str, Any]) -> None:
    specs["Worker"] = {}


def null_role(specs: dict[str, Any]) -> None:
    specs["Worker"] = None


def no_image(specs: dict[str, Any]) -> None:
    specs["Worker"]["template"]["spec"]["containers"][0].pop("image")


def other_name(specs: dict[str, Any]) -> None:
    specs["Worker"]["template"]["spec"]["containers"][0]["name"] = "main"


def bad_policy(specs: dict[str, Any]) -> None:
    specs["Worker"]["restartPolicy"] = "Sometimes"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (no_master, f"{XGB}.Master", "is required: every XGBoostJob has one Master"),
        (two_masters, f"{XGB}.Master.replicas", "is 2 and must be 1"),
        (no_worker, f"{XGB}.Worker.replicas", "is 0 and must be at least 1"),
        (text, f"{XGB}.Worker.replicas", "is 'two' and must be a whole number of 0 or more"),
        (two_spellings, f"{XGB}.worker", "is given twice, also as Worker: keep one of them"),
        (unknown, f"{XGB}.Chief", "is not a replica type of XGBoostJob: use Master, Worker"),
        (nothing, XGB, "is required: name at least one of Master, Worker"),
        (no_template, f"{XGB}.Worker.template.spec.containers", "is required: give the container that trains"),
        (null_role, f"{XGB}.Worker.template.spec.containers", "is required: give the container that trains"),
        (no_image, f"{XGB}.Worker.template.spec.containers[0].image", "is required"),
        (
            other_name,
            f"{XGB}.Worker.template.spec.containers",
            "needs a container named 'xgboostjob', the one that trains",
        ),
        (
            bad_policy,
            f"{XGB}.Worker.restartPolicy",
            "is 'Sometimes' and must be one of Always, OnFailure, Never, ExitCode",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_refused(kubedl_xgboost: Objects, change: Callable[[dict[str, Any]], None], field: str, message: str) -> None:
    obj = kubedl_xgboost()
    change(obj["spec"]["xgbReplicaSpecs"])
    with pytest.raises(SpecError) as error:
        KubeDL().decode(obj, XGBoost())
    assert (error.value.field, error.value.message) == (field, message)
    assert str(error.value) == f"{field}: {message}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a" * 54, None),
        ("a" * 55, f"is too long by 1: its pod {'a' * 55}-master-0 would have 64 characters, and 63 fit"),
        ("1st", "is '1st' and must be lower-case letters, digits and '-', begin with a letter and end with no '-'"),
        ("a.b", "is 'a.b' and must be lower-case letters, digits and '-', begin with a letter and end with no '-'"),
        ("a-", "is 'a-' and must be lower-case letters, digits and '-', begin with a letter and end with no '-'"),
    ],
)
def test_names(kubedl_xgboost: Objects, name: str, message: str | None) -> None:
    obj = kubedl_xgboost()
    obj["metadata"]["name"] = name
    if message is None:
        assert KubeDL().decode(obj, XGBoost()).name == name
        return
    with pytest.raises(SpecError) as error:
        KubeDL().decode(obj, XGBoost())
    assert (error.value.field, error.value.message) == ("metadata.name", message)
