"""What a node does next with the containers of a pod. Pure: the order of starts, restarts and the end.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and, for init containers that go on running,
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from kdl_local.node.pod_status import is_sidecar
from kdl_runtime.backoff import BackoffPolicy

Object = Mapping[str, Any]


class State(Enum):
    """WAITING has not started yet, or could not; ENDED has."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Progress:
    """What counts of a container. ``retry_at`` (monotonic seconds) is when it may be started, again or at last;
    ``started``: it runs and its startup probe has succeeded."""

    state: State = State.WAITING
    exit_code: int | None = None
    retry_at: float = 0.0
    started: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """``start`` in this order. ``look_again``: when (monotonic) a back-off ends, None without one. ``over``: nothing
    restarts any more and no container but sidecars runs."""

    start: tuple[str, ...] = ()
    look_again: float | None = None
    over: bool = False


def restart_delay(policy: BackoffPolicy, failures: int) -> float:
    """Seconds before a restart after so many ends in a row: the first one is at once, then ``base`` doubles."""
    return policy.delay(failures - 1) if failures > 1 else 0.0


def next_step(spec: Object, progress: Mapping[str, Progress], now: float) -> Step:
    """``progress`` holds every init container and container by name."""
    policy = spec.get("restartPolicy") or "Always"
    main = [item["name"] for item in spec.get("containers") or ()]
    if all(_is_done(progress[name], policy) for name in main):
        return Step(over=True)
    begun = any(progress[name].state is not State.WAITING for name in main)
    due: list[str] = []
    for container in spec.get("initContainers") or ():
        name, item = container["name"], progress[container["name"]]
        if is_sidecar(container):
            if item.state is not State.RUNNING:
                due.append(name)
            if not item.started and not begun:
                return _starts(due, progress, now)
        elif begun or item.exit_code == 0:
            continue
        elif item.state is State.RUNNING:
            return _starts(due, progress, now)
        elif item.state is State.ENDED and policy == "Never":
            return Step(over=True)
        else:
            return _starts([*due, name], progress, now)
    return _starts([*due, *(name for name in main if _wants_start(progress[name], policy))], progress, now)


def _is_done(item: Progress, policy: str) -> bool:
    return item.state is State.ENDED and not _restarts(item, policy)


def _restarts(item: Progress, policy: str) -> bool:
    return policy == "Always" or (policy == "OnFailure" and item.exit_code != 0)


def _wants_start(item: Progress, policy: str) -> bool:
    if item.state is State.ENDED:
        return _restarts(item, policy)
    return item.state is State.WAITING


def _starts(names: Iterable[str], progress: Mapping[str, Progress], now: float) -> Step:
    names = tuple(names)
    due = tuple(name for name in names if progress[name].retry_at <= now)
    later = [progress[name].retry_at for name in names if progress[name].retry_at > now]
    return Step(due, min(later, default=None))
