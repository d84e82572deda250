"""XDLJob: defaults, services and status rules."""

from collections.abc import Callable
from typing import Any

import pytest

from kdl_workloads.framework import KUBEDL, RoleState, Verdict
from kdl_workloads.frameworks.xdl import XDL
from kdl_workloads.job import CleanPodPolicy, ConditionType, Job, RestartPolicy

Jobs = Callable[..., Job]
PLUGIN = XDL()
ROLES = {"PS": 1, "Scheduler": 1, "Worker": 2, "ExtendRole": 1}
DONE, RUNS = Verdict(ConditionType.SUCCEEDED), Verdict(ConditionType.RUNNING)


@pytest.mark.parametrize(("given", "limit"), [({}, 20), ({"backoffLimit": 3}, 3)])
def test_defaults(decoded: Jobs, given: dict[str, Any], limit: int) -> None:
    job = decoded(PLUGIN, KUBEDL, ROLES, **given)
    assert list(job.roles) == list(ROLES)
    assert {spec.restart_policy for spec in job.roles.values()} == {RestartPolicy.NEVER}
    assert (job.run_policy.clean_pod_policy, job.run_policy.backoff_limit) == (CleanPodPolicy.RUNNING, limit)
    assert all(PLUGIN.has_service(job, role) and PLUGIN.waits_for(job, role) == {} for role in job.roles)


def state(total: int, done: int, **counts: int) -> RoleState:
    return RoleState(total, succeeded_indexes=frozenset(range(done)), **counts)


@pytest.mark.parametrize(("total", "wanted"), [(1, 1), (2, 2), (3, 3), (10, 9), (11, 10)])
def test_nine_in_ten_workers_are_enough(decoded: Jobs, total: int, wanted: int) -> None:
    job = decoded(PLUGIN, KUBEDL, {"Worker": total})
    assert PLUGIN.evaluate(job, {"Worker": state(total, wanted, active=total - wanted)}) == DONE
    assert PLUGIN.evaluate(job, {"Worker": state(total, wanted - 1, active=1)}) == RUNS


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"minFinishWorkNum": 2}, 2),
        ({"minFinishWorkNum": 99}, 5),
        ({"minFinishWorkNum": 0}, 1),
        ({"minFinishWorkRate": 50}, 3),
        ({"minFinishWorkRate": 0}, 1),
        ({"minFinishWorkRate": 100}, 5),
        ({"minFinishWorkNum": 1, "minFinishWorkRate": 80}, 4),
    ],
)
def test_the_threshold_counts_both_kinds_of_workers(decoded: Jobs, spec: dict[str, int], wanted: int) -> None:
    job = decoded(PLUGIN, KUBEDL, {"Worker": 3, "ExtendRole": 2}, **spec)
    for done in range(6):
        roles = {"ExtendRole": state(2, min(done, 2)), "Worker": state(3, max(done - 2, 0), active=1)}
        assert PLUGIN.evaluate(job, roles) == (DONE if done >= wanted else RUNS)


def test_workers_that_were_scaled_in_count_for_nothing(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEDL, {"Worker": 1}, minFinishWorkNum=1)
    assert PLUGIN.evaluate(job, {"Worker": RoleState(1, succeeded_indexes=frozenset({4}))}) == Verdict()


@pytest.mark.parametrize("roles", [{"PS": state(1, 0)}, {"PS": state(1, 1)}, {"Worker": state(0, 0)}])
def test_a_job_without_workers_has_not_succeeded(decoded: Jobs, roles: dict[str, RoleState]) -> None:
    assert PLUGIN.evaluate(decoded(PLUGIN, KUBEDL, {"PS": 1}), roles) == Verdict()


def test_it_runs_when_a_pod_does_and_not_before(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEDL, {"PS": 1, "Worker": 1})
    assert PLUGIN.evaluate(job, {"PS": state(1, 0), "Worker": state(1, 0)}) == Verdict()
    assert PLUGIN.evaluate(job, {"PS": state(1, 0, active=1), "Worker": state(1, 0)}) == RUNS


@pytest.mark.parametrize("role", ["PS", "Scheduler", "Worker", "ExtendRole"])
def test_a_failure_of_any_role_is_the_jobs(decoded: Jobs, role: str) -> None:
    job = decoded(PLUGIN, KUBEDL, ROLES)
    roles = {name: state(count, 0, active=1) for name, count in ROLES.items()}
    assert PLUGIN.evaluate(job, {**roles, role: state(1, 0, failed=1)}) == Verdict(ConditionType.FAILED, role, 1)
    restarting = {**roles, role: state(1, 0, restarting=1)}
    assert PLUGIN.evaluate(job, restarting) == Verdict(ConditionType.RESTARTING, role, 1)
