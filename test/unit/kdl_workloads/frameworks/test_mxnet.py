"""MXJob: defaults, who is the master, and status rules of both modes."""

from collections.abc import Callable

import pytest

from kdl_workloads.dialects.registry import dialect_for
from kdl_workloads.framework import KUBEFLOW, RoleState, Verdict
from kdl_workloads.frameworks.mxnet import MXNet
from kdl_workloads.job import ConditionType, Job, RestartPolicy

Jobs = Callable[..., Job]
PLUGIN = MXNet()
TRAINING = {"Scheduler": 1, "Server": 2, "Worker": 2}
TUNING = {"TunerTracker": 1, "TunerServer": 2, "Tuner": 1}


@pytest.mark.parametrize("roles", [TRAINING, TUNING], ids=["training", "tuning"])
def test_defaults(decoded: Jobs, roles: dict[str, int]) -> None:
    job = decoded(PLUGIN, KUBEFLOW, {role.lower(): count for role, count in roles.items()})
    assert list(job.roles) == list(roles)
    assert {spec.restart_policy for spec in job.roles.values()} == {RestartPolicy.NEVER}
    ports = [spec.template["spec"]["containers"][0]["ports"] for spec in job.roles.values()]
    assert ports == [[{"name": "mxjob-port", "containerPort": 9091}]] * 3
    assert all(PLUGIN.has_service(job, role) for role in job.roles)
    assert [role for role in roles if PLUGIN.is_master(job, role, 0)] == [role for role in roles if role == "Server"]


def ended(*indexes: int, of: int, **counts: int) -> RoleState:
    return RoleState(of, succeeded_indexes=frozenset(indexes), **counts)


RUNS, DONE = Verdict(ConditionType.RUNNING), Verdict(ConditionType.SUCCEEDED)
SERVERS = {"Scheduler": ended(of=1, active=1), "Server": ended(of=2, active=2)}
TUNERS = {"TunerTracker": ended(of=1, active=1), "TunerServer": ended(of=2, active=2)}


@pytest.mark.parametrize(
    ("roles", "verdict"),
    [
        ({**SERVERS, "Worker": ended(of=2)}, RUNS),
        ({**SERVERS, "Worker": ended(0, of=2, active=1)}, RUNS),
        ({**SERVERS, "Worker": ended(0, 1, of=2)}, DONE),
        ({**SERVERS, "Scheduler": ended(0, of=1), "Worker": ended(of=2, active=2)}, RUNS),
        ({**SERVERS, "Worker": ended(of=2, failed=1)}, Verdict(ConditionType.FAILED, "Worker", 1)),
        ({**TUNERS, "Tuner": ended(of=1, active=1)}, RUNS),
        ({**TUNERS, "Tuner": ended(0, of=1)}, DONE),
        ({"Scheduler": ended(0, of=1), "Server": ended(0, of=2)}, Verdict()),
        ({"Scheduler": ended(0, of=1), "Server": ended(0, 1, of=2)}, DONE),
    ],
)
def test_status(decoded: Jobs, roles: dict[str, RoleState], verdict: Verdict) -> None:
    counts = {role: state.replicas for role, state in roles.items()}
    assert PLUGIN.evaluate(decoded(PLUGIN, KUBEFLOW, counts), roles) == verdict


def test_texts(decoded: Jobs) -> None:
    job = decoded(PLUGIN, KUBEFLOW, TRAINING)
    texts = dialect_for(KUBEFLOW).texts_for(PLUGIN.conventions[KUBEFLOW])
    assert texts.running(job).message == "MXJob job is running."
    assert texts.succeeded(job).message == "MXJob job is successfully completed."
