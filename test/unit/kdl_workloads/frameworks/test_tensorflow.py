"""TFJob: defaults, services, order, the AIMaster's gate, who is the master, and status rules."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import KUBEDL, KUBEFLOW, Phase, RoleState, Verdict
from kdl_workloads.frameworks.tensorflow import TensorFlow
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

Jobs = Callable[..., Job]
PLUGIN = TensorFlow()
PS_WORKERS = {"PS": 1, "Worker": 2}
WITH_CHIEF = {"Chief": 1, **PS_WORKERS}
BOTH = pytest.mark.parametrize("api_version", [KUBEDL, KUBEFLOW])


@pytest.mark.parametrize(
    ("api_version", "restart", "clean"),
    [
        (KUBEDL, RestartPolicy.EXIT_CODE, CleanPodPolicy.RUNNING),
        (KUBEFLOW, RestartPolicy.NEVER, CleanPodPolicy.NONE),
    ],
)
def test_defaults(decoded: Jobs, api_version: str, restart: RestartPolicy, clean: CleanPodPolicy) -> None:
    job = decoded(PLUGIN, api_version, {"chief": 1, "PS": 1, "Worker": 1, "Evaluator": 1})
    assert list(job.roles) == ["PS", "Chief", "Worker", "Evaluator"]
    assert {spec.restart_policy for spec in job.roles.values()} == {restart}
    assert job.run_policy.clean_pod_policy is clean
    ports = [spec.template["spec"]["containers"][0]["ports"] for spec in job.roles.values()]
    assert ports == [[{"name": "tfjob-port", "containerPort": 2222}]] * 4
    assert all(PLUGIN.has_service(job, role) for role in job.roles)


def test_the_domain_of_the_cluster(decoded: Jobs) -> None:
    plugin = TensorFlow("example.local")
    (variable,) = plugin.cluster_env(decoded(plugin, KUBEDL, {"Worker": 2}), "Worker", 0)
    assert '"job-worker-1.team.svc.example.local:2222"' in variable["value"]


@pytest.mark.parametrize(
    ("api_version", "roles", "masters"),
    [
        (KUBEDL, {"AIMaster": 1, **WITH_CHIEF}, [("AIMaster", 0), ("Chief", 0)]),
        (KUBEDL, PS_WORKERS, []),
        (KUBEFLOW, {"Master": 1, "Worker": 1}, [("Master", 0)]),
        (KUBEFLOW, WITH_CHIEF, [("Chief", 0)]),
        (KUBEFLOW, PS_WORKERS, [("Worker", 0)]),
    ],
)
def test_who_is_the_master(
    decoded: Jobs, api_version: str, roles: dict[str, int], masters: list[tuple[str, int]]
) -> None:
    job = decoded(PLUGIN, api_version, roles)
    places = [(role, index) for role, spec in job.roles.items() for index in range(spec.replicas)]
    assert [place for place in places if PLUGIN.is_master(job, *place)] == masters


@pytest.mark.parametrize(
    ("api_version", "roles", "role", "upstream"),
    [
        (KUBEDL, PS_WORKERS, "Worker", {"PS"}),
        (KUBEDL, WITH_CHIEF, "Chief", {"PS"}),
        (KUBEDL, {"Worker": 1, "Evaluator": 1}, "Evaluator", set()),
        (KUBEDL, {"AIMaster": 1, **PS_WORKERS}, "Worker", {"PS", "AIMaster"}),
        (KUBEDL, {"AIMaster": 1, **PS_WORKERS}, "PS", {"AIMaster"}),
        (KUBEFLOW, WITH_CHIEF, "Worker", set()),
    ],
)
def test_order(decoded: Jobs, api_version: str, roles: dict[str, int], role: str, upstream: set[str]) -> None:
    waits_for = PLUGIN.waits_for(decoded(PLUGIN, api_version, roles), role)
    assert waits_for == dict.fromkeys(upstream, Phase.RUNNING)


@pytest.mark.parametrize(
    ("roles", "annotations", "closed"),
    [
        ({"AIMaster": 1, "Worker": 1}, {}, True),
        ({"AIMaster": 1, "Worker": 1}, {"aimaster": "soon"}, True),
        ({"AIMaster": 1, "Worker": 1}, {"aimaster": "ready"}, False),
        ({"Worker": 1}, {}, False),
    ],
)
def test_an_aimaster_lets_the_others_start(
    decoded: Jobs, roles: dict[str, int], annotations: dict[str, str], closed: bool
) -> None:
    job = decoded(PLUGIN, KUBEDL, roles, annotations=annotations)
    assert (PLUGIN.closed_gate(job) is not None) is closed


def test_kubeflow_has_no_aimaster() -> None:
    assert PLUGIN.role(KUBEFLOW, "AIMaster") is None
    assert PLUGIN.role(KUBEDL, "aimaster") is not None


DONE, RUNS = Verdict(ConditionType.SUCCEEDED), Verdict(ConditionType.RUNNING)


def ended(*indexes: int, of: int = 2, **counts: int) -> RoleState:
    return RoleState(of, succeeded_indexes=frozenset(indexes), **counts)


@pytest.mark.parametrize(
    ("spec", "roles", "kubedl", "kubeflow"),
    [
        ({}, {"PS": ended(of=1, active=1), "Worker": ended(active=1)}, RUNS, RUNS),
        ({}, {"PS": ended(of=1, active=1), "Worker": ended()}, Verdict(), Verdict()),
        ({}, {"PS": ended(of=1, active=1), "Worker": ended(0, active=1)}, DONE, DONE),
        ({}, {"PS": ended(of=1, active=1), "Worker": ended(1, active=1)}, RUNS, RUNS),
        ({"successPolicy": "AllWorkers"}, {"PS": ended(of=1), "Worker": ended(0, active=1)}, RUNS, RUNS),
        ({"successPolicy": "AllWorkers"}, {"PS": ended(of=1), "Worker": ended(0, 1)}, DONE, DONE),
        ({}, {"Chief": ended(of=1, active=1), "Worker": ended(0, 1)}, RUNS, RUNS),
        ({}, {"Chief": ended(of=1), "Worker": ended(active=2)}, Verdict(), Verdict()),
        ({}, {"Chief": ended(0, of=1), "Worker": ended(active=2)}, DONE, DONE),
        ({}, {"Master": ended(0, of=1), "Worker": ended(active=2)}, DONE, DONE),
        ({"successPolicy": "AllWorkers"}, {"Chief": ended(0, of=1), "Worker": ended(0, active=1)}, Verdict(), DONE),
        ({"successPolicy": "AllWorkers"}, {"Chief": ended(0, of=1), "Worker": ended(0, 1)}, DONE, DONE),
        ({}, {"PS": ended(0, of=1)}, DONE, DONE),
        ({}, {"PS": ended(of=1, active=1)}, RUNS, RUNS),
    ],
)
def test_success(
    decoded: Jobs, spec: dict[str, Any], roles: dict[str, RoleState], kubedl: Verdict, kubeflow: Verdict
) -> None:
    counts = {role: state.replicas for role, state in roles.items()}
    assert PLUGIN.evaluate(decoded(PLUGIN, KUBEDL, counts, **spec), roles) == kubedl
    assert PLUGIN.evaluate(decoded(PLUGIN, KUBEFLOW, counts, **spec), roles) == kubeflow


@BOTH
@pytest.mark.parametrize("role", ["PS", "Worker", "Evaluator"])
def test_a_failure_of_any_role_is_the_jobs(decoded: Jobs, api_version: str, role: str) -> None:
    roles = {"PS": ended(of=1, active=1), "Chief": ended(of=1, active=1), "Worker": ended(), "Evaluator": ended(of=1)}
    job = decoded(PLUGIN, api_version, {name: state.replicas for name, state in roles.items()})
    assert PLUGIN.evaluate(job, {**roles, role: ended(failed=1)}) == Verdict(ConditionType.FAILED, role, 1)


def test_failures_of_dynamic_workers_do_not_fail_the_job(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEFLOW, {"Chief": 1, "PS": 1, "Worker": 2}, enableDynamicWorker=True)
    roles = {"PS": ended(of=1), "Chief": ended(of=1, active=1), "Worker": ended(failed=1)}
    assert PLUGIN.evaluate(job, roles) == RUNS
    assert PLUGIN.evaluate(job, {**roles, "PS": ended(of=1, failed=1)}) == Verdict(ConditionType.FAILED, "PS", 1)


def test_an_aimasters_success_is_the_jobs(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEDL, {"AIMaster": 1, "Worker": 2})
    roles = {"AIMaster": ended(0, of=1), "Worker": ended(active=2)}
    assert PLUGIN.evaluate(job, roles) == DONE
    assert PLUGIN.evaluate(job, {**roles, "AIMaster": ended(of=1, failed=1)}).type is ConditionType.FAILED


@pytest.mark.parametrize(
    ("api_version", "running", "succeeded", "failed"),
    [
        (
            KUBEDL,
            "TFJob job is running.",
            "TFJob job successfully completed.",
            "TFJob job is failed because 2 PS replica(s) failed.",
        ),
        (
            KUBEFLOW,
            "TFJob team/job is running.",
            "TFJob team/job successfully completed.",
            "TFJob team/job has failed because 2 PS replica(s) failed.",
        ),
    ],
)
def test_texts(decoded: Jobs, api_version: str, running: str, succeeded: str, failed: str) -> None:
    job = decoded(PLUGIN, api_version, {"PS": 2, "Master": 1}, ports=None)
    texts = dialect_for(api_version).texts_for(PLUGIN.conventions[api_version])
    assert texts.running(job).message == running
    assert texts.succeeded(job).message == succeeded
    assert texts.failed(job, "PS", 2).message == failed
