"""Status to JSON and back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_workloads.dialects.status import UNKNOWN_TIME, decode_status, encode_status
from kdl_workloads.job import Condition, ConditionType, Failure, JobStatus, ReplicaStatus

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
END = datetime(2026, 1, 31, 12, 30, 0, tzinfo=UTC)

FULL = JobStatus(
    conditions=(
        Condition(ConditionType.CREATED, True, "JobCreated", "Job XGBoostJob/a is created.", START, START),
        Condition(ConditionType.RUNNING, False, "JobRunning", "XGBoostJob a is running.", START, START),
        Condition(ConditionType.FAILED, True, "JobFailed", "it failed", END, END),
    ),
    replicas={
        "Master": ReplicaStatus(failed=1, restarts=2),
        "Worker": ReplicaStatus(active=1, succeeded=5, succeeded_indexes=frozenset({0, 1, 2, 3, 5}), selector="a=b"),
    },
    start_time=START,
    completion_time=END,
    attempts=3,
    uncounted=frozenset({"u2", "u1"}),
    first_failure=Failure("a-master-0", "Master", 0, END, "n1", "xgboost", 137, 9, "OOMKilled", "killed"),
    judged_nodes={"u1": frozenset({("Ready", "Unknown"), ("a=b", "True")}), "u0": frozenset()},
    extra={"modelVersionName": "mv-a-12345"},
)
ENCODED: dict[str, Any] = {
    "modelVersionName": "mv-a-12345",
    "conditions": [
        {
            "type": "Created",
            "status": "True",
            "reason": "JobCreated",
            "message": "Job XGBoostJob/a is created.",
            "lastUpdateTime": "2026-01-31T12:00:00Z",
            "lastTransitionTime": "2026-01-31T12:00:00Z",
        },
        {
            "type": "Running",
            "status": "False",
            "reason": "JobRunning",
            "message": "XGBoostJob a is running.",
            "lastUpdateTime": "2026-01-31T12:00:00Z",
            "lastTransitionTime": "2026-01-31T12:00:00Z",
        },
        {
            "type": "Failed",
            "status": "True",
            "reason": "JobFailed",
            "message": "it failed",
            "lastUpdateTime": "2026-01-31T12:30:00Z",
            "lastTransitionTime": "2026-01-31T12:30:00Z",
        },
    ],
    "replicaStatuses": {
        "Master": {"failed": 1, "restarts": 2},
        "Worker": {"active": 1, "succeeded": 5, "succeededIndexes": "0-3,5", "selector": "a=b"},
    },
    "startTime": "2026-01-31T12:00:00Z",
    "completionTime": "2026-01-31T12:30:00Z",
    "attempts": 3,
    "countedPods": ["u1", "u2"],
    "judgedNodes": {"u0": [], "u1": ["Ready=Unknown", "a=b=True"]},
    "firstFailure": {
        "pod": "a-master-0",
        "role": "Master",
        "index": 0,
        "time": "2026-01-31T12:30:00Z",
        "node": "n1",
        "container": "xgboost",
        "exitCode": 137,
        "signal": 9,
        "reason": "OOMKilled",
        "message": "killed",
    },
}


def test_encode() -> None:
    assert encode_status(FULL) == ENCODED


def test_decode() -> None:
    assert decode_status(ENCODED) == FULL


def test_an_empty_status_has_what_the_crds_of_kubedl_require() -> None:
    assert encode_status(JobStatus()) == {"conditions": [], "replicaStatuses": {}}
    assert decode_status({}) == JobStatus()


def test_a_failure_without_a_container() -> None:
    failure = Failure("p", "Worker", 1, END, reason="Evicted")
    encoded = encode_status(JobStatus(first_failure=failure))
    assert encoded["firstFailure"] == {
        "pod": "p",
        "role": "Worker",
        "index": 1,
        "time": "2026-01-31T12:30:00Z",
        "reason": "Evicted",
    }
    assert decode_status(encoded).first_failure == failure


def test_exit_code_0_is_a_code() -> None:
    failure = Failure("p", "Worker", 1, END, exit_code=0)
    assert decode_status(encode_status(JobStatus(first_failure=failure))).first_failure == failure


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": None, "replicaStatuses": None},
        {"conditions": [{"type": "Weird", "status": "True", "lastUpdateTime": "2026-01-31T12:00:00Z"}]},
        {"startTime": "soon", "completionTime": 5},
        {"attempts": "many"},
        {"firstFailure": {"pod": "p"}},
        {"countedPods": None},
    ],
)
def test_what_cannot_be_read_is_as_if_absent(status: dict[str, Any]) -> None:
    assert decode_status(status) == JobStatus()


@pytest.mark.parametrize("times", [{}, {"lastUpdateTime": "yesterday", "lastTransitionTime": None}])
def test_a_condition_holds_without_a_time(times: dict[str, Any]) -> None:
    status = decode_status({"conditions": [{"type": "Succeeded", "status": "True", **times}]})
    assert status.finished
    assert status.conditions[0].last_transition_time == UNKNOWN_TIME


def test_the_transition_time_stands_in_for_the_update_time() -> None:
    condition = {"type": "Running", "status": "True", "lastTransitionTime": "2026-01-31T12:00:00Z"}
    (found,) = decode_status({"conditions": [condition]}).conditions
    assert (found.last_update_time, found.last_transition_time) == (START, START)


def test_fields_of_others_are_kept() -> None:
    status = {"modelVersionName": "m", "cacheBackendName": "c", "lastReconcileTime": "2026-01-31T12:00:00Z"}
    assert decode_status(status).extra == status
    assert encode_status(decode_status(status)).items() >= status.items()


@pytest.mark.parametrize(("values", "holds"), [("FT", True), ("TF", True), ("FF", False), ("F", False), ("TT", True)])
def test_a_condition_that_is_there_twice_holds_if_one_of_them_does(values: str, holds: bool) -> None:
    raw = [{"type": "Failed", "status": {"T": "True", "F": "False"}[value], "reason": value} for value in values]
    status = decode_status({"conditions": [*raw, {"type": "Created", "status": "True"}]})
    assert status.finished is holds
    assert [(c.type, c.reason) for c in status.conditions] == [("Failed", "T" if holds else "F"), ("Created", "")]


def test_no_number_is_negative() -> None:
    status = decode_status({"attempts": -1, "jobRestarts": -1, "replicaStatuses": {"Worker": {"restarts": -1}}})
    assert (status.attempts, status.restarts, status.replicas["Worker"].restarts) == (0, 0, 0)
