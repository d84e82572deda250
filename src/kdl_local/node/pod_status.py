"""Phase and conditions of a pod, computed from the statuses of its containers as the kubelet does.

Functions of this module are pure; statuses are API objects (``ContainerStatus``). The rules are those of
``getPhase`` and of the ``status`` package of the kubelet
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kdl_local.pods import with_condition

Object = Mapping[str, Any]

COMPLETED, FAILED_POD = "PodCompleted", "PodFailed"

UNKNOWN_STATE = {
    "terminated": {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
        "startedAt": None,
        "finishedAt": None,
    }
}
"""The state of a container that never ran, in a pod that is over."""


def is_sidecar(container: Object) -> bool:
    """An init container that goes on running beside the containers."""
    return container.get("restartPolicy") == "Always"


def by_name(statuses: Iterable[Object]) -> dict[str, Object]:
    return {status["name"]: status for status in statuses}


def phase(spec: Object, init: Sequence[Object], main: Sequence[Object], *, terminal: bool) -> str:
    """``init`` and ``main`` are the statuses of init containers and of containers. ``terminal``: nothing restarts any
    more, because the pod is deleted, evicted or past its deadline."""
    policy = spec.get("restartPolicy") or "Always"
    started = _initialization(spec, by_name(init))
    if started["failed"] and policy == "Never":
        return "Failed"
    counts = _count(spec.get("containers") or (), by_name(main))
    if terminal and counts["stopped"] and not counts["running"]:
        return "Succeeded" if counts["stopped"] == counts["succeeded"] and not started["failed"] else "Failed"
    if started["pending"] or started["failed"] or counts["waiting"] or counts["unknown"]:
        return "Pending"
    if counts["running"]:
        return "Running"
    if counts["stopped"] and policy != "Always":
        if counts["stopped"] == counts["succeeded"]:
            return "Succeeded"
        if policy == "Never":
            return "Failed"
    return "Running" if counts["stopped"] else "Pending"


def _initialization(spec: Object, statuses: Mapping[str, Object]) -> Counter[str]:
    """Counts of init containers that are not done (``pending``) or ended badly (``failed``)."""
    counts: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        status = statuses.get(container["name"])
        if is_sidecar(container):
            # Once started, a sidecar may stop and restart without a say in the phase.
            if status is None or not (status.get("started") or _last_end(status)):
                counts["pending"] += 1
            continue
        end = _last_end(status) if status else None
        if end is None:
            counts["pending"] += 1
        elif end["exitCode"] != 0:
            counts["failed"] += 1
    return counts


def _last_end(status: Object) -> Object | None:
    """How the container ended, now or before it began to wait for its restart; None while it runs or never ran."""
    state = status.get("state") or {}
    if "running" in state:
        return None
    end: Object | None = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
    return end


def _count(containers: Iterable[Object], statuses: Mapping[str, Object]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for container in containers:
        status = statuses.get(container["name"])
        state = (status or {}).get("state") or {}
        end = _last_end(status) if status else None
        if "running" in state:
            counts["running"] += 1
        elif end is not None:
            counts["stopped"] += 1
            counts["succeeded"] += end["exitCode"] == 0 and "terminated" in state
        else:
            counts["waiting" if status else "unknown"] += 1
    return counts


def initialized(spec: Object, init: Sequence[Object]) -> bool:
    counts = _initialization(spec, by_name(init))
    return not counts["pending"] and not counts["failed"]


def conditions(spec: Object, status: Object, now: str) -> list[Object]:
    """The pod's conditions, given its new ``status`` (phase, container statuses, and the conditions so far)."""
    result: list[Object] = list(status.get("conditions") or ())
    for new in (
        {"type": "PodReadyToStartContainers", "status": _flag(bool(status.get("podIP")))},
        _initialized_condition(spec, status),
        _ready_condition("ContainersReady", spec, status),
        _ready_condition("Ready", spec, status),
    ):
        result = with_condition(result, new, now)
    if not any(item["type"] == "PodScheduled" for item in result):
        result = with_condition(result, {"type": "PodScheduled", "status": "True"}, now)
    return result


def _initialized_condition(spec: Object, status: Object) -> Object:
    init = status.get("initContainerStatuses") or ()
    if status["phase"] == "Succeeded":
        return {"type": "Initialized", "status": "True", "reason": COMPLETED}
    if initialized(spec, init):
        return {"type": "Initialized", "status": "True"}
    statuses = by_name(init)
    waiting = [
        container["name"]
        for container in spec.get("initContainers") or ()
        if not initialized({"initContainers": [container]}, list(_only(statuses, container["name"])))
    ]
    message = f"containers with incomplete status: [{' '.join(waiting)}]"
    return {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": message}


def _only(statuses: Mapping[str, Object], name: str) -> Iterable[Object]:
    return [statuses[name]] if name in statuses else []


def _ready_condition(type_: str, spec: Object, status: Object) -> Object:
    if status["phase"] in ("Succeeded", "Failed"):
        reason = COMPLETED if status["phase"] == "Succeeded" else FAILED_POD
        return {"type": type_, "status": "False", "reason": reason}
    statuses = by_name([*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())])
    counted = [item for item in spec.get("initContainers") or () if is_sidecar(item)]
    counted += spec.get("containers") or ()
    unready = [item["name"] for item in counted if not statuses.get(item["name"], {}).get("ready")]
    if not unready:
        return {"type": type_, "status": "True"}
    message = f"containers with unready status: [{' '.join(unready)}]"
    return {"type": type_, "status": "False", "reason": "ContainersNotReady", "message": message}


def _flag(value: bool) -> str:
    return "True" if value else "False"
