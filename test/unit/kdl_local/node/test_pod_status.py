from typing import Any

import pytest

from kdl_local.node.pod_status import conditions, phase

NOW = "2026-01-01T00:00:00Z"


def running(name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "state": {"running": {}}, "ready": True, "started": True, **more}


def ended(code: int, name: str = "c") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code}}, "ready": False}


def waiting(name: str = "c", last: int | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"name": name, "state": {"waiting": {"reason": "X"}}, "ready": False}
    if last is not None:
        status["lastState"] = {"terminated": {"exitCode": last}}
    return status


def spec(policy: str = "Always", init: list[str] | None = None, main: list[str] | None = None) -> dict[str, Any]:
    """Names of init containers that start with ``side`` are sidecars."""
    inits = [{"name": n, "restartPolicy": "Always"} if n.startswith("side") else {"name": n} for n in init or []]
    return {"restartPolicy": policy, "initContainers": inits, "containers": [{"name": n} for n in main or ["c"]]}


@pytest.mark.parametrize(
    ("spec_", "init", "main", "terminal", "expected"),
    [
        pytest.param(spec(), [], [], False, "Pending", id="nothing known"),
        pytest.param(spec(), [], [waiting()], False, "Pending", id="waits for its first start"),
        pytest.param(spec(), [], [running()], False, "Running", id="runs"),
        pytest.param(spec(main=["c", "d"]), [], [running(), waiting("d")], False, "Pending", id="one has not started"),
        pytest.param(spec(), [], [waiting(last=1)], False, "Running", id="Always, waits for a restart"),
        pytest.param(spec(), [], [ended(0)], False, "Running", id="Always, has just ended"),
        pytest.param(spec("Never"), [], [ended(0)], False, "Succeeded", id="Never, 0"),
        pytest.param(spec("Never"), [], [ended(1)], False, "Failed", id="Never, 1"),
        pytest.param(spec("OnFailure"), [], [ended(0)], False, "Succeeded", id="OnFailure, 0"),
        pytest.param(spec("OnFailure"), [], [ended(1)], False, "Running", id="OnFailure, 1"),
        pytest.param(spec("OnFailure"), [], [waiting(last=1)], False, "Running", id="OnFailure, backs off"),
        pytest.param(
            spec("Never", main=["c", "d"]), [], [ended(0), ended(2, "d")], False, "Failed", id="one of two failed"
        ),
        pytest.param(
            spec("Never", main=["c", "d"]), [], [ended(1), running("d")], False, "Running", id="the other still runs"
        ),
        pytest.param(spec(), [], [ended(0)], True, "Succeeded", id="Always, deleted, 0"),
        pytest.param(spec(), [], [ended(143)], True, "Failed", id="Always, deleted, by a signal"),
        pytest.param(spec(init=["i"]), [running("i")], [waiting()], False, "Pending", id="initializes"),
        pytest.param(spec("Never", init=["i"]), [ended(1, "i")], [waiting()], False, "Failed", id="init failed"),
        pytest.param(spec(init=["i"]), [waiting("i", last=1)], [waiting()], False, "Pending", id="init backs off"),
        pytest.param(spec(init=["i"]), [ended(0, "i")], [running()], False, "Running", id="initialized"),
        pytest.param(spec(init=["side"]), [waiting("side")], [waiting()], False, "Pending", id="sidecar not up"),
        pytest.param(spec(init=["side"]), [running("side")], [running()], False, "Running", id="sidecar up"),
        pytest.param(
            spec("Never", init=["side"]), [running("side")], [ended(0)], False, "Succeeded", id="a sidecar has no say"
        ),
        pytest.param(
            spec(init=["side"]), [waiting("side", last=1)], [running()], False, "Running", id="sidecar restarts"
        ),
    ],
)
def test_phase(
    spec_: dict[str, Any], init: list[dict[str, Any]], main: list[dict[str, Any]], terminal: bool, expected: str
) -> None:
    assert phase(spec_, init, main, terminal=terminal) == expected


def found(spec_: dict[str, Any], status: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {item["type"]: (item["status"], item.get("reason")) for item in conditions(spec_, status, NOW)}


@pytest.mark.parametrize(
    ("spec_", "status", "expected"),
    [
        pytest.param(
            spec(),
            {"phase": "Running", "containerStatuses": [running()]},
            {"Initialized": ("True", None), "ContainersReady": ("True", None), "Ready": ("True", None)},
            id="ready",
        ),
        pytest.param(
            spec(),
            {"phase": "Running", "containerStatuses": [running(ready=False)]},
            {"Ready": ("False", "ContainersNotReady")},
            id="not ready",
        ),
        pytest.param(
            spec(init=["i"]),
            {"phase": "Pending", "initContainerStatuses": [running("i")], "containerStatuses": [waiting()]},
            {"Initialized": ("False", "ContainersNotInitialized"), "Ready": ("False", "ContainersNotReady")},
            id="initializes",
        ),
        pytest.param(
            spec(init=["side"]),
            {"phase": "Running", "initContainerStatuses": [waiting("side", 1)], "containerStatuses": [running()]},
            {"Ready": ("False", "ContainersNotReady")},
            id="a sidecar that is down",
        ),
        pytest.param(
            spec("Never"),
            {"phase": "Succeeded", "containerStatuses": [ended(0)]},
            {"Initialized": ("True", "PodCompleted"), "Ready": ("False", "PodCompleted")},
            id="succeeded",
        ),
        pytest.param(
            spec("Never"),
            {"phase": "Failed", "containerStatuses": [ended(1)]},
            {"Initialized": ("True", None), "Ready": ("False", "PodFailed")},
            id="failed",
        ),
    ],
)
def test_conditions(spec_: dict[str, Any], status: dict[str, Any], expected: dict[str, tuple[str, str | None]]) -> None:
    result = found(spec_, status)
    assert {type_: result[type_] for type_ in expected} == expected


def test_messages_name_the_containers() -> None:
    spec_ = spec(init=["i", "j"], main=["c", "d"])
    status = {"phase": "Pending", "initContainerStatuses": [ended(0, "i")], "containerStatuses": [running("d")]}
    texts = {item["type"]: item.get("message") for item in conditions(spec_, status, NOW)}
    assert texts["Initialized"] == "containers with incomplete status: [j]"
    assert texts["ContainersReady"] == "containers with unready status: [c]"


def test_the_time_of_a_transition_is_kept_while_the_status_stays() -> None:
    status: dict[str, Any] = {"phase": "Running", "containerStatuses": [running()]}
    status["conditions"] = conditions(spec(), status, NOW)
    later = "2026-01-01T01:00:00Z"
    assert {item["lastTransitionTime"] for item in conditions(spec(), status, later)} == {NOW}
    status["containerStatuses"] = [running(ready=False)]
    times = {item["type"]: item["lastTransitionTime"] for item in conditions(spec(), status, later)}
    assert (times["Ready"], times["Initialized"]) == (later, NOW)
