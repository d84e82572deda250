"""One component of a control plane as a child process: started until it is ready, stopped, killed, started again."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdl_runtime.errors import KdlError

TAIL_LINES = 15
"""How many lines of its log an error quotes."""

_POLL_SECONDS = 0.03
_LINE_LENGTH = 400
_TAIL_BYTES = 32 * 1024


class ProcessError(KdlError):
    """A component could not be started or has ended by itself. The message quotes the end of its log and names it."""

    def __init__(self, name: str, problem: str, log: Path) -> None:
        self.name = name
        self.problem = problem
        self.log = log
        self.tail = tail(log)
        end = "\n".join(f"  {line}" for line in self.tail) or "  (nothing)"
        super().__init__(f"{name} {problem}. The end of its log, {log}:\n{end}")


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. Times are in seconds.

    ``env`` is the whole environment: nothing of the caller's is passed on. ``directory`` is where the program runs.
    ``ready`` says whether it does its work now; it is asked until then, and None takes a program that runs for ready.
    A program that has not ended ``stop_timeout`` after SIGTERM is killed.
    """

    name: str
    argv: Sequence[str]
    log: Path
    directory: Path
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    start_timeout: float = 60.0
    stop_timeout: float = 10.0


class Process:
    """A program that runs, or does not. To be used by one thread at a time, which need not be the same one."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._child.pid if self._child is not None and self.running else None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Starts it and waits until it is ready. ProcessError if it does not become so; it does not run then."""
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Starts it and does not wait; ``wait_ready`` has to follow."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        program = self.program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            try:
                # In a session of its own, so that Ctrl-C in a terminal ends the test first and then, in order, this.
                self._child = subprocess.Popen(
                    list(program.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(program.env),
                    cwd=program.directory,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProcessError(self.name, f"cannot be started: {error}", program.log) from error

    def wait_ready(self) -> None:
        """Waits until it is ready. ProcessError at once if it exits, and after the start timeout."""
        child = self._child
        if child is None:
            raise RuntimeError(f"{self.name} was not started")
        program = self.program
        deadline = time.monotonic() + program.start_timeout
        try:
            while True:
                code = child.poll()
                if code is not None:
                    raise ProcessError(self.name, f"{_ending(code)} instead of becoming ready", program.log)
                if program.ready is None or program.ready():
                    return
                if time.monotonic() >= deadline:
                    raise ProcessError(self.name, f"was not ready after {program.start_timeout:g} s", program.log)
                time.sleep(_POLL_SECONDS)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Asks it to end, and kills it if it does not. Does nothing if it does not run."""
        self._end(signal.SIGTERM, self.program.stop_timeout)

    def kill(self) -> None:
        """Ends it without a warning, as a crash would."""
        self._end(signal.SIGKILL, None)

    def restart(self) -> None:
        """Stops it if it runs, and starts it again."""
        self.stop()
        self.start()

    def _end(self, number: signal.Signals, patience: float | None) -> None:
        with self._lock:
            child, self._child = self._child, None
            if child is None or child.poll() is not None:
                return
            child.send_signal(number)
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            # What it may have started has the same group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log that are not empty, cut where they are very long; none if there is no such file."""
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line[:_LINE_LENGTH] for line in text.splitlines() if line.strip()][-lines:]


def _ending(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    return f"was ended by {signal.Signals(-code).name}"
