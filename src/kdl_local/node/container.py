"""One container of a pod, over all its runs: its state, and its status as the API shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from kdl_local.node.container_log import LogFile
from kdl_local.node.lifecycle import Progress, State
from kdl_local.node.pod_status import UNKNOWN_STATE, is_sidecar
from kdl_local.node.process import Process
from kdl_runtime.codec.times import format_time

Object = Mapping[str, Any]

KEPT_RUNS = 2
"""Logs of so many runs are kept: the present one and the previous one."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. ``signal`` is None unless a signal ended it."""

    exit_code: int
    reason: str
    started_at: datetime
    finished_at: datetime
    container_id: str
    message: str = ""
    signal: int | None = None

    def to_api(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "exitCode": self.exit_code,
            "reason": self.reason,
            "startedAt": format_time(self.started_at),
            "finishedAt": format_time(self.finished_at),
            "containerID": self.container_id,
        }
        if self.signal is not None:
            found["signal"] = self.signal
        if self.message:
            found["message"] = self.message
        return found


@dataclass(slots=True)
class Container:
    """``directory`` holds the logs and termination messages of the runs, which are counted from 0."""

    spec: Object
    is_init: bool
    pod_uid: str
    directory: Path
    run: int = -1
    process: Process | None = None
    log: LogFile | None = None
    started_at: datetime | None = None
    end: End | None = None
    previous: End | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    ready: bool = False
    started: bool = False
    failures: int = 0
    retry_at: float = 0.0
    runs: list[Path] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def sidecar(self) -> bool:
        return self.is_init and is_sidecar(self.spec)

    @property
    def running(self) -> bool:
        return self.process is not None

    @property
    def container_id(self) -> str:
        return f"process://{self.pod_uid}/{self.name}/{self.run}"

    def log_path(self, run: int) -> Path:
        return self.directory / f"{run}.log"

    def message_path(self) -> Path:
        return self.directory / f"{self.run}.message"

    def progress(self) -> Progress:
        if self.running:
            return Progress(State.RUNNING, started=self.started)
        if self.end is not None:
            return Progress(State.ENDED, self.end.exit_code, self.retry_at, started=self.started)
        return Progress(State.WAITING, retry_at=self.retry_at)

    def begin_run(self) -> None:
        """The files of the next run; those of runs too long ago go."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.run += 1
        self.message_path().touch()
        self.message_path().chmod(0o666)
        for suffix in ("log", "message"):
            (self.directory / f"{self.run - KEPT_RUNS}.{suffix}").unlink(missing_ok=True)

    def running_now(self, process: Process, now: datetime) -> None:
        self.process, self.started_at = process, now
        self.previous, self.end = self.end or self.previous, None
        self.waiting_reason = self.waiting_message = ""

    def ended(self, end: End) -> None:
        if self.end is not None:
            self.previous = self.end
        self.process, self.end = None, end
        self.ready = False
        if not self.is_init or self.sidecar:
            self.started = False

    def wait(self, reason: str, message: str, retry_at: float) -> None:
        """It cannot be started before then, and this is why."""
        self.waiting_reason, self.waiting_message, self.retry_at = reason, message, retry_at

    def status(self, *, over: bool) -> dict[str, Any]:
        """The ``ContainerStatus``. ``over``: the pod has ended, so nothing waits any more."""
        image = self.spec.get("image") or ""
        status: dict[str, Any] = {
            "name": self.name,
            "image": image,
            "imageID": f"host://{image}",
            "restartCount": max(self.run, 0),
            "ready": self._ready(),
            "started": self.running and self.started,
            "state": self._state(over=over),
            "lastState": {},
        }
        last = self.previous
        if "waiting" in status["state"]:
            last = self.end or self.previous
        if last is not None:
            status["lastState"] = {"terminated": last.to_api()}
        if self.run >= 0:
            status["containerID"] = self.container_id
        return status

    def _ready(self) -> bool:
        if self.is_init and not self.sidecar:
            return self.end is not None and self.end.exit_code == 0
        return self.running and self.ready

    def _state(self, *, over: bool) -> dict[str, Any]:
        if self.running and self.started_at is not None:
            return {"running": {"startedAt": format_time(self.started_at)}}
        if self.end is not None and (over or not self.waiting_reason):
            return {"terminated": self.end.to_api()}
        if over:
            return dict(UNKNOWN_STATE)
        waiting = {"reason": self.waiting_reason or "PodInitializing"}
        if self.waiting_message:
            waiting["message"] = self.waiting_message
        return {"waiting": waiting}
