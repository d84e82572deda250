"""PaddleJob: defaults, who is the master, and status rules."""

from collections.abc import Callable

import pytest

from kdl_workloads.framework import KUBEDL, KUBEFLOW, RoleState, Verdict
from kdl_workloads.frameworks.paddle import Paddle
from kdl_workloads.job import ConditionType, Job, RestartPolicy

Jobs = Callable[..., Job]
PLUGIN = Paddle()
DONE, RUNS = Verdict(ConditionType.SUCCEEDED), Verdict(ConditionType.RUNNING)


def test_defaults(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEFLOW, {"master": 2, "worker": 2})
    assert {spec.restart_policy for spec in job.roles.values()} == {RestartPolicy.ON_FAILURE}
    ports = [spec.template["spec"]["containers"][0]["ports"] for spec in job.roles.values()]
    assert ports == [[{"name": "master", "containerPort": 36543}]] * 2
    assert all(PLUGIN.has_service(job, role) and PLUGIN.waits_for(job, role) == {} for role in job.roles)
    assert KUBEDL not in PLUGIN.conventions
    assert PLUGIN.conventions[KUBEFLOW].scale_role == "Worker"


@pytest.mark.parametrize(
    ("roles", "masters"),
    [({"Master": 2, "Worker": 1}, [("Master", 0), ("Master", 1)]), ({"Worker": 2}, [("Worker", 0)])],
)
def test_who_is_the_master(decoded: Jobs, roles: dict[str, int], masters: list[tuple[str, int]]) -> None:
    job = decoded(PLUGIN, KUBEFLOW, roles)
    places = [(role, index) for role, count in roles.items() for index in range(count)]
    assert [place for place in places if PLUGIN.is_master(job, *place)] == masters


def ended(*indexes: int, of: int = 2, **counts: int) -> RoleState:
    return RoleState(of, succeeded_indexes=frozenset(indexes), **counts)


@pytest.mark.parametrize(
    ("roles", "verdict"),
    [
        ({"Worker": ended(active=1)}, RUNS),
        ({"Worker": ended(0, active=1)}, RUNS),
        ({"Worker": ended(0, 1)}, DONE),
        ({"Master": ended(), "Worker": ended(active=2)}, Verdict()),
        ({"Master": ended(active=1), "Worker": ended(0, 1)}, RUNS),
        ({"Master": ended(0, 1), "Worker": ended(active=2)}, DONE),
        ({"Master": ended(active=2), "Worker": ended(failed=1)}, Verdict(ConditionType.FAILED, "Worker", 1)),
    ],
)
def test_status(decoded: Jobs, roles: dict[str, RoleState], verdict: Verdict) -> None:
    job = decoded(PLUGIN, KUBEFLOW, dict.fromkeys(roles, 2))
    assert PLUGIN.evaluate(job, roles) == verdict
