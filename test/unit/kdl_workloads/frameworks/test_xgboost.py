"""XGBoostJob: variables, services, order and status rules."""

from collections.abc import Callable

import pytest

from kdl_workloads.framework import KUBEDL, KUBEFLOW, Phase, RoleState, Verdict
from kdl_workloads.frameworks.xgboost import XGBoost
from kdl_workloads.job import ConditionType, Job

Jobs = Callable[..., Job]
XGB = XGBoost()
BOTH = pytest.mark.parametrize("api_version", [KUBEDL, KUBEFLOW])


def env(job: Job, role: str, index: int) -> dict[str, str]:
    found = XGB.cluster_env(job, role, index)
    names = [item["name"] for item in found]
    assert len(names) == len(set(names))
    return {item["name"]: item["value"] for item in found}


@pytest.mark.parametrize(
    ("workers", "role", "index", "size"),
    [(0, "Master", 0, "1"), (1, "Master", 0, "2"), (1, "Worker", 0, "2"), (2, "Worker", 0, "3"), (2, "Worker", 1, "3")],
)
def test_kubedl_variables(decoded: Jobs, workers: int, role: str, index: int, size: str) -> None:
    roles = {"Master": 1} | ({"Worker": workers} if workers else {})
    assert env(decoded(XGB, KUBEDL, roles), role, index) == {
        "MASTER_PORT": "9999",
        "MASTER_ADDR": "job-master-0",
        "WORLD_SIZE": size,
        "RANK": str(index),
        "PYTHONUNBUFFERED": "0",
    }


def test_kubedl_order(decoded: Jobs) -> None:
    names = [item["name"] for item in XGB.cluster_env(decoded(XGB, KUBEDL, {"Master": 1}), "Master", 0)]
    assert names == ["MASTER_PORT", "MASTER_ADDR", "WORLD_SIZE", "RANK", "PYTHONUNBUFFERED"]


@pytest.mark.parametrize(("role", "index", "rank"), [("Master", 0, "0"), ("Worker", 0, "1"), ("Worker", 1, "2")])
def test_kubeflow_variables(decoded: Jobs, role: str, index: int, rank: str) -> None:
    job = decoded(XGB, KUBEFLOW, {"Master": 1, "Worker": 2}, ports={"Master": 5000, "Worker": 6000})
    assert env(job, role, index) == {
        "MASTER_PORT": "5000",
        "MASTER_ADDR": "job-master-0",
        "WORLD_SIZE": "3",
        "RANK": rank,
        "PYTHONUNBUFFERED": "1",
        "WORKER_PORT": "6000",
        "WORKER_ADDRS": "job-worker-0,job-worker-1",
    }


def test_one_replica_gets_no_list_of_workers(decoded: Jobs) -> None:
    found = env(decoded(XGB, KUBEFLOW, {"Master": 1}), "Master", 0)
    assert "WORKER_ADDRS" not in found
    assert found["WORLD_SIZE"] == "1"


@BOTH
@pytest.mark.parametrize("role", ["Master", "Worker"])
def test_every_role_has_services(decoded: Jobs, api_version: str, role: str) -> None:
    assert XGB.has_service(decoded(XGB, api_version, {"Master": 1, "Worker": 1}), role)


@BOTH
def test_the_master_is_the_master(decoded: Jobs, api_version: str) -> None:
    job = decoded(XGB, api_version, {"Master": 1, "Worker": 1})
    assert XGB.is_master(job, "Master", 0)
    assert not XGB.is_master(job, "Worker", 0)


@pytest.mark.parametrize(
    ("api_version", "role", "upstream"),
    [(KUBEDL, "Worker", {"Master": Phase.RUNNING}), (KUBEDL, "Master", {}), (KUBEFLOW, "Worker", {})],
)
def test_order(decoded: Jobs, api_version: str, role: str, upstream: dict[str, Phase]) -> None:
    assert XGB.waits_for(decoded(XGB, api_version, {"Master": 1, "Worker": 1}), role) == upstream


DONE = frozenset({0})


@BOTH
@pytest.mark.parametrize(
    ("master", "worker", "verdict"),
    [
        (RoleState(1), RoleState(2), Verdict()),
        (RoleState(1), RoleState(2, active=2), Verdict()),
        (RoleState(1, active=1), RoleState(2), Verdict(ConditionType.RUNNING)),
        (RoleState(1, succeeded_indexes=DONE), RoleState(2, active=2), Verdict(ConditionType.SUCCEEDED)),
        (RoleState(1, succeeded_indexes=DONE), RoleState(2, failed=1), Verdict(ConditionType.SUCCEEDED)),
        (RoleState(1, active=1), RoleState(2, active=1, failed=1), Verdict(ConditionType.FAILED, "Worker", 1)),
        (RoleState(1, failed=1), RoleState(2, failed=2), Verdict(ConditionType.FAILED, "Master", 1)),
        (RoleState(1, active=1), RoleState(2, restarting=2), Verdict(ConditionType.RESTARTING, "Worker", 2)),
        (RoleState(1, restarting=1), RoleState(2, failed=1), Verdict(ConditionType.FAILED, "Worker", 1)),
        (RoleState(1, active=1), RoleState(2, succeeded_indexes=frozenset({0, 1})), Verdict(ConditionType.RUNNING)),
    ],
)
def test_status(decoded: Jobs, api_version: str, master: RoleState, worker: RoleState, verdict: Verdict) -> None:
    job = decoded(XGB, api_version, {"Master": 1, "Worker": 2})
    assert XGB.evaluate(job, {"Master": master, "Worker": worker}) == verdict
