"""What the API server accepts and refuses of a job, by the generated CRDs alone: schema, pruning and CEL rules."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from kdl_local.apiserver import crd as crd_types
from kdl_local.apiserver.crd_validation import validate as validate_crd
from kdl_local.apiserver.types import ResourceTypes
from kdl_workloads.crds import all_crds

EXAMPLES = Path(__file__).parents[4] / "examples"
CONTAINERS = {
    ("training.kubedl.io/v1alpha1", "XGBoostJob"): "xgboostjob",
    ("kubeflow.org/v1", "XGBoostJob"): "xgboost",
    ("training.kubedl.io/v1alpha1", "PyTorchJob"): "pytorch",
    ("kubeflow.org/v1", "PyTorchJob"): "pytorch",
}
FIELDS = {"XGBoostJob": "xgbReplicaSpecs", "PyTorchJob": "pytorchReplicaSpecs"}
KUBEDL_XGB, KUBEFLOW_XGB, KUBEDL_TORCH, KUBEFLOW_TORCH = CONTAINERS


def schemas() -> dict[tuple[str, str], Any]:
    found = {}
    for item in all_crds():
        crd_types.default(item)
        for served in crd_types.establish(item, ResourceTypes(), datetime(2026, 1, 1, tzinfo=UTC)).types:
            found[served.resource.api_version, served.resource.kind] = served.schema
    return found


SCHEMAS = schemas()


def problems(job: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    """Everything that strict validation would say, as text."""
    job = copy.deepcopy(job)
    schema = SCHEMAS[job["apiVersion"], job["kind"]]
    unknown = schema.prune(job)
    schema.default(job)
    return [f'unknown field "{path}"' for path in unknown] + [str(error) for error in schema.validate(job, old)]


def replica(container: str, **fields: Any) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [{"name": container, "image": "train:1"}]}}, **fields}


def job(which: tuple[str, str], name: str = "digits", **spec: Any) -> dict[str, Any]:
    """A Master and two Workers."""
    container = CONTAINERS[which]
    roles = {"Master": replica(container), "Worker": replica(container, replicas=2)}
    api_version, kind = which
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {FIELDS[kind]: roles, **spec}}


def roles(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = obj["spec"][FIELDS[obj["kind"]]]
    return found


@pytest.mark.parametrize("item", all_crds(), ids=lambda item: str(item["metadata"]["name"]))
def test_the_crd_itself_is_valid(item: dict[str, Any]) -> None:
    crd_types.default(item)
    assert [str(error) for error in validate_crd(item)] == []


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/job*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_every_example_is_accepted(path: Path) -> None:
    assert problems(yaml.safe_load(path.read_text())) == []


def lower_case(obj: dict[str, Any]) -> None:
    obj["spec"][FIELDS[obj["kind"]]] = {key.lower(): value for key, value in roles(obj).items()}


def only_master(obj: dict[str, Any]) -> None:
    del roles(obj)["Worker"]


def explicit_master(obj: dict[str, Any]) -> None:
    roles(obj)["Master"]["replicas"] = 1


def longest_name(obj: dict[str, Any]) -> None:
    obj["metadata"]["name"] = "a" * (63 - len("-worker-1"))


def sidecar(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["template"]["spec"]["containers"].insert(0, {"name": "logs", "image": "logs:1"})


def full_template(obj: dict[str, Any]) -> None:
    template = roles(obj)["Worker"]["template"]
    template["metadata"] = {"labels": {"team": "a"}, "annotations": {"x": "y"}}
    template["spec"] |= {
        "nodeSelector": {"gpu": "yes"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
    }
    template["spec"]["containers"][0] |= {
        "resources": {"limits": {"nvidia.com/gpu": 1, "cpu": "1.5", "memory": "2Gi"}},
        "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
        "livenessProbe": {"httpGet": {"port": "http", "path": "/"}},
        "readinessProbe": {"httpGet": {"port": 8080}},
        "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}],
    }


@pytest.mark.parametrize("which", CONTAINERS, ids=" ".join)
@pytest.mark.parametrize(
    "change", [lower_case, only_master, explicit_master, longest_name, sidecar, full_template], ids=lambda f: f.__name__
)
def test_accepted(which: tuple[str, str], change: Callable[[dict[str, Any]], None]) -> None:
    obj = job(which)
    change(obj)
    assert problems(obj) == []


def no_master(obj: dict[str, Any]) -> None:
    del roles(obj)["Master"]


def two_masters(obj: dict[str, Any]) -> None:
    roles(obj)["Master"]["replicas"] = 2


def two_spellings(obj: dict[str, Any]) -> None:
    roles(obj)["master"] = copy.deepcopy(roles(obj)["Master"])


def no_workers(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["replicas"] = 0


def negative_workers(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["replicas"] = -1


def unknown_role(obj: dict[str, Any]) -> None:
    roles(obj)["Chief"] = roles(obj)["Worker"]


def no_roles(obj: dict[str, Any]) -> None:
    roles(obj).clear()


def no_role_map(obj: dict[str, Any]) -> None:
    obj["spec"] = {}


def no_template(obj: dict[str, Any]) -> None:
    del roles(obj)["Worker"]["template"]


def no_containers(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["template"]["spec"]["containers"] = []


def no_image(obj: dict[str, Any]) -> None:
    del roles(obj)["Worker"]["template"]["spec"]["containers"][0]["image"]


def empty_image(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["template"]["spec"]["containers"][0]["image"] = ""


def other_container(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["template"]["spec"]["containers"][0]["name"] = "main"


def same_container_twice(obj: dict[str, Any]) -> None:
    containers = roles(obj)["Worker"]["template"]["spec"]["containers"]
    containers.append(containers[0])


def long_name(obj: dict[str, Any]) -> None:
    obj["metadata"]["name"] = "a" * (64 - len("-worker-1"))


def much_too_long_name(obj: dict[str, Any]) -> None:
    obj["metadata"]["name"] = "a" * 64


def long_name_by_index(obj: dict[str, Any]) -> None:
    obj["metadata"]["name"] = "a" * (63 - len("-worker-1"))
    roles(obj)["Worker"]["replicas"] = 11


def dotted_name(obj: dict[str, Any]) -> None:
    obj["metadata"]["name"] = "my.job"


def digit_name(obj: dict[str, Any]) -> None:
    obj["metadata"]["name"] = "1st"


def misspelt_field(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["template"]["spec"]["containers"][0]["imagePullPolicie"] = "Always"


def misspelt_spec_field(obj: dict[str, Any]) -> None:
    obj["spec"]["ttlSecondAfterFinished"] = 5


def text_for_number(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["replicas"] = "two"


def restart_policy(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["restartPolicy"] = "Sometimes"


def bad_quantity(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"memory": "1 GiB"}}


def bad_pull_policy(obj: dict[str, Any]) -> None:
    roles(obj)["Worker"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"


NO_MASTER = "Master is required, once"
REFUSED: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (two_masters, "Master.replicas must be 1"),
    (no_workers, "Worker.replicas must be at least 1"),
    (negative_workers, "Worker.replicas: Invalid value: -1"),
    (unknown_role, "has a replica type that"),
    (no_roles, "ReplicaSpecs"),
    (no_role_map, "ReplicaSpecs: Required value"),
    (no_template, "Worker.template: Required value"),
    (no_containers, "Worker.template.spec.containers"),
    (no_image, "Worker.template.spec.containers[0].image: Required value"),
    (empty_image, "Worker.template.spec.containers[0].image: Invalid value"),
    (other_container, "template.spec.containers needs a container named"),
    (same_container_twice, "template.spec.containers[1]: Duplicate value"),
    (long_name, "metadata.name is too long"),
    (much_too_long_name, "metadata.name: Too long"),
    (long_name_by_index, "metadata.name is too long"),
    (dotted_name, "metadata.name must be lower-case letters"),
    (digit_name, "metadata.name must be lower-case letters"),
    (misspelt_field, 'Worker.template.spec.containers[0].imagePullPolicie"'),
    (misspelt_spec_field, 'unknown field "spec.ttlSecondAfterFinished"'),
    (text_for_number, "Worker.replicas"),
    (restart_policy, "Worker.restartPolicy: Unsupported value"),
    (bad_pull_policy, "Worker.template.spec.containers[0].imagePullPolicy: Unsupported value"),
    (bad_quantity, "resources.limits.memory: Invalid value"),
]


@pytest.mark.parametrize("which", CONTAINERS, ids=" ".join)
@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[change.__name__ for change, _ in REFUSED])
def test_refused(which: tuple[str, str], change: Callable[[dict[str, Any]], None], message: str) -> None:
    obj = job(which)
    change(obj)
    assert message in "\n".join(problems(obj))


@pytest.mark.parametrize(
    ("which", "change", "message"),
    [
        (KUBEDL_XGB, no_master, NO_MASTER),
        (KUBEFLOW_XGB, no_master, NO_MASTER),
        (KUBEDL_XGB, two_spellings, NO_MASTER),
        (KUBEDL_TORCH, two_spellings, "Master is given twice"),
        (KUBEDL_TORCH, no_master, ""),
        (KUBEFLOW_TORCH, no_master, ""),
    ],
)
def test_the_master(which: tuple[str, str], change: Callable[[dict[str, Any]], None], message: str) -> None:
    obj = job(which)
    change(obj)
    found = "\n".join(problems(obj))
    assert message in found if message else found == ""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"runPolicy": {"managedBy": "kueue.x-k8s.io/multikueue"}}, ""),
        ({"runPolicy": {"managedBy": "me"}}, "managedBy: Unsupported value"),
        ({"runPolicy": {"cleanPodPolicy": "Some"}}, "cleanPodPolicy: Unsupported value"),
        ({"runPolicy": {"backoffLimit": -1}}, "backoffLimit: Invalid value"),
        ({"runPolicy": {"schedulingPolicy": {"minResources": {"cpu": 1}, "priorityClass": "high"}}}, ""),
        ({"cleanPodPolicy": "All"}, 'unknown field "spec.cleanPodPolicy"'),
        ({"nprocPerNode": "auto", "elasticPolicy": {"minReplicas": 1, "maxReplicas": 2}}, ""),
        ({"elasticPolicy": {"minReplicas": 3, "maxReplicas": 2}}, "minReplicas must not be above"),
        ({"elasticPolicy": {"nProcPerNode": 2}}, ""),
        ({"nprocPerNode": "2", "elasticPolicy": {"nProcPerNode": 2}}, "elasticPolicy.nProcPerNode is deprecated"),
        (
            {
                "elasticPolicy": {
                    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]
                }
            },
            "",
        ),
    ],
)
def test_kubeflow_spec(spec: dict[str, Any], message: str) -> None:
    found = "\n".join(problems(job(KUBEFLOW_TORCH, **spec)))
    assert message in found if message else found == ""


def test_elastic_needs_workers() -> None:
    obj = job(KUBEFLOW_TORCH, elasticPolicy={"minReplicas": 1})
    only_master(obj)
    assert "spec.elasticPolicy needs spec.pytorchReplicaSpecs.Worker" in "\n".join(problems(obj))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"cleanPodPolicy": "None", "ttlSecondsAfterFinished": 5, "backoffLimit": 3, "activeDeadlineSeconds": 60}, ""),
        ({"cleanPodPolicy": ""}, ""),
        ({"runPolicy": {"cleanPodPolicy": "All"}}, ""),
        ({"schedulingPolicy": {"queue": "q", "priority": 3, "minAvailable": 2, "priorityClassName": "p"}}, ""),
        ({"cronPolicy": {"schedule": "* * * * *", "concurrencyPolicy": "Forbid", "historyLimit": 3}}, ""),
        ({"cronPolicy": {"suspend": True}}, "cronPolicy.schedule: Required value"),
        ({"cacheBackend": None}, ""),
        ({"cacheBackend": {"name": "c", "mountPath": "/d", "options": {"idleTime": 60}}}, ""),
        ({"modelVersion": {"modelName": "m", "storage": {"AWSEfs": {"volumeHandle": "v"}}}}, ""),
        ({"modelVersion": {"modelNames": "m"}}, 'unknown field "spec.modelVersion.modelNames"'),
    ],
)
def test_kubedl_spec(spec: dict[str, Any], message: str) -> None:
    found = "\n".join(problems(job(KUBEDL_TORCH, **spec)))
    assert message in found if message else found == ""


def test_the_name_of_the_run_policy_in_the_go_client() -> None:
    assert problems(job(KUBEDL_XGB, RunPolicy={"cleanPodPolicy": "All"})) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({}, {"suspend": True}, ""),
        ({"managedBy": "kueue.x-k8s.io/multikueue"}, {"managedBy": "kueue.x-k8s.io/multikueue"}, ""),
        ({"managedBy": "kueue.x-k8s.io/multikueue"}, {}, "managedBy is immutable"),
        ({}, {"managedBy": "kueue.x-k8s.io/multikueue"}, "managedBy is immutable"),
        (
            {"schedulingPolicy": {"queue": "a"}},
            {"schedulingPolicy": {"queue": "b"}},
            "spec.runPolicy.schedulingPolicy.queue is immutable",
        ),
        ({"schedulingPolicy": {"queue": "a"}}, {"schedulingPolicy": {"queue": "a", "minAvailable": 1}}, ""),
    ],
)
def test_updates(old: dict[str, Any], new: dict[str, Any], message: str) -> None:
    found = "\n".join(problems(job(KUBEFLOW_XGB, runPolicy=new), job(KUBEFLOW_XGB, runPolicy=old)))
    assert message in found if message else found == ""


def test_a_template_is_stored_as_it_was_written() -> None:
    obj = job(KUBEDL_XGB)
    container = roles(obj)["Worker"]["template"]["spec"]["containers"][0]
    container["ports"] = [{"containerPort": 9999}]
    SCHEMAS[KUBEDL_XGB].default(obj)
    assert container["ports"] == [{"containerPort": 9999}], "a repeated kubectl apply would be a change"


def test_the_status_that_the_operator_writes_is_known() -> None:
    obj = job(KUBEFLOW_TORCH)
    obj["status"] = {
        "conditions": [{"type": "Running", "status": "True", "reason": "r", "message": "m"}],
        "replicaStatuses": {"Worker": {"active": 1, "restarts": 2, "succeededIndexes": "0-3,5", "selector": "a=b"}},
        "startTime": "2026-01-31T12:00:00Z",
        "attempts": 1,
        "countedPods": ["uid"],
        "firstFailure": {"pod": "p", "role": "Worker", "index": 0, "time": "2026-01-31T12:00:00Z", "exitCode": 1},
    }
    assert problems(obj) == []
