"""JAXJob: variables, services, the master's label and status rules."""

from collections.abc import Callable

import pytest

from kdl_workloads.framework import KUBEDL, KUBEFLOW, RoleState, Verdict
from kdl_workloads.frameworks.jax import JAX
from kdl_workloads.job import ConditionType, Job, RestartPolicy

Jobs = Callable[..., Job]
PLUGIN = JAX()


@pytest.mark.parametrize(
    ("workers", "index", "port"), [(1, 0, None), (3, 0, None), (3, 2, None), (3, 1, 7000)], ids=str
)
def test_variables(decoded: Jobs, workers: int, index: int, port: int | None) -> None:
    job = decoded(PLUGIN, KUBEFLOW, {"Worker": workers}, ports={"Worker": port} if port else None)
    assert PLUGIN.cluster_env(job, "Worker", index) == [
        {"name": "PYTHONUNBUFFERED", "value": "1"},
        {"name": "COORDINATOR_PORT", "value": str(port or 6666)},
        {"name": "COORDINATOR_ADDRESS", "value": "job-worker-0"},
        {"name": "NUM_PROCESSES", "value": str(workers)},
        {"name": "PROCESS_ID", "value": str(index)},
    ]


def test_workers_are_not_restarted_unless_asked_for(decoded: Jobs) -> None:
    assert decoded(PLUGIN, KUBEFLOW, {"worker": 2}).roles["Worker"].restart_policy is RestartPolicy.NEVER


def test_the_first_worker_is_the_master(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEFLOW, {"Worker": 3})
    assert [PLUGIN.is_master(job, "Worker", index) for index in range(3)] == [True, False, False]


def test_every_worker_has_a_service_and_waits_for_none(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEFLOW, {"Worker": 3})
    assert PLUGIN.has_service(job, "Worker")
    assert PLUGIN.waits_for(job, "Worker") == {}


def test_only_kubeflow_has_the_kind() -> None:
    assert KUBEDL not in PLUGIN.conventions


@pytest.mark.parametrize(
    ("workers", "verdict"),
    [
        (RoleState(2), Verdict()),
        (RoleState(2, active=1), Verdict(ConditionType.RUNNING)),
        (RoleState(2, active=1, succeeded_indexes=frozenset({0})), Verdict(ConditionType.RUNNING)),
        (RoleState(2, succeeded_indexes=frozenset({0, 1})), Verdict(ConditionType.SUCCEEDED)),
        (RoleState(2, active=1, failed=1), Verdict(ConditionType.FAILED, "Worker", 1)),
        (RoleState(2, active=1, restarting=1), Verdict(ConditionType.RESTARTING, "Worker", 1)),
    ],
)
def test_status(decoded: Jobs, workers: RoleState, verdict: Verdict) -> None:
    assert PLUGIN.evaluate(decoded(PLUGIN, KUBEFLOW, {"Worker": 2}), {"Worker": workers}) == verdict
