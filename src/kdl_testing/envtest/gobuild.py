"""Binaries from Go modules, for machines that reach a module proxy but none of the releases."""

import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kdl_local.guard import MARK, Guard
from kdl_testing.envtest.catalog import Binary, Module
from kdl_testing.envtest.pulse import Pulse
from kdl_testing.envtest.sources import Order, Report
from kdl_testing.envtest.toolchain import Toolchain, ToolchainError, plain_environment, required_version

SILENCE_SECONDS = 1800.0
"""How long a build may print nothing: linking on a busy machine takes minutes."""

_NICENESS = 10
_TICK_SECONDS = 1.0
_PACKAGE = re.compile(r"[\w.~-]+(/[\w.~+-]+)*")
_DOWNLOADING = "go: downloading "
_ERROR_LINES = 3


@dataclass(frozen=True, slots=True)
class GoBuild:
    """All binaries of an order come from one ``go build``, which compiles what they share once.

    It uses the user's own caches of Go and the module proxy that Go is set to. Nothing of it outlives this process.
    """

    toolchain: Toolchain
    clock: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        return "build"

    def obtain(self, order: Order, report: Report) -> Mapping[str, str]:
        reason = self._build(order, report)
        return {binary.name: reason for binary in order.binaries} if reason else {}

    def _build(self, order: Order, report: Report) -> str:
        """Why it failed, empty if it did not."""
        minimum = required_version((order.module.directory / "go.mod").read_text())
        try:
            go = self.toolchain.find(minimum, order.platform, report)
        except ToolchainError as error:
            return f"no Go: {error}"
        names = ", ".join(binary.name for binary in order.binaries)
        report(f"building {order.module} from Go modules with {go}: {names}")
        started, progress = self.clock(), Progress()
        pulse = Pulse(self.clock, report)

        def tick() -> None:
            pulse.beat(lambda: f"building {order.module}: {progress.text(self.clock() - started)}")

        mark = f"envtest-build-{uuid.uuid4().hex}"
        guard = Guard(mark, [order.staging])
        try:
            code = self._run(command(go, order), environment(order) | {MARK: mark}, order.module, (progress.feed, tick))
        except OSError as error:
            return f"{go} cannot be started: {error}"
        finally:
            guard.release()
        if code is None:
            return f"go build printed nothing for {SILENCE_SECONDS / 60:.0f} minutes and was ended; {progress.last}"
        if code != 0:
            return f"go build exited {code}: {progress.error or 'it said nothing'}"
        report(f"built {order.module} in {duration(self.clock() - started)}")
        return ""

    def _run(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        module: Module,
        watchers: tuple[Callable[[str], None], Callable[[], None]],
    ) -> int | None:
        """The exit code; None if it had to be ended for its silence."""
        feed, tick = watchers
        lines: queue.Queue[str | None] = queue.Queue()
        process = subprocess.Popen(
            argv,
            cwd=module.directory,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = threading.Thread(target=_read, args=(process, lines), name="go-build", daemon=True)
        reader.start()
        heard = self.clock()
        try:
            while True:
                try:
                    line = lines.get(timeout=_TICK_SECONDS)
                except queue.Empty:
                    if self.clock() - heard > SILENCE_SECONDS:
                        return None
                else:
                    if line is None:
                        return process.wait()
                    feed(line)
                    heard = self.clock()
                tick()
        finally:
            _end(process)
            reader.join()
            if process.stdout is not None:
                process.stdout.close()


@dataclass(slots=True)
class Progress:
    """What the lines of ``go build -v`` tell."""

    modules: int = 0
    packages: int = 0
    last: str = "nothing yet"
    _others: list[str] = field(default_factory=list)

    def feed(self, line: str) -> None:
        line = line.rstrip()
        if line.startswith(_DOWNLOADING):
            self.modules += 1
            self.last = f"downloading {line.removeprefix(_DOWNLOADING).split(' ')[0]}"
        elif _PACKAGE.fullmatch(line):
            self.packages += 1
            self.last = f"compiling {line}"
        elif line and line not in self._others[-_ERROR_LINES:]:
            self._others.append(line)

    def text(self, elapsed: float) -> str:
        modules = f"{self.modules} modules downloaded, " if self.modules else ""
        return f"{duration(elapsed)}, {modules}{self.packages} packages compiled; {self.last}"

    @property
    def error(self) -> str:
        """The last lines that are neither."""
        return " | ".join(self._others[-_ERROR_LINES:])


def command(go: Path, order: Order) -> list[str]:
    """The whole command, at a low priority."""
    variables = [f"-X {name}={value}" for name, value in order.module.variables]
    binaries = order.binaries
    # A single one is named, because Go names it after its package; of several, each is named as its package is.
    target = order.staging / binaries[0].name if len(binaries) == 1 else order.staging
    argv = [str(go), "build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly"]
    argv += ["-ldflags", " ".join(["-s", "-w", *variables]), "-o", str(target) + _slash(binaries)]
    argv += [binary.package for binary in binaries]
    nice = shutil.which("nice")
    return [nice, "-n", str(_NICENESS), *argv] if nice else argv


def environment(order: Order) -> dict[str, str]:
    """Without C, so that binaries run in any image and on any libc, and no compiler is needed."""
    return plain_environment() | {"CGO_ENABLED": "0", "GOOS": order.platform.os, "GOARCH": order.platform.arch}


def duration(seconds: float) -> str:
    """Such as ``2 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _slash(binaries: Sequence[Binary]) -> str:
    return "" if len(binaries) == 1 else os.sep


def _read(process: subprocess.Popen[str], lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
