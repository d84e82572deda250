"""The row that ``kubectl get pods`` prints (``k8s.io/kubernetes/pkg/printers/internalversion``)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kdl_local.apiserver.duration import age
from kdl_local.apiserver.types import Column, Printer

_NONE = "<none>"

_COLUMNS = (
    Column("Name", format="name", description="Name must be unique within a namespace."),
    Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", description="The aggregate status of the containers in this pod."),
    Column("Restarts", description="The number of times the containers in this pod have been restarted."),
    Column("Age", description="The time since the pod was created."),
    Column("IP", priority=1, description="The address of the pod."),
    Column("Node", priority=1, description="The node that the pod runs on."),
    Column("Nominated Node", priority=1, description="The node that preemption is to make free for the pod."),
    Column("Readiness Gates", priority=1, description="The readiness gates that hold, of all."),
)


@dataclass(slots=True)
class _Restarts:
    count: int = 0
    last: str = ""

    def add(self, status: Mapping[str, Any]) -> None:
        self.count += status.get("restartCount") or 0
        terminated = (status.get("lastState") or {}).get("terminated") or {}
        self.last = max(self.last, terminated.get("finishedAt") or "")

    def text(self, now: datetime) -> str:
        return f"{self.count} ({age(self.last, now)} ago)" if self.count and self.last else str(self.count)


@dataclass(slots=True)
class _Summary:
    """What is worked out of the container statuses."""

    reason: str
    ready: int = 0
    restarts: _Restarts = field(default_factory=_Restarts)


def _summary(pod: Mapping[str, Any]) -> _Summary:
    status = pod.get("status") or {}
    phase = status.get("phase") or ""
    summary = _Summary(status.get("reason") or phase)
    if _condition(status, "PodScheduled").get("reason") == "SchedulingGated":
        summary.reason = "SchedulingGated"
    sidecar_restarts = _Restarts()
    initializing = _summarise_init(pod, summary, sidecar_restarts)
    if not initializing or _condition(status, "Initialized").get("status") == "True":
        summary.restarts = sidecar_restarts
        _summarise_containers(status, summary)
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            summary.reason = "Unknown"
        elif phase not in ("Succeeded", "Failed"):
            summary.reason = "Terminating"
    return summary


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    found: Iterable[Mapping[str, Any]] = status.get("conditions") or ()
    return next((condition for condition in found if condition.get("type") == type_), {})


def _sidecars(pod: Mapping[str, Any]) -> set[str]:
    """Names of the init containers that restart always and so run beside the others."""
    init = (pod.get("spec") or {}).get("initContainers") or ()
    return {container.get("name", "") for container in init if container.get("restartPolicy") == "Always"}


def _summarise_init(pod: Mapping[str, Any], summary: _Summary, sidecar_restarts: _Restarts) -> bool:
    """Whether an init container is still in the way; then the reason says which."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = _sidecars(pod)
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        sidecar = container.get("name") in sidecars
        summary.restarts.add(container)
        if sidecar:
            sidecar_restarts.add(container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason") or ""
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            summary.ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            summary.reason = f"Init:{_ended(terminated)}"
        elif waiting and waiting != "PodInitializing":
            summary.reason = f"Init:{waiting}"
        else:
            summary.reason = f"Init:{index}/{len(spec.get('initContainers') or ())}"
        return True
    return False


def _summarise_containers(status: Mapping[str, Any], summary: _Summary) -> None:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        summary.restarts.add(container)
        state = container.get("state") or {}
        waiting, terminated = (state.get("waiting") or {}).get("reason") or "", state.get("terminated")
        if waiting:
            summary.reason = waiting
        elif terminated is not None:
            summary.reason = _ended(terminated)
        elif container.get("ready") and state.get("running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        summary.reason = "Running" if _condition(status, "Ready").get("status") == "True" else "NotReady"


def _ended(terminated: Mapping[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    return f"Signal:{terminated['signal']}" if terminated.get("signal") else f"ExitCode:{terminated.get('exitCode', 0)}"


def _cells(pod: Mapping[str, Any], now: datetime) -> list[Any]:
    spec, status, metadata = pod.get("spec") or {}, pod.get("status") or {}, pod["metadata"]
    summary = _summary(pod)
    total = len(spec.get("containers") or ()) + len(_sidecars(pod))
    gates = [gate.get("conditionType", "") for gate in spec.get("readinessGates") or ()]
    passed = sum(_condition(status, gate).get("status") == "True" for gate in gates)
    return [
        metadata.get("name", ""),
        f"{summary.ready}/{total}",
        summary.reason,
        summary.restarts.text(now),
        age(metadata.get("creationTimestamp"), now),
        status.get("podIP") or _NONE,
        spec.get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        f"{passed}/{len(gates)}" if gates else _NONE,
    ]


PODS = Printer(_COLUMNS, _cells)
