"""PyTorchJob: variables, services, order and status rules."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.framework import KUBEDL, KUBEFLOW, Phase, RoleState, Verdict
from kdl_workloads.frameworks.pytorch import PyTorch
from kdl_workloads.job import ConditionType, Job

Jobs = Callable[..., Job]
TORCH = PyTorch()
FULL = {"Master": 1, "Worker": 2}
WORKERS = {"Worker": 3}


def env(job: Job, role: str, index: int) -> dict[str, str]:
    found = TORCH.cluster_env(job, role, index)
    names = [item["name"] for item in found]
    assert len(names) == len(set(names))
    return {item["name"]: item["value"] for item in found}


@pytest.mark.parametrize(
    ("roles", "replica", "address", "rank"),
    [
        (FULL, ("Master", 0), "localhost", "0"),
        (FULL, ("Worker", 0), "job-master-0", "1"),
        (FULL, ("Worker", 1), "job-master-0", "2"),
        (WORKERS, ("Worker", 0), "localhost", "0"),
        (WORKERS, ("Worker", 2), "job-worker-0", "2"),
    ],
)
def test_kubedl_variables(
    decoded: Jobs, roles: dict[str, int], replica: tuple[str, int], address: str, rank: str
) -> None:
    job = decoded(TORCH, KUBEDL, roles, ports={"Master": 1234, "Worker": 1234})
    assert TORCH.cluster_env(job, *replica) == [
        {"name": "MASTER_PORT", "value": "1234"},
        {"name": "MASTER_ADDR", "value": address},
        {"name": "RANK", "value": rank},
        {"name": "PYTHONUNBUFFERED", "value": "0"},
        {"name": "WORLD_SIZE", "value": "3"},
    ]


@pytest.mark.parametrize("roles", [FULL, WORKERS], ids=["master", "workers"])
@pytest.mark.parametrize("api_version", [KUBEDL, KUBEFLOW])
def test_the_port_is_the_usual_one(decoded: Jobs, api_version: str, roles: dict[str, int]) -> None:
    assert env(decoded(TORCH, api_version, roles), "Worker", 1)["MASTER_PORT"] == "23456"


@pytest.mark.parametrize(
    ("processes", "world_size", "per_node"),
    [(None, "3", "auto"), ("auto", "3", "auto"), ("gpu", "3", "gpu"), ("4", "12", "4")],
)
def test_kubeflow_variables(decoded: Jobs, processes: str | None, world_size: str, per_node: str) -> None:
    job = decoded(TORCH, KUBEFLOW, FULL, nprocPerNode=processes)
    assert env(job, "Worker", 1) == {
        "PYTHONUNBUFFERED": "1",
        "MASTER_PORT": "23456",
        "PET_MASTER_PORT": "23456",
        "MASTER_ADDR": "job-master-0",
        "PET_MASTER_ADDR": "job-master-0",
        "WORLD_SIZE": world_size,
        "RANK": "2",
        "PET_NODE_RANK": "2",
        "PET_NPROC_PER_NODE": per_node,
        "PET_NNODES": "3",
    }
    assert env(job, "Master", 0)["RANK"] == "0"


def test_kubeflow_without_a_master(decoded: Jobs) -> None:
    found = env(decoded(TORCH, KUBEFLOW, WORKERS), "Worker", 2)
    assert (found["MASTER_ADDR"], found["RANK"], found["WORLD_SIZE"], found["PET_NNODES"]) == (
        "job-worker-0",
        "2",
        "3",
        "3",
    )


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (
            {"minReplicas": 1, "maxReplicas": 4},
            {"PET_NNODES": "1:4", "PET_RDZV_BACKEND": "c10d", "PET_RDZV_ENDPOINT": "job-worker-0:23456"},
        ),
        ({"minReplicas": 2}, {"PET_NNODES": "2:2"}),
        ({"maxReplicas": 5}, {"PET_NNODES": "5:5"}),
        ({"maxRestarts": 0}, {"PET_NNODES": "3:3", "PET_MAX_RESTARTS": "0"}),
        (
            {"rdzvHost": "etcd", "rdzvPort": 2379, "rdzvBackend": "etcd", "rdzvId": "x"},
            {"PET_RDZV_ENDPOINT": "etcd:2379", "PET_RDZV_BACKEND": "etcd", "PET_RDZV_ID": "x"},
        ),
        ({"rdzvConf": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]}, {"PET_RDZV_CONF": "a=1,b=2"}),
        ({"standalone": True}, {"PET_STANDALONE": ""}),
        ({"nProcPerNode": 2, "minReplicas": 1}, {"PET_NPROC_PER_NODE": "2"}),
    ],
)
def test_elastic(decoded: Jobs, policy: dict[str, Any], wanted: dict[str, str]) -> None:
    found = env(decoded(TORCH, KUBEFLOW, WORKERS, elasticPolicy=policy), "Worker", 1)
    assert found.items() >= wanted.items()
    assert not {"MASTER_ADDR", "RANK", "WORLD_SIZE"} & found.keys()


def test_an_elastic_job_with_a_master_has_both(decoded: Jobs) -> None:
    found = env(decoded(TORCH, KUBEFLOW, FULL, elasticPolicy={"minReplicas": 1, "maxReplicas": 4}), "Worker", 0)
    assert (found["MASTER_ADDR"], found["RANK"], found["PET_NNODES"]) == ("job-master-0", "1", "1:4")


@pytest.mark.parametrize(
    ("api_version", "roles", "role", "service"),
    [
        (KUBEDL, FULL, "Master", True),
        (KUBEDL, FULL, "Worker", False),
        (KUBEDL, WORKERS, "Worker", True),
        (KUBEFLOW, FULL, "Master", True),
        (KUBEFLOW, FULL, "Worker", True),
    ],
)
def test_services(decoded: Jobs, api_version: str, roles: dict[str, int], role: str, service: bool) -> None:
    assert TORCH.has_service(decoded(TORCH, api_version, roles), role) is service


@pytest.mark.parametrize(
    ("roles", "role", "index", "master"),
    [
        (FULL, "Master", 0, True),
        (FULL, "Worker", 0, False),
        (WORKERS, "Worker", 0, True),
        (WORKERS, "Worker", 1, False),
    ],
)
def test_who_is_the_master(decoded: Jobs, roles: dict[str, int], role: str, index: int, master: bool) -> None:
    assert TORCH.is_master(decoded(TORCH, KUBEFLOW, roles), role, index) is master


@pytest.mark.parametrize(
    ("api_version", "roles", "upstream"),
    [(KUBEDL, FULL, {"Master": Phase.RUNNING}), (KUBEDL, WORKERS, {}), (KUBEFLOW, FULL, {})],
)
def test_order(decoded: Jobs, api_version: str, roles: dict[str, int], upstream: dict[str, Phase]) -> None:
    assert TORCH.waits_for(decoded(TORCH, api_version, roles), "Worker") == upstream


ONE = frozenset({0})
TWO = frozenset({0, 1})
RUNNING = Verdict(ConditionType.RUNNING)
SUCCEEDED = Verdict(ConditionType.SUCCEEDED)


@pytest.mark.parametrize(
    ("master", "worker", "kubedl", "kubeflow"),
    [
        (RoleState(1), RoleState(2, active=2), Verdict(), Verdict()),
        (RoleState(1, active=1), RoleState(2), RUNNING, RUNNING),
        (RoleState(1, succeeded_indexes=ONE), RoleState(2, active=2), Verdict(), SUCCEEDED),
        (RoleState(1, succeeded_indexes=ONE), RoleState(2, succeeded_indexes=ONE), Verdict(), SUCCEEDED),
        (RoleState(1, succeeded_indexes=ONE), RoleState(2, succeeded_indexes=TWO), SUCCEEDED, SUCCEEDED),
        (RoleState(1, active=1), RoleState(2, succeeded_indexes=TWO), RUNNING, RUNNING),
        (RoleState(1, active=1), RoleState(2, failed=2), *[Verdict(ConditionType.FAILED, "Worker", 2)] * 2),
        (RoleState(1, restarting=1), RoleState(2, active=2), *[Verdict(ConditionType.RESTARTING, "Master", 1)] * 2),
    ],
)
def test_status_with_a_master(
    decoded: Jobs, master: RoleState, worker: RoleState, kubedl: Verdict, kubeflow: Verdict
) -> None:
    roles = {"Master": master, "Worker": worker}
    assert TORCH.evaluate(decoded(TORCH, KUBEDL, FULL), roles) == kubedl
    assert TORCH.evaluate(decoded(TORCH, KUBEFLOW, FULL), roles) == kubeflow


@pytest.mark.parametrize("api_version", [KUBEDL, KUBEFLOW])
@pytest.mark.parametrize(
    ("worker", "verdict"),
    [
        (RoleState(2), Verdict()),
        (RoleState(2, active=1), RUNNING),
        (RoleState(2, active=1, succeeded_indexes=ONE), RUNNING),
        (RoleState(2, succeeded_indexes=TWO), SUCCEEDED),
        (RoleState(2, succeeded_indexes=frozenset({0, 1, 2})), SUCCEEDED),
        (RoleState(2, succeeded_indexes=frozenset({0, 2})), Verdict()),
        (RoleState(2, failed=1, active=1), Verdict(ConditionType.FAILED, "Worker", 1)),
    ],
)
def test_status_without_a_master(decoded: Jobs, api_version: str, worker: RoleState, verdict: Verdict) -> None:
    assert TORCH.evaluate(decoded(TORCH, api_version, {"Worker": 2}), {"Worker": worker}) == verdict


def test_one_worker_ends_an_elastic_job(decoded: Jobs) -> None:
    job = decoded(TORCH, KUBEFLOW, {"Worker": 2}, elasticPolicy={"minReplicas": 1})
    assert TORCH.evaluate(job, {"Worker": RoleState(2, active=1, succeeded_indexes=ONE)}) == SUCCEEDED


WITH_AIMASTER = {"AIMaster": 1, **FULL}


def test_an_aimaster_comes_first_and_lets_the_others_start(decoded: Jobs) -> None:
    job = decoded(TORCH, KUBEDL, WITH_AIMASTER)
    assert TORCH.waits_for(job, "Master") == {"AIMaster": Phase.RUNNING}
    assert TORCH.waits_for(job, "Worker") == {"AIMaster": Phase.RUNNING, "Master": Phase.RUNNING}
    assert TORCH.closed_gate(job) is not None
    assert TORCH.closed_gate(decoded(TORCH, KUBEDL, WITH_AIMASTER, annotations={"aimaster": "ready"})) is None
    assert TORCH.role(KUBEFLOW, "AIMaster") is None


@pytest.mark.parametrize(
    ("aimaster", "verdict"),
    [
        (RoleState(1, active=1), RUNNING),
        (RoleState(1, succeeded_indexes=ONE), SUCCEEDED),
        (RoleState(1, failed=1), Verdict(ConditionType.FAILED, "AIMaster", 1)),
    ],
)
def test_an_aimasters_end_is_the_jobs(decoded: Jobs, aimaster: RoleState, verdict: Verdict) -> None:
    roles = {"AIMaster": aimaster, "Master": RoleState(1), "Worker": RoleState(2)}
    assert TORCH.evaluate(decoded(TORCH, KUBEDL, WITH_AIMASTER), roles) == verdict
