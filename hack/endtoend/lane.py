"""Steps at the same time as those on the cluster, which wait for most of theirs.

They are run one after the other, at a low priority, so that what the cluster does comes first. What they write is kept,
and told a whole step at a time when nothing else is being told.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from endtoend.commands import PROJECT
from endtoend.steps import Journal

NICE = ("nice", "-n", "10")
GRACE = 60.0
"""Seconds in which a program takes down what it has started, before it is killed."""
LOOK = 0.5
"""Seconds between looks for a step that has ended."""


class Lane:
    """``journal`` and ``run`` are for its steps. ``say`` gets what is told, in the thread that calls ``tell``,
    ``finish`` or ``stop``. ``logs``: a directory with a file for each step."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self.journal = Journal(frozenset(), self._write)
        self._logs, self._say = logs, say
        self._ended: SimpleQueue[Path] = SimpleQueue()
        self._lock = threading.Lock()
        self._stopping = False
        self._program: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def started(self) -> bool:
        return self._thread is not None

    def start(self, steps: Mapping[str, Callable[[], None]]) -> None:
        self._thread = threading.Thread(target=self._run, args=(steps,), name="steps beside the cluster")
        self._thread.start()

    def tell(self) -> None:
        """What the steps have written that have ended since the last call."""
        while True:
            try:
                path = self._ended.get_nowait()
            except Empty:
                return
            self._say(path.read_text(errors="replace").rstrip("\n"))

    def finish(self) -> None:
        """Waits for the last step, telling each as it ends."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(LOOK)
            self.tell()
        self.tell()

    def stop(self) -> None:
        """Ends the step that runs, as Ctrl-C does; none comes after it."""
        with self._lock:
            self._stopping = True
            program = self._program
        if program is not None:
            _interrupt(program)
        self.finish()

    def run(self, argv: Sequence[str | Path], environment: Mapping[str, str]) -> int:
        """The exit code of a program that writes to the log of the step."""
        with self._lock:
            if self._stopping:
                raise KeyboardInterrupt
            # In a session of its own: Ctrl-C goes to who has started both lanes, and passes it on.
            program = self._program = subprocess.Popen(
                [*NICE, *map(str, argv)],
                cwd=PROJECT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        code = program.wait()
        with self._lock:
            self._program = None
            if self._stopping:
                raise KeyboardInterrupt
        return code

    def _run(self, steps: Mapping[str, Callable[[], None]]) -> None:
        for name, step in steps.items():
            path = self._logs / f"{name}.log"
            with path.open("wb") as self._output:
                try:
                    step()
                except KeyboardInterrupt:
                    return
                finally:
                    self._output.flush()
                    self._ended.put(path)

    def _write(self, line: str) -> None:
        assert self._output is not None, "only steps write"
        self._output.write(f"{line}\n".encode())
        self._output.flush()


def _interrupt(program: "subprocess.Popen[bytes]") -> None:
    """The whole session, as a terminal does, so that a program's own workers end with it."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(program.pid, number)
            program.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return
