"""What pods are given to report by HTTP."""

from typing import Any

import pytest

from kdl_workloads.engine.plan import Plan
from kdl_workloads.progress.environment import ReportingEnvironment
from kdl_workloads.progress.tokens import Tokens
from unit.kdl_workloads.engine.world import UID, World, make_job

TOKENS = Tokens(bytes(32))
GIVEN = {
    "KDL_PROGRESS_URL": "http://host:8082/apis/kubeflow.org/v1/namespaces/ns/pytorchjobs/job/progress",
    "KDL_PROGRESS_TOKEN": TOKENS.issue(UID),
}


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "job-worker-0"}, "spec": {"containers": list(containers), "nodeName": "n"}}


def extended(*pods: dict[str, Any]) -> Plan:
    extension = ReportingEnvironment("http://host:8082/", TOKENS)
    return extension.extend(World(make_job()).observed(), Plan(create_pods=pods))


def env(container: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container.get("env", ())}


def test_the_training_container_of_each_pod_has_it() -> None:
    trains = {"name": "pytorch", "env": [{"name": "A", "value": "1"}]}
    before = pod({"name": "logs"}, trains)
    plan = extended(before, pod({"name": "pytorch"}))
    (logs, training), (alone,) = (made["spec"]["containers"] for made in plan.create_pods)
    assert env(training) == {"A": "1", **GIVEN}
    assert env(alone) == GIVEN
    assert logs == {"name": "logs"}
    assert before == pod({"name": "logs"}, trains), "the template is shared"


def test_all_containers_have_it_where_none_is_known_to_train() -> None:
    (made,) = extended(pod({"name": "a"}, {"name": "b"})).create_pods
    assert [env(container) for container in made["spec"]["containers"]] == [GIVEN, GIVEN]


@pytest.mark.parametrize("name", list(GIVEN))
def test_what_the_user_has_set_stays(name: str) -> None:
    (made,) = extended(pod({"name": "pytorch", "env": [{"name": name, "value": "own"}]})).create_pods
    assert env(made["spec"]["containers"][0]) == {**GIVEN, name: "own"}


def test_nothing_else_is_changed() -> None:
    plan = Plan(delete_job=True)
    assert extended() == Plan()
    observed = World(make_job()).observed()
    assert ReportingEnvironment("http://host", TOKENS).extend(observed, plan) is plan
