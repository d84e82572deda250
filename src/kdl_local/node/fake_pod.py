"""What a pod on a fake node does, and its status at each step. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from kdl_local.node import pod_status
from kdl_local.node.lifecycle import restart_delay
from kdl_runtime.backoff import BackoffPolicy
from kdl_runtime.codec.times import format_time

Object = Mapping[str, Any]

ANNOTATION_PREFIX = "kdl.io/fake-"
START_AFTER = "kdl.io/fake-start-after"
RUN_SECONDS = "kdl.io/fake-run-seconds"
EXIT_CODE = "kdl.io/fake-exit-code"
STOP_AFTER = "kdl.io/fake-stop-after"
LOG = "kdl.io/fake-log"

SIGTERM_EXIT, SIGKILL_EXIT = 143, 137

CRASH_LOOP = BackoffPolicy(base=10.0, factor=2.0, cap=300.0, jitter=0.0)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a pod is told to do. Times in seconds.

    ``run_seconds`` None runs for ever. ``exit_codes``: one for each run of the containers, the last one again for all
    further runs. ``stop_after``: how long a pod takes to end when it is deleted; past its grace period it is killed.
    """

    start_after: float = 0.0
    run_seconds: float | None = None
    exit_codes: tuple[int, ...] = (0,)
    stop_after: float = 0.0
    log: str = ""

    def exit_code(self, run: int) -> int:
        return self.exit_codes[min(run, len(self.exit_codes) - 1)]


def behaviour_of(pod: Object) -> Behaviour:
    """From the pod's annotations ``kdl.io/fake-…``. ValueError names the annotation that is not a number."""
    notes = pod["metadata"].get("annotations") or {}
    run = notes.get(RUN_SECONDS)
    return Behaviour(
        start_after=_seconds(notes, START_AFTER),
        run_seconds=None if run is None else _seconds(notes, RUN_SECONDS),
        exit_codes=_codes(notes.get(EXIT_CODE, "0")),
        stop_after=_seconds(notes, STOP_AFTER),
        log=notes.get(LOG, ""),
    )


def _seconds(notes: Mapping[str, str], name: str) -> float:
    try:
        return float(notes.get(name, "0"))
    except ValueError:
        raise ValueError(f"annotation {name}: {notes[name]!r} is not a number of seconds") from None


def _codes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(code) for code in text.split(","))
    except ValueError:
        raise ValueError(f"annotation {EXIT_CODE}: write exit codes such as 1 or 1,0, not {text!r}") from None


class Step(Enum):
    """Where a fake pod is in its life. BACKING_OFF waits to run again after an exit."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing off"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Progress:
    """``run`` counts finished runs; ``exit_code`` is that of the last one."""

    step: Step = Step.STARTING
    run: int = 0
    since: datetime | None = None
    exit_code: int = 0
    last_end: tuple[datetime, datetime] | None = None


def wait_before(progress: Progress, behaviour: Behaviour) -> float | None:
    """Seconds until a pod leaves its step by itself, None if it stays."""
    match progress.step:
        case Step.STARTING:
            return behaviour.start_after
        case Step.RUNNING:
            return behaviour.run_seconds
        case Step.BACKING_OFF:
            return restart_delay(CRASH_LOOP, progress.run)
        case Step.ENDED:
            return None


def advance(progress: Progress, behaviour: Behaviour, policy: str, now: datetime) -> Progress:
    """The next step after this one's time is over."""
    if progress.step in (Step.STARTING, Step.BACKING_OFF):
        return Progress(Step.RUNNING, progress.run, now, progress.exit_code, progress.last_end)
    if progress.step is Step.ENDED:
        return progress
    return end(progress, behaviour.exit_code(progress.run), now, again=policy)


def end(progress: Progress, exit_code: int, now: datetime, *, again: str = "Never") -> Progress:
    """The run is over. ``again`` is the restart policy, Never for a pod that is deleted."""
    restarts = again == "Always" or (again == "OnFailure" and exit_code != 0)
    step = Step.BACKING_OFF if restarts else Step.ENDED
    times = (progress.since or now, now)
    return Progress(step, progress.run + 1, now, exit_code, times)


def status_of(pod: Object, progress: Progress, place: tuple[str, str], now: datetime) -> dict[str, Any]:
    """The pod's whole ``status``; ``place`` is the node's and the pod's IP address."""
    spec, before = pod["spec"], pod.get("status") or {}
    text = format_time(now)
    host, address = place
    status: dict[str, Any] = {**before, "hostIP": host, "hostIPs": [{"ip": host}]}
    status["startTime"] = before.get("startTime") or text
    if progress.step is not Step.STARTING:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    init = [_container(item, progress, is_init=True) for item in spec.get("initContainers") or ()]
    main = [_container(item, progress, is_init=False) for item in spec.get("containers") or ()]
    if init:
        status["initContainerStatuses"] = init
    status["containerStatuses"] = main
    status["phase"] = pod_status.phase(spec, init, main, terminal=progress.step is Step.ENDED)
    status["conditions"] = pod_status.conditions(spec, status, text)
    return status


def _container(container: Object, progress: Progress, *, is_init: bool) -> dict[str, Any]:
    name, image = container["name"], container.get("image", "")
    status: dict[str, Any] = {"name": name, "image": image, "imageID": image, "lastState": {}}
    sidecar = is_init and pod_status.is_sidecar(container)
    state: dict[str, Any]
    if is_init and not sidecar and progress.step is not Step.STARTING:
        moment = progress.since if progress.last_end is None else progress.last_end[0]
        state = {"terminated": _terminated(0, (moment, moment))}
        return status | {"state": state, "ready": True, "started": False, "restartCount": 0}
    running = progress.step is Step.RUNNING or (sidecar and progress.step is Step.BACKING_OFF)
    ended = _terminated(progress.exit_code, progress.last_end) if progress.last_end else None
    restarts = max(progress.run - (progress.step is not Step.RUNNING), 0)
    match progress.step:
        case Step.STARTING:
            state = {"waiting": {"reason": "PodInitializing" if not is_init else "ContainerCreating"}}
        case _ if running:
            state = {"running": {"startedAt": _time(progress.since)}}
            status["lastState"] = {"terminated": ended} if ended and not sidecar else {}
        case Step.BACKING_OFF:
            message = f"back-off {restart_delay(CRASH_LOOP, progress.run):g}s restarting failed container={name}"
            state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
            status["lastState"] = {"terminated": ended}
        case _:
            state = {"terminated": ended} if ended else dict(pod_status.UNKNOWN_STATE)
    return status | {"state": state, "ready": running, "started": running, "restartCount": 0 if sidecar else restarts}


def _terminated(code: int, times: tuple[datetime | None, datetime | None]) -> dict[str, Any]:
    start, finish = times
    reason = "Completed" if code == 0 else "Error"
    return {"exitCode": code, "reason": reason, "startedAt": _time(start), "finishedAt": _time(finish)}


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
