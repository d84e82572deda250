"""What users get wrong in a job, and what the API server tells them by the CRD alone: no webhook, no operator."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from conformance.kubectl import Kubectl

Job = dict[str, Any]
Change = Callable[[Job], None]


def xgboost_job(api_version: str) -> Job:
    kubedl = api_version.startswith("training.kubedl.io")
    container = {"name": "xgboostjob" if kubedl else "xgboost", "image": "kdl/python", "command": ["true"]}
    role = {"replicas": 1, "template": {"spec": {"containers": [container]}}}
    return {
        "apiVersion": api_version,
        "kind": "XGBoostJob",
        "metadata": {"name": "wrong"},
        "spec": {"xgbReplicaSpecs": {"Master": copy.deepcopy(role), "Worker": copy.deepcopy(role)}},
    }


def role(job: Job, name: str) -> Any:
    return job["spec"]["xgbReplicaSpecs"][name]


def container(job: Job) -> Any:
    return role(job, "Worker")["template"]["spec"]["containers"][0]


CASES: list[tuple[str, Change, str]] = [
    ("unknown field", lambda job: role(job, "Worker").update(replica=2), 'unknown field "spec.xgbReplicaSpecs.Worker.'),
    ("unknown field in the template", lambda job: container(job).update(imagePolicy="x"), "containers[0].imagePolicy"),
    ("wrong type", lambda job: role(job, "Worker").update(replicas="two"), "replicas: Invalid value:"),
    ("negative replicas", lambda job: role(job, "Worker").update(replicas=-1), "replicas: Invalid value:"),
    ("zero masters", lambda job: role(job, "Master").update(replicas=0), "spec.xgbReplicaSpecs"),
    ("two masters", lambda job: role(job, "Master").update(replicas=2), "spec.xgbReplicaSpecs"),
    ("no master", lambda job: job["spec"]["xgbReplicaSpecs"].pop("Master"), "spec.xgbReplicaSpecs"),
    (
        "unknown role",
        lambda job: job["spec"]["xgbReplicaSpecs"].update(Boss=role(job, "Worker")),
        "spec.xgbReplicaSpecs: Invalid value",
    ),
    ("a name too long for its pods", lambda job: job["metadata"].update(name="n" * 60), "name"),
    ("no image", lambda job: container(job).pop("image"), "containers[0].image: Required value"),
    ("no container", lambda job: role(job, "Worker")["template"]["spec"].update(containers=[]), "containers"),
    ("another container name", lambda job: container(job).update(name="main"), "xgboost"),
    (
        "unknown restart policy",
        lambda job: role(job, "Worker").update(restartPolicy="Maybe"),
        '"Always", "OnFailure"',
    ),
]


@pytest.mark.parametrize("api_version", ["training.kubedl.io/v1alpha1", "kubeflow.org/v1"])
def test_a_wrong_job_is_refused_with_the_name_of_the_field(kubectl: Kubectl, api_version: str) -> None:
    kubectl("create", "-f", "-", "--dry-run=server", stdin=xgboost_job(api_version))
    told = {}
    for name, change, _ in CASES:
        job = xgboost_job(api_version)
        change(job)
        answer = kubectl.try_("create", "-f", "-", "--dry-run=server", stdin=job)
        told[name] = answer.err if answer.code else "accepted"
    expected = {name: text for name, _, text in CASES}
    assert {name: told[name] for name, text in expected.items() if text not in told[name]} == {}
