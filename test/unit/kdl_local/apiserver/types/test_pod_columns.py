from datetime import UTC, datetime
from typing import Any

import pytest

from kdl_local.apiserver.pod_columns import PODS

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUNNING = {"running": {"startedAt": "2026-01-31T11:00:00Z"}}


def container(state: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"name": fields.pop("name", "a"), "state": state or {}, "restartCount": 0, **fields}


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


def ended(code: int, reason: str = "", signal: int = 0) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "signal": signal}}


def pod(status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": "p", "creationTimestamp": "2026-01-31T11:55:00Z", **spec.pop("metadata", {})}
    return {"metadata": metadata, "spec": {"containers": [{"name": "a"}], **spec}, "status": status}


def init(*statuses: dict[str, Any], main: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "phase": "Pending",
        "initContainerStatuses": list(statuses),
        "containerStatuses": [main or container(waiting("PodInitializing"))],
    }


ONE_INIT: dict[str, Any] = {"initContainers": [{"name": "i"}]}
SIDECAR: dict[str, Any] = {"initContainers": [{"name": "s", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("status", "spec", "row"),
    [
        ({"phase": "Pending"}, {}, ["0/1", "Pending", "0"]),
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            {},
            ["0/1", "SchedulingGated", "0"],
        ),
        (
            {"phase": "Pending", "containerStatuses": [container(waiting("ContainerCreating"))]},
            {},
            ["0/1", "ContainerCreating", "0"],
        ),
        ({"phase": "Running", "containerStatuses": [container(RUNNING, ready=True)]}, {}, ["1/1", "Running", "0"]),
        ({"phase": "Running", "containerStatuses": [container(RUNNING, ready=False)]}, {}, ["0/1", "Running", "0"]),
        (
            {"phase": "Running", "containerStatuses": [container(waiting("CrashLoopBackOff"), restartCount=3)]},
            {},
            ["0/1", "CrashLoopBackOff", "3"],
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    container(
                        RUNNING,
                        ready=True,
                        restartCount=2,
                        lastState={"terminated": {"finishedAt": "2026-01-31T11:59:00Z"}},
                    )
                ],
            },
            {},
            ["1/1", "Running", "2 (60s ago)"],
        ),
        (
            {"phase": "Succeeded", "containerStatuses": [container(ended(0, "Completed"))]},
            {},
            ["0/1", "Completed", "0"],
        ),
        ({"phase": "Failed", "containerStatuses": [container(ended(1, "Error"))]}, {}, ["0/1", "Error", "0"]),
        ({"phase": "Failed", "containerStatuses": [container(ended(3))]}, {}, ["0/1", "ExitCode:3", "0"]),
        ({"phase": "Failed", "containerStatuses": [container(ended(137, signal=9))]}, {}, ["0/1", "Signal:9", "0"]),
        ({"phase": "Failed", "reason": "Evicted"}, {}, ["0/1", "Evicted", "0"]),
        (
            {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [container(ended(0, "Completed")), container(RUNNING, ready=True)],
            },
            {"containers": [{"name": "a"}, {"name": "b"}]},
            ["1/2", "Running", "0"],
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [container(ended(0, "Completed")), container(RUNNING, ready=True)],
            },
            {"containers": [{"name": "a"}, {"name": "b"}]},
            ["1/2", "NotReady", "0"],
        ),
        (init(container(RUNNING, name="i")), ONE_INIT, ["0/1", "Init:0/1", "0"]),
        (
            init(container(waiting("CrashLoopBackOff"), name="i", restartCount=1)),
            ONE_INIT,
            ["0/1", "Init:CrashLoopBackOff", "1"],
        ),
        (init(container(ended(2, "Error"), name="i")), ONE_INIT, ["0/1", "Init:Error", "0"]),
        (init(container(ended(2), name="i")), ONE_INIT, ["0/1", "Init:ExitCode:2", "0"]),
        (init(container(ended(0, "Completed"), name="i")), ONE_INIT, ["0/1", "PodInitializing", "0"]),
        (
            init(container(RUNNING, name="s", started=True, ready=True), main=container(RUNNING, ready=True))
            | {"phase": "Running"},
            SIDECAR,
            ["2/2", "Running", "0"],
        ),
        (
            {"phase": "Running", "containerStatuses": [container(RUNNING, ready=True)]},
            {"metadata": {"deletionTimestamp": "2026-01-31T12:00:00Z"}},
            ["1/1", "Terminating", "0"],
        ),
        (
            {"phase": "Succeeded", "containerStatuses": [container(ended(0, "Completed"))]},
            {"metadata": {"deletionTimestamp": "2026-01-31T12:00:00Z"}},
            ["0/1", "Completed", "0"],
        ),
        (
            {"phase": "Running", "reason": "NodeLost"},
            {"metadata": {"deletionTimestamp": "2026-01-31T12:00:00Z"}},
            ["0/1", "Unknown", "0"],
        ),
    ],
)
def test_ready_status_and_restarts(status: dict[str, Any], spec: dict[str, Any], row: list[str]) -> None:
    assert PODS.cells(pod(status, **dict(spec)), NOW)[1:4] == row


def test_the_wide_columns() -> None:
    status = {
        "phase": "Running",
        "podIP": "127.0.1.2",
        "nominatedNodeName": "n2",
        "conditions": [{"type": "x/ready", "status": "True"}],
    }
    found = pod(status, nodeName="n1", readinessGates=[{"conditionType": "x/ready"}, {"conditionType": "y/ready"}])
    assert PODS.cells(found, NOW)[4:] == ["5m", "127.0.1.2", "n1", "n2", "1/2"]
    assert PODS.cells(pod({}), NOW)[5:] == ["<none>"] * 4
    assert [column.priority for column in PODS.columns] == [0] * 5 + [1] * 4
